package app

import (
	"errors"
	"time"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/model"
	"github.com/coagent-studio/coagent/store"
)

// Reasons why a turn ended without a message. Staff read them together with the
// detail. Package event has those on which frames depend.
const (
	reasonTooLong  = "too_long"
	reasonLost     = "lost"
	reasonStopped  = "shutdown"
	reasonNotAble  = "not_able"
	reasonInternal = "internal"
	reasonOverload = "overload"
	reasonSteps    = "too_many_steps"
	reasonTokens   = "too_many_tokens"
	reasonRepeats  = "repeats_itself"
	reasonApproval = "approval" // parked until a person has decided
	reasonErased   = "erased"
	reasonPrompt   = "prompt_too_long"
)

// errLinesGone ends a turn that has no message left to answer.
var errLinesGone = &turnFault{reason: event.ReasonGone, detail: "the lines that it was about were taken back or hidden", state: store.TurnStopped}

// errErased ends a turn that needs an artifact which was erased for good.
var errErased = &turnFault{reason: reasonErased, detail: "an artifact that it was about was erased for good", state: store.TurnStopped}

// errGaveWay ends a turn that answers agents, because a person has spoken since.
var errGaveWay = &turnFault{reason: event.ReasonGaveWay, detail: "a person has spoken since", state: store.TurnStopped, quiet: true}

// errNewerMessage makes the attempt ask the model again: a person has spoken before
// the room saw anything of the answer.
var errNewerMessage = &turnFault{reason: event.ReasonGaveWay, detail: "a person has spoken while it was being written"}

// errTooLong ends a turn at its longest duration.
var errTooLong = &turnFault{reason: reasonTooLong, detail: "the answer took too long"}

// errStopped gives a turn back to the queue when this process shuts down.
var errStopped = &turnFault{reason: reasonStopped, detail: "the worker was stopped", again: true}

// turnFault is why an attempt ended without a message.
type turnFault struct {
	reason, detail string
	state          string        // how the turn ends: failed unless set
	quiet          bool          // the room is not told
	again          bool          // another attempt may succeed
	after          time.Duration // how long to wait before it
	usage          llm.Usage
	steps          []store.TurnStep // steps that the attempt has not saved yet
}

// Error returns the reason and the detail. The detail is written for the room's
// staff.
func (f *turnFault) Error() string { return f.reason + ": " + f.detail }

// faultOf says what an error means for the turn.
func faultOf(err error, attempt int) *turnFault {
	var fault *turnFault
	var unasked *model.Fault
	var failed *llm.Error
	switch {
	case errors.As(err, &fault):
		return fault
	case errors.As(err, &unasked):
		f := &turnFault{reason: unasked.Reason, detail: unasked.Detail}
		if f.reason == model.ReasonSilent {
			f.state = store.TurnStopped
		}
		return f
	case !errors.As(err, &failed):
		return &turnFault{reason: reasonInternal, detail: "an error of the program; the server's log tells more", again: true, after: time.Second}
	}
	f := &turnFault{reason: string(failed.Kind), detail: failed.Message}
	switch failed.Kind {
	case llm.TooLong:
		f.reason = reasonPrompt
	case llm.BadKey, llm.BadRequest, llm.UnknownProvider, llm.Quota, llm.Filtered, llm.WroteCall:
	default:
		f.again, f.after = true, max(failed.RetryAfter, time.Duration(attempt)*time.Second)
	}
	return f
}
