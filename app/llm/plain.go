package llm

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
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
	status := ""
	if e.Status != 0 {
		status = fmt.Sprintf(" (status %d)", e.Status)
	}
	switch {
	case e.noModel():
		reason, detail = reasonNoModel, "The provider has no such model, or not for this key"
	case e.Kind == BadKey && e.Status == http.StatusForbidden:
		detail = "The provider does not let this key make the call"
	case e.Kind == BadKey:
		detail = "The provider refuses the key: it is wrong, revoked, or one of another provider"
	case e.Kind == Quota:
		detail = "The account of the key has no credit left"
	case e.Kind == Limited:
		detail = "The provider takes no more calls with this key for now"
	case e.Kind == Open:
		detail = fmt.Sprintf("The last calls with this key failed, so none was made; try again in %v", e.RetryAfter.Round(time.Second))
	case e.Kind == UnknownProvider:
		detail = "The configuration of this server has no such provider"
	case e.Kind == Broken, e.Kind == BadRequest && e.Status == http.StatusNotFound:
		detail = "What answers at the provider's address does not speak its language; the operator has to look at its base_url"
	case e.fault == nil && (e.Kind == Unavailable || e.Kind == Timeout):
		detail = "No answer came: " + e.Message
	case e.Kind == Unavailable, e.Kind == Timeout:
		detail = "The provider has a fault of its own; try again later"
	default:
		detail = "The provider refuses the call"
	}
	return reason, detail + status
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
