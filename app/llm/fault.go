package llm

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// fault is what a provider says about a failure, in whatever form it says it.
type fault struct {
	status  int    // of HTTP, or a status named inside a stream; 0 without one
	message string // the provider's message
	code    string // its code, type and status, in lower case
	param   string // the parameter that the provider names
	wait    time.Duration
}

// faultDoc has the members in which providers describe failures. Each member may have
// any type.
type faultDoc struct {
	Error, Message, Msg, Detail, Details, Errors, Title  json.RawMessage
	Code, Type, Status, Param, Metadata, Raw, InnerError json.RawMessage
}

// readFault reads the body of a failed response, or an event that describes a failure.
func readFault(status int, body []byte) fault {
	f := fault{status: status}
	text := bytes.TrimSpace(body)
	if bytes.HasPrefix(text, []byte("<")) {
		f.message = "an HTML page"
		return f
	}
	f.read(text, 4)
	if f.message == "" {
		f.message = string(text)
	}
	f.code = strings.ToLower(f.code)
	return f
}

// read reads raw, a JSON value or a text. depth bounds the nesting.
func (f *fault) read(raw []byte, depth int) {
	raw = bytes.TrimSpace(raw)
	if depth == 0 || len(raw) == 0 {
		return
	}
	switch raw[0] {
	case '[':
		// Gemini wraps the document in an array when it fails in the middle of an
		// answer.
		for _, item := range items(raw, 8) {
			f.read(item, depth-1)
		}
		return
	case '"':
		text := textOf(raw)
		if strings.HasPrefix(text, "{") {
			// A proxy has put the provider's document into a text.
			inner := *f
			if inner.read([]byte(text), depth-1); inner.message != "" {
				*f = inner
				return
			}
		}
		f.say(text)
		return
	}
	var doc faultDoc
	if json.Unmarshal(repaired(raw), &doc) != nil {
		return
	}
	f.name(doc)
	for _, inner := range []json.RawMessage{doc.Error, doc.Message, doc.Msg, doc.Detail} {
		f.read(inner, depth-1)
	}
	f.location(doc, raw)
	f.read(doc.Errors, depth-1)
	f.delays(doc.Details)
	var upstream faultDoc
	if json.Unmarshal(doc.Metadata, &upstream) == nil && len(upstream.Raw) > 0 {
		// The message of the provider behind a gateway says more than the gateway's own
		// message.
		inner := fault{status: f.status, wait: f.wait}
		if inner.read(upstream.Raw, depth-1); inner.message != "" {
			inner.code += " " + f.code
			*f = inner
		}
	}
	if f.message == "" {
		f.say(textOf(doc.Title))
	}
}

// say keeps the first message. Of a list of complaints it keeps the following ones too.
func (f *fault) say(text string) {
	text = strings.TrimSpace(text)
	switch {
	case text == "" || strings.Contains(f.message, text):
	case f.message == "":
		f.message = text
	case len(f.message) < 2*maxRemoteText:
		f.message += "; " + text
	}
}

// name collects the codes, which come in many members and types.
func (f *fault) name(doc faultDoc) {
	for _, raw := range []json.RawMessage{doc.Code, doc.Type, doc.Status} {
		word := wordOf(raw)
		if word == "" {
			continue
		}
		if n, err := strconv.Atoi(word); err == nil && n >= 400 && n <= 599 && f.status < 400 {
			f.status = n
		}
		f.code += " " + word
	}
	var inner faultDoc
	if json.Unmarshal(doc.InnerError, &inner) == nil {
		f.code += " " + wordOf(inner.Code)
	}
	if param := wordOf(doc.Param); param != "" && f.param == "" {
		f.param = param
	}
}

// location reads where a validator of requests found the fault:
// {"loc":["body","temperature"]}.
func (f *fault) location(doc faultDoc, raw []byte) {
	var place struct{ Loc json.RawMessage }
	if json.Unmarshal(raw, &place) != nil {
		return
	}
	for _, step := range items(place.Loc, 8) {
		if name := textOf(step); name != "" && name != "body" && f.param == "" {
			f.param = name
			f.message = strings.TrimPrefix(name+": "+f.message, "; ")
		}
	}
}

// delays reads the wait that Gemini asks for before a retry.
func (f *fault) delays(details json.RawMessage) {
	for _, item := range items(details, 16) {
		var d struct{ RetryDelay json.RawMessage }
		if json.Unmarshal(item, &d) != nil {
			continue
		}
		if wait, err := time.ParseDuration(textOf(d.RetryDelay)); err == nil && wait > 0 && wait < 1000*time.Hour {
			f.wait = wait
		}
	}
}

