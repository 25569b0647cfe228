package schedule

import (
	"math"
	"slices"
	"time"
)

// Trigger says when an agent speaks without being mentioned. Make it with ParseTrigger.
type Trigger struct {
	// Chance: there are no conditions, and the room's frequency decides.
	Chance bool
	// Every: all conditions must hold; otherwise any one of them is enough. Without any
	// condition the agent speaks when it is called, never by itself.
	Every    bool
	Messages int           // people's messages since the agent's last turn
	Interval time.Duration // since the agent's last message
	Silence  time.Duration // since the last message of a person, or of the agent itself

	// Window is how many messages of the room the model gets. 0 leaves it to
	// context_window. AllMessages means all that fit.
	Window int

	Monologue   int           // a streak of so many own messages puts the agent to sleep; 0 = never
	UserTimeout time.Duration // so long without a person's message puts it to sleep; 0 = never

	// Modify bounds what the agent itself may change.
	Modify Modification

	reset     reset
	isNewForm bool
}

// AllMessages is the value of Window for an agent that gets the whole room.
const AllMessages = -1

// Modification says what an agent may change in its own trigger.
type Modification struct {
	For    time.Duration // how long a change lasts; 0 = it may change nothing
	Always bool          // a change lasts until staff undo it
	Bounds map[string]Range
}

// Range is the lowest and the highest value that a condition may be set to.
type Range struct{ Min, Max float64 }

// Timed tells whether the trigger may make the agent speak without a new message.
func (t *Trigger) Timed() bool { return t.Interval > 0 || t.Silence > 0 }

// The names of the conditions, as in the older form and in decisions.
const (
	MessageCount = "message_count"
	TimeInterval = "time_interval"
	Silence      = "silence"
	Manual       = "manual" // there are no conditions
)

// reset says when the state of an agent in a room is cleared.
type reset struct {
	days   int // 0 = never
	minute int // of the day
}

// LastReset returns when the state was last due to be cleared. The days are counted
// from the day on which the agent began to wait. It is zero before the first time.
func (t *Trigger) LastReset(since, now time.Time, loc *time.Location) time.Time {
	r := t.reset
	if r.days == 0 || now.Before(since) {
		return time.Time{}
	}
	first := dayOf(since.In(loc))
	times := (int(dayOf(now.In(loc))-first) / r.days) + 1
	for ; times >= 0; times-- {
		d := (first + day(times*r.days)).start()
		at := time.Date(d.Year(), d.Month(), d.Day(), r.minute/60, r.minute%60, 0, 0, loc)
		if !at.After(now) {
			if at.Before(since) {
				break
			}
			return at
		}
	}
	return time.Time{}
}

// term is the newer form's name for a condition, and the bounds of its value.
type term struct {
	of, name    string
	unit        float64 // how many units of the older form make one of the newer form
	least, most float64
}

// terms are in the order in which problems are reported.
//
//nolint:gochecknoglobals // a table
var terms = []term{
	{MessageCount, "message_count", 1, 1, maxMessages},
	{TimeInterval, "time_interval_mins", 60, minMinutes, maxMinutes},
	{Silence, "user_silent_mins", 60, minMinutes, maxMinutes},
}

// Changed makes the change when the agent itself adds a condition to its trigger. value
// is in messages or in seconds; it is brought within the bounds that staff set. patch
// is for MergeTrigger. lasting is how long the change lasts, 0 for ever. ok is false
// when staff do not let the agent change anything.
func (t *Trigger) Changed(condition string, value float64) (patch string, lasting time.Duration, ok bool) {
	i := slices.IndexFunc(terms, func(c term) bool { return c.of == condition })
	if i < 0 || math.IsNaN(value) || !t.isNewForm || (t.Modify.For == 0 && !t.Modify.Always) {
		return "", 0, false
	}
	c := terms[i]
	value = min(max(value/c.unit, c.least), c.most)
	if b, bounded := t.Modify.Bounds[c.name]; bounded {
		value = min(max(value, b.Min), b.Max)
	}
	if condition == MessageCount {
		value = math.Round(value)
	}
	var enabled []string
	for i, on := range []bool{t.Messages > 0, t.Interval > 0, t.Silence > 0} {
		if on || terms[i].of == condition {
			enabled = append(enabled, terms[i].name)
		}
	}
	return encode(map[string]any{"trigger": map[string]any{"enabled_conditions": enabled, c.name: value}}), t.Modify.For, true
}
