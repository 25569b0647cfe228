package turn

import (
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/ledger"
	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/model"
	"github.com/coagent-studio/coagent/store"
)

// Reasons why a turn ended without a message. Staff read them together with the
// detail. Package event has those on which frames depend.
const (
	ReasonTooLong  = "too_long"
	ReasonLost     = "lost"
	ReasonStopped  = "shutdown"
	ReasonNotAble  = "not_able"
	reasonInternal = "internal"
	ReasonOverload = "overload"
	reasonSteps    = "too_many_steps"
	reasonTokens   = "too_many_tokens"
	reasonRepeats  = "repeats_itself"
	reasonApproval = "approval" // parked until a person has decided
	reasonErased   = "erased"
	reasonPrompt   = "prompt_too_long"
	reasonFloor    = "floor"    // put back until nobody else speaks
	reasonRead     = "was_read" // an earlier turn of the agent has read the message
)

// errMessagesGone ends a turn that has no message left to answer.
var errMessagesGone = &Fault{Reason: event.ReasonGone, Detail: "the messages that it was about were taken back or hidden", State: store.TurnStopped}

// errErased ends a turn that needs an artifact which was erased for good.
var errErased = &Fault{Reason: reasonErased, Detail: "an artifact that it was about was erased for good", State: store.TurnStopped}

// errGaveWay ends a turn that answers agents, because a person has spoken since.
var errGaveWay = &Fault{Reason: event.ReasonGaveWay, Detail: "a person has spoken since", State: store.TurnStopped, Quiet: true}

// errNewerMessage makes the attempt ask the model again: a person has spoken before
// the room saw anything of the answer.
var errNewerMessage = &Fault{Reason: event.ReasonGaveWay, Detail: "a person has spoken while it was being written"}

// errArchived ends a turn whose course has been archived.
var errArchived = &Fault{Reason: ReasonNotAble, Detail: "the course was archived", State: store.TurnStopped}

// ErrTooLong ends a turn at its longest duration.
var ErrTooLong = &Fault{Reason: ReasonTooLong, Detail: "the answer took too long"}

// ErrStopped gives a turn back to the queue when this process shuts down.
var ErrStopped = &Fault{Reason: ReasonStopped, Detail: "the worker was stopped", Again: true}

// Fault is why an attempt ended without a message.
type Fault struct {
	Reason, Detail string
	State          string        // how the turn ends: failed unless set
	Quiet          bool          // the room is not told
	Again          bool          // another attempt may succeed
	Free           bool          // this one does not count as an attempt, though its time does
	After          time.Duration // how long to wait before it
	Usage          llm.Usage
	Steps          []store.TurnStep // steps that the attempt has not saved yet
}

// Error returns the reason and the detail. The detail is written for the room's
// staff.
func (f *Fault) Error() string { return f.Reason + ": " + f.Detail }

// FaultOf says what an error means for the turn, after so many attempts.
func FaultOf(err error, attempt int) *Fault {
	var fault *Fault
	var unasked *model.Fault
	var failed *llm.Error
	var refused *ledger.Refused
	switch {
	case errors.As(err, &fault):
		return fault
	case errors.Is(err, store.ErrArchived):
		return errArchived
	case errors.As(err, &refused):
		return &Fault{Reason: refused.Reason, Detail: refused.Error()}
	case errors.As(err, &unasked):
		f := &Fault{Reason: unasked.Reason, Detail: unasked.Detail}
		if f.Reason == model.ReasonSilent {
			f.State = store.TurnStopped
		}
		return f
	case !errors.As(err, &failed):
		return &Fault{Reason: reasonInternal, Detail: "an error of the program; the server's log tells more", Again: true, After: pauseAfter(attempt)}
	}
	f := &Fault{Reason: string(failed.Kind), Detail: failed.Message}
	switch failed.Kind {
	case llm.TooLong:
		f.Reason = reasonPrompt
	case llm.BadKey, llm.BadRequest, llm.UnknownProvider, llm.Quota, llm.Filtered, llm.WroteCall:
	default:
		f.Again, f.After = true, failed.RetryAfter+pauseAfter(attempt)
	}
	return f
}

// pauseAfter is the pause after so many attempts that failed: from 50 to 150 % of a
// second, and then twice as much each time. It differs by chance and is added to what a
// provider asks for, because the turns of a whole class may fail at the same moment.
func pauseAfter(attempts int) time.Duration {
	pauses := &backoff.ExponentialBackOff{InitialInterval: time.Second, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: 20 * time.Second}
	for range attempts - 1 {
		pauses.NextBackOff()
	}
	return pauses.NextBackOff()
}
