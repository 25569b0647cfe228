// Package schedule knows when an agent may speak (schedule_config) and what
// makes it speak by itself (trigger_config), each in its older and its newer
// form. It is pure: what happened and what time it is are handed in.
//
// A schedule is read by the clock on the wall of its zone. Where that clock
// skips an hour in spring, what is within it does not happen that day; where
// it repeats one in autumn, a window within it is open twice.
//
// A window belongs to the day on which it begins, also when it runs across
// midnight, and its last minute counts whole.
//
// It imports nothing of ours.
package schedule

import "fmt"

// Problem is a member of a configuration that cannot be as it is.
type Problem struct {
	Field   string // its path, for example trigger_config.trigger.message_count
	Message string // what is wrong with it and what to send instead
}

// Error gives the path and the remedy.
func (p *Problem) Error() string { return p.Field + ": " + p.Message }

// Names of the two configurations, with which the path of a Problem begins.
const (
	triggerConfig  = "trigger_config"
	scheduleConfig = "schedule_config"
)

func problem(field, format string, args ...any) *Problem {
	return &Problem{Field: field, Message: fmt.Sprintf(format, args...)}
}
