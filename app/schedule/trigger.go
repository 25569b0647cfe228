package schedule

import (
	"fmt"
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

	// Lines is how many messages of the room the model gets. 0 leaves it to
	// context_window. AllLines means all that fit.
	Lines int

	Monologue   int           // a streak of so many own messages puts the agent to sleep; 0 = never
	UserTimeout time.Duration // so long without a person's message puts it to sleep; 0 = never

	// Modify bounds what the agent itself may change.
	Modify Modification

	reset     reset
	isNewForm bool
}

// AllLines is the value of Lines for an agent that gets the whole room.
const AllLines = -1

// Modification says what an agent may change in its own trigger.
type Modification struct {
	For    time.Duration // how long a change lasts; 0 = it may change nothing
	Always bool          // a change lasts until staff undo it
	Bounds map[string]Range
}

// Range is the lowest and the highest value that a condition may be set to.
type Range struct{ Min, Max float64 }

// Facts are what happened in one room. A trigger decides by them.
type Facts struct {
	Now time.Time
	// Since is when the agent began to wait: it joined, or its settings changed. A
	// condition that was already met at that time does not count.
	Since time.Time
	Spoke time.Time // its last message, or the last time its trigger made it speak; zero = never
	// Person is the time of a person's last message that agents may read. Zero means
	// that there is none.
	Person time.Time
	// Unread: a person has spoken since the agent's last turn began. Broken: a person
	// has spoken since the agent last broke a silence.
	Unread, Broken bool
	Messages       int // people's messages since its last turn
}

// Timed tells whether the trigger may make the agent speak without a new message.
func (t *Trigger) Timed() bool { return t.Interval > 0 || t.Silence > 0 }

// condition is one part of a trigger. When ok is true, it holds from at on; at may be
// in the future.
type condition struct {
	name string
	at   time.Time
	ok   bool
	why  string
}

// The names of the conditions, as in the older form and in decisions.
const (
	MessageCount = "message_count"
	TimeInterval = "time_interval"
	Silence      = "silence"
	Manual       = "manual" // there are no conditions
)

func (t *Trigger) conditions(f Facts) []condition {
	var all []condition
	person, spoke, since := notAfter(f.Person, f.Now), notAfter(f.Spoke, f.Now), notAfter(f.Since, f.Now)
	if t.Messages > 0 {
		all = append(all, condition{MessageCount, person, f.Messages >= t.Messages,
			fmt.Sprintf("%d of %d lines of people since its last turn", f.Messages, t.Messages)})
	}
	if t.Interval > 0 {
		c := condition{name: TimeInterval, at: later(later(spoke, since).Add(t.Interval), person), ok: f.Unread && !person.IsZero() && person.Add(t.Interval).After(since),
			why: fmt.Sprintf("%v since its last line", t.Interval)}
		if !c.ok {
			c.why = "no person has spoken since its last turn"
		}
		all = append(all, c)
	}
	if t.Silence > 0 {
		at := later(person, spoke).Add(t.Silence)
		c := condition{name: Silence, at: at, ok: f.Broken && !person.IsZero() && at.After(since), why: fmt.Sprintf("%v of silence", t.Silence)}
		if !c.ok {
			c.why = "no person has spoken since it last broke the silence"
		}
		all = append(all, c)
	}
	return all
}

func later(x, y time.Time) time.Time {
	if y.After(x) {
		return y
	}
	return x
}

// notAfter returns t, or now when t is in the future. After the clock was set back, a
// time in the future would delay everything that is measured from it.
func notAfter(t, now time.Time) time.Time {
	if t.After(now) {
		return now
	}
	return t
}

// pick returns the condition that decides: with every the last one to hold, otherwise
// the first one to hold.
func pick(every bool, all []condition) (condition, bool) {
	var chosen condition
	for _, c := range all {
		switch {
		case every && !c.ok:
			return c, false
		case !c.ok:
			if !chosen.ok && chosen.name == "" {
				chosen = c
			}
		case !chosen.ok || every == c.at.After(chosen.at):
			chosen = c
		}
	}
	return chosen, chosen.ok
}

// Met tells whether the conditions hold now. by names the condition that decided, and
// why explains the decision.
func (t *Trigger) Met(f Facts) (met bool, by, why string) {
	c, ok := pick(t.Every, t.conditions(f))
	switch {
	case c.name == "":
		return false, Manual, "it speaks only when it is called"
	case !ok:
		return false, c.name, c.why
	case c.at.After(f.Now):
		return false, c.name, fmt.Sprintf("%s, in %v", c.why, c.at.Sub(f.Now).Round(time.Second))
	}
	return true, c.name, c.why
}

// Due returns when the passing of time alone will make the agent speak. ok is false
// when it will not speak until somebody says something.
func (t *Trigger) Due(f Facts) (at time.Time, ok bool) {
	if !t.Timed() {
		return time.Time{}, false
	}
	all := t.conditions(f)
	if !t.Every && t.Messages > 0 {
		all = all[1:] // a count is reached by a message, not by time
	}
	c, ok := pick(t.Every, all)
	return c.at, ok
}

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
