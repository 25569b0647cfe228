// Package schedule decides when an agent may speak (schedule_config) and what makes it
// speak by itself (trigger_config). It reads the older and the newer form of both. It
// is pure: the caller passes in what happened and the current time.
//
// A schedule uses the local time of its zone. In spring the clock skips an hour; a
// window within that hour does not open on that day. In autumn the clock repeats an
// hour; a window within it opens twice.
//
// A window belongs to the day on which it begins, even when it runs past midnight. Its
// last minute is open until that minute ends.
//
// It imports nothing of ours.
package schedule

import (
	"fmt"

	"github.com/coagent-studio/coagent/app/wording"
)

// Problem is an error in one member of a configuration.
type Problem struct {
	Field   string       // its path, for example trigger_config.trigger.message_count
	Message string       // what is wrong with it and what to send instead
	Text    wording.Text // the same in every language
}

// Error returns the path and the message.
func (p *Problem) Error() string { return p.Field + ": " + p.Message }

// The names of the two configurations. The path of a Problem begins with one of them.
const (
	triggerConfig  = "trigger_config"
	scheduleConfig = "schedule_config"
)

func problem(field, format string, args ...any) *Problem {
	return &Problem{Field: field, Message: fmt.Sprintf(format, args...), Text: wording.Of(format, args...)}
}
