package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/mail"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"

	"github.com/coagent-studio/coagent/store"
)

// The maximum lengths of stored texts, in characters.
const (
	maxName   = 200
	maxText   = 20_000  // descriptions and announcements
	maxPrompt = 100_000 // an agent's instructions
	maxJSON   = 256 << 10
	maxDepth  = 32
	// maxContentDepth is deep enough for a document with fifteen lists within lists.
	maxContentDepth = 60
)

// text checks a string from a client: from least to most characters of valid UTF-8
// without NUL, which no database accepts.
func text(field, value string, least, most int) error {
	switch n := utf8.RuneCountInString(value); {
	case !utf8.ValidString(value):
		return invalid(field, "send valid UTF-8 text")
	case strings.ContainsRune(value, 0):
		return invalid(field, "remove the NUL character")
	case n < least && least == 1:
		return invalid(field, "must not be empty")
	case n < least:
		return invalid(field, "must have at least %d characters", least)
	case n > most:
		return invalid(field, "has %d characters, at most %d are possible", n, most)
	}
	return nil
}

// name checks a required name or title and removes the blanks around it.
func name(field string, value *string) error {
	*value = strings.TrimSpace(*value)
	if err := text(field, *value, 1, maxName); err != nil {
		return err
	}
	return shown(field, *value)
}

// optionalText checks a text that may be absent.
func optionalText(field string, value *string, most int) error {
	if value == nil {
		return nil
	}
	return text(field, *value, 0, most)
}

// email checks an e-mail address (RFC 5322 addr-spec, no display name) and changes it to
// the form in which it is stored.
func email(field string, value *string) error {
	*value = strings.TrimSpace(*value)
	if err := text(field, *value, 1, 254); err != nil {
		return err
	}
	if err := shown(field, *value); err != nil {
		return err
	}
	*value = canonical(*value)
	if _, host, ok := strings.Cut(*value, "@"); ok {
		if _, good := hostName(host); !good {
			return invalid(field, "is at a host of no valid name")
		}
	}
	if a, err := mail.ParseAddress(*value); err != nil || a.Address != *value {
		return invalid(field, "is not an e-mail address, send one like ada@example.org")
	}
	if lower := strings.ToLower(*value); strings.HasSuffix(lower, noMail) || strings.HasSuffix(lower, botMail) {
		return invalid(field, "is no address: %s is kept for accounts that have none", lower[strings.LastIndexByte(lower, '@')+1:])
	}
	return identifier(field, (*value)[:strings.LastIndexByte(*value, '@')])
}

// identifier checks a name for sign-in as RFC 8265 says: its letters have only one
// spelling, and they are read in one direction.
func identifier(field, value string) error {
	for word := range strings.FieldsSeq(value) {
		if _, err := precis.UsernameCaseMapped.String(word); err != nil {
			return invalid(field, "has, in %q, a character or a direction of writing that nobody can sign in by; "+
				"use letters and digits of one script, and signs such as . - _", word)
		}
	}
	return nil
}

// username checks a user name. A blank one counts as absent. It must not contain "@", so
// that no user name can be taken for an e-mail address at sign-in.
func username(field string, value *string) (*string, error) {
	if value == nil || strings.TrimSpace(*value) == "" {
		return nil, nil
	}
	v := strings.Join(strings.Fields(*value), " ")
	if strings.ContainsAny(*value, "\t\r\n") {
		v = strings.TrimSpace(*value)
	}
	if err := text(field, v, 1, 64); err != nil {
		return nil, err
	}
	v = canonical(v)
	if strings.ContainsAny(v, "@\t\r\n") {
		return nil, invalid(field, "must not contain @ or line breaks")
	}
	if err := firstOf(errors.Join(personName(field, &v), oneScript(field, v), identifier(field, v))); err != nil {
		return nil, err
	}
	return &v, nil
}

// oneOf checks that value is one of the choices.
func oneOf(field, value string, choices ...string) error {
	for _, c := range choices {
		if value == c {
			return nil
		}
	}
	return invalid(field, "must be one of %s", strings.Join(choices, ", "))
}

// object checks a JSON object from a client. It keeps the object's text, including the
// order of its keys. Absent and null give the fallback.
func object(field string, raw json.RawMessage, fallback store.JSON) (store.JSON, error) {
	return boundedObject(field, raw, fallback, maxJSON, maxDepth)
}

// boundedObject is object with limits: most bytes, and deepest levels.
func boundedObject(field string, raw json.RawMessage, fallback store.JSON, most, deepest int) (store.JSON, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return fallback, nil
	}
	if raw[0] != '{' || !json.Valid(raw) {
		return "", invalid(field, "must be an object")
	}
	if !utf8.Valid(raw) { // json.Valid accepts invalid UTF-8, but Postgres does not
		return "", invalid(field, "send valid UTF-8 text")
	}
	if len(raw) > most {
		return "", invalid(field, "has %d bytes, at most %d are possible", len(raw), most)
	}
	dec, depth := json.NewDecoder(bytes.NewReader(raw)), 0
	dec.UseNumber()
	for {
		tok, err := dec.Token()
		if err != nil {
			break
		}
		switch v := tok.(type) {
		case json.Delim:
			if v == '{' || v == '[' {
				depth++
			} else {
				depth--
			}
			if depth > deepest {
				return "", invalid(field, "is nested more than %d levels deep", deepest)
			}
		case string:
			if strings.ContainsRune(v, 0) {
				return "", invalid(field, "remove the NUL character")
			}
		}
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return "", invalid(field, "must be an object")
	}
	return store.JSON(compact.String()), nil
}

// Opt is a member of a request. It can be absent, null or a value.
type Opt[T any] struct {
	Sent  bool // the request has the member
	Null  bool // the member is null
	Value T
}

// Some is an Opt with a value.
func Some[T any](v T) Opt[T] { return Opt[T]{Sent: true, Value: v} }

// UnmarshalJSON sets Sent and reads the value.
func (o *Opt[T]) UnmarshalJSON(b []byte) error {
	o.Sent = true
	if bytes.Equal(bytes.TrimSpace(b), []byte("null")) {
		o.Null = true
		return nil
	}
	return json.Unmarshal(b, &o.Value)
}

// set writes a sent value to a required column. It refuses null.
func (o Opt[T]) set(field string, to *T) error {
	if o.Sent && o.Null {
		return invalid(field, "must not be null, leave it out to keep what is stored")
	}
	if o.Sent {
		*to = o.Value
	}
	return nil
}

// setNullable writes a sent value to a column. Null clears the column.
func (o Opt[T]) setNullable(to **T) {
	switch {
	case o.Sent && o.Null:
		*to = nil
	case o.Sent:
		v := o.Value
		*to = &v
	}
}
