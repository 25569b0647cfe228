package llm

import (
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/coagent-studio/coagent/app/wording"
)

// This file has what people read about a failure who may use a key and need not know
// more. A provider's own words may name accounts, addresses or parts of keys, so they
// are not among it.

// reasonNoModel is the only reason of Plain that is no ErrorKind.
const reasonNoModel = "unknown_model"

var (
	saysNoModel = regexp.MustCompile(`model_?not_?found|model_?not_?exist|deploymentnotfound|invalid_model|(?:no such|unknown|invalid) model|not a valid model|` +
		`\bmodels?\b.{0,160}(?:not found|not exist|not have access|no access|no longer available|deprecated)|not have access to model|not_found_error model:`)
	saysNoRoom = regexp.MustCompile(`model output limit was reached|could not finish the message`)
)

// Plain returns why a call failed: a word for programs, which is Kind or unknown_model,
// and a sentence for people in this program's own words.
func (e *Error) Plain() (reason, detail string) {
	reason = string(e.Kind)
	switch {
	case e.noModel():
		reason, detail = reasonNoModel, wording.Of("The provider has no such model, or not for this key").String()
	case e.Kind == BadKey && e.Status == http.StatusForbidden:
		detail = wording.Of("The provider does not let this key make the call").String()
	case e.Kind == BadKey:
		detail = wording.Of("The provider refuses the key: it is wrong, revoked, or one of another provider").String()
	case e.Kind == Quota:
		detail = wording.Of("The account of the key has no credit left").String()
	case e.Kind == Limited:
		detail = wording.Of("The provider takes no more calls with this key for now").String()
	case e.Kind == Open:
		detail = wording.Of("The last calls with this key failed, so none was made; try again in %v", e.RetryAfter.Round(time.Second)).String()
	case e.Kind == UnknownProvider:
		detail = wording.Of("The configuration of this server has no such provider").String()
	case e.Kind == Broken, e.Kind == BadRequest && e.Status == http.StatusNotFound:
		detail = wording.Of("What answers at the provider's address does not speak its language; the operator has to look at its base_url").String()
	case e.fault == nil && (e.Kind == Unavailable || e.Kind == Timeout):
		detail = wording.Of("No answer came: %s", e.Message).String()
	case e.Kind == Unavailable, e.Kind == Timeout:
		detail = wording.Of("The provider has a fault of its own; try again later").String()
	default:
		detail = wording.Of("The provider refuses the call").String()
	}
	if e.Status != 0 {
		detail = wording.Of("%s (status %d)", detail, e.Status).String()
	}
	return reason, detail
}

// noModel reports whether the provider says that it has no model of this name, or not
// for this key.
func (e *Error) noModel() bool {
	if e.fault == nil {
		return false
	}
	switch e.fault.status {
	case http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusGone, http.StatusUnprocessableEntity:
		return saysNoModel.MatchString(strings.ToLower(e.fault.code + " " + e.fault.message))
	}
	return false
}

// Began reports whether the model began to answer, although the answer cannot be used:
// the limit of tokens went into thinking, or what it said cannot be shown.
func (e *Error) Began() bool {
	switch e.Kind {
	case Filtered, WroteCall, ThoughtAloud:
		return true
	case BadRequest:
		return e.fault != nil && saysNoRoom.MatchString(strings.ToLower(e.fault.message))
	}
	return false
}