// The same failures, in the words and codes of different providers.
var (
	saysTooLong = regexp.MustCompile(`context_length_exceeded|exceed_context|maximum context length|maximum prompt length|context (?:length|size|window|limit)|` +
		`prompt is too long|prompt too long|input is too long|too many (?:input )?tokens|input token count|input length|request too large|` +
		`exceeds? the (?:model'?s )?(?:maximum|max|limit)[^.]{0,40}tokens|reduce (?:the|your) (?:length|prompt|input)|string_above_max_length|payload too large`)
	saysTooMuchWanted = regexp.MustCompile(`max_(?:completion_|output_)?tokens'?[^.]{0,60}too (?:large|high|big)|supports at most \d+ (?:completion|output) tokens|` +
		`maxoutputtokens[^.]{0,80}(?:range|exceed|at most)`)
	saysFiltered = regexp.MustCompile(`content_filter|content_policy|responsibleaipolicy|content management policy|safety system|flagged by|` +
		`moderation|content filtering policy|data_inspection_failed|prohibited_content|prompt was blocked|sensitive content|inappropriate content`)
	saysQuota = regexp.MustCompile(`insufficient_quota|insufficient[ _](?:balance|credit|funds)|billing_hard_limit|billing_not_active|payment_required|` +
		`credit balance|out of credits|requires more credits|exceeded your current quota|account_overdue|arrearage`)
	saysBadKey  = regexp.MustCompile(`api[ _-]?key|authentication|unauthenticated|unauthorized|invalid_auth|permission_denied|invalid token`)
	saysLimited = regexp.MustCompile(`rate[ _-]?limit|too many requests|resource_exhausted|quota|throttl|requests per (?:minute|day|second)`)
	saysBusy    = regexp.MustCompile(`overload|unavailable|capacity|try again|bad gateway|timed? ?out|server_error|internal`)
	saysRefused = regexp.MustCompile(`invalid_request|invalid_argument|bad_?request|not_found|unsupported`)

	windowWords = []*regexp.Regexp{
		regexp.MustCompile(`maximum (?:context|prompt) length (?:is|of) (\d+)`), regexp.MustCompile(`(\d+) maximum context length`),
		regexp.MustCompile(`> ?(\d+) (?:maximum|tokens)`), regexp.MustCompile(`tokens allowed \((\d+)\)`), regexp.MustCompile(`n_ctx"?:? ?(\d+)`),
		regexp.MustCompile(`context (?:length|size|window|limit)[^0-9]{0,30}(\d{3,})`), regexp.MustCompile(`limit:? (\d{3,})`),
		regexp.MustCompile(`max(?:imum)?[^0-9]{0,40}?(\d{3,}) tokens`),
	}
	grouped = regexp.MustCompile(`(\d)[,_](\d{3})`)
)

// err turns the failure into an Error with its kind. hide makes the provider's message
// fit to be shown.
func (f fault) err(hide func(string) string) *Error {
	e := &Error{Status: f.status, RetryAfter: f.wait, fault: &f}
	words := strings.ToLower(f.code + " " + f.message)
	client := f.status == 0 || f.status >= 400 && f.status < 500 && f.status != http.StatusUnauthorized
	switch {
	case client && f.status != http.StatusTooManyRequests && saysTooMuchWanted.MatchString(words):
		e.Kind = BadRequest
	case f.status == http.StatusRequestEntityTooLarge, (client || f.status == 500) && saysTooLong.MatchString(words):
		e.Kind, e.Window = TooLong, windowIn(words)
	case client && saysFiltered.MatchString(words):
		e.Kind = Filtered
	case f.status == http.StatusPaymentRequired, client && f.wait == 0 && saysQuota.MatchString(words):
		e.Kind = Quota
	case f.status >= 300:
		e.Kind, e.retry = kindOfStatus(f.status, f.message)
	default:
		e.Kind, e.retry = kindOfWords(words)
	}
	e.Message = strings.TrimSpace(strconv.Itoa(f.status) + " " + http.StatusText(f.status))
	if f.status == 0 {
		e.Message = "the provider failed in its answer"
	}
	if f.status >= 300 && f.status < 400 {
		f.message = "redirects are not followed; configure the final address"
	}
	if text := hide(f.message); text != "" {
		e.Message += ": " + text
	}
	return e
}

// kindOfStatus returns the kind of an HTTP status from 300 on. Whether a 429 may be
// retried depends on Retry-After, which the caller knows.
func kindOfStatus(status int, message string) (kind ErrorKind, retry bool) {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return BadKey, false
	case status == http.StatusBadRequest && strings.Contains(message, "API key"):
		// Gemini's answer to a key that it does not know.
		return BadKey, false
	case status == http.StatusRequestTimeout:
		return Timeout, true
	case status == http.StatusConflict, status == http.StatusTooEarly, status >= 500:
		return Unavailable, true
	case status == http.StatusTooManyRequests:
		return Limited, false
	case status < 400:
		return Broken, false
	}
	return BadRequest, false
}

// kindOfWords returns the kind of a failure that came with status 200 and names no
// other status.
func kindOfWords(words string) (kind ErrorKind, retry bool) {
	switch {
	case saysLimited.MatchString(words):
		return Limited, false
	case saysBadKey.MatchString(words):
		return BadKey, false
	case saysBusy.MatchString(words):
		return Unavailable, true
	case saysRefused.MatchString(words):
		return BadRequest, false
	}
	return Unavailable, true
}

// windowIn finds the size of a model's context in a message about a prompt that is too
// long. It is 0 when the message does not say.
func windowIn(words string) int {
	for grouped.MatchString(words) {
		words = grouped.ReplaceAllString(words, "$1$2")
	}
	for _, re := range windowWords {
		if m := re.FindStringSubmatch(words); m != nil {
			if n, err := strconv.Atoi(m[1]); err == nil && n > 0 && n < 1<<30 {
				return n
			}
		}
	}
	return 0
}

// notJSON is the error for data that should be JSON and is not.
func notJSON(data []byte, hide func(string) string) *Error {
	return broken("the answer is not what the provider's interface promises: no JSON: %s", hide(string(data[:min(len(data), 1<<10)])))
}
