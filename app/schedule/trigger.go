package schedule

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Trigger is what makes an agent speak without being mentioned. Make it with
// ParseTrigger.
type Trigger struct {
	// Chance says that there are no conditions: the room's frequency decides.
	Chance bool
	// Every says that all conditions must hold, otherwise any of them will do.
	// With none of them the agent speaks when it is called, never by itself.
	Every    bool
	Messages int           // people's lines since the agent's last turn
	Interval time.Duration // since the agent's last line
	Silence  time.Duration // since the last line of a person, or of the agent itself

	// Lines is how many lines of the room the model gets: 0 leaves it to
	// context_window, AllLines means all that fit.
	Lines int

	Monologue   int           // of its own lines in a row put the agent to sleep; 0 = never
	UserTimeout time.Duration // without a person's line puts it to sleep; 0 = never

	// Modify bounds what the agent itself may change.
	Modify Modification

	reset     reset
	isNewForm bool
}

// AllLines is the Lines of an agent that gets the whole room.
const AllLines = -1

// Modification is what an agent may change of its own trigger.
type Modification struct {
	For    time.Duration // how long a change lasts; 0 = it may change nothing
	Always bool          // a change lasts until staff undo it
	Bounds map[string]Range
}

// Range is the least and the most that a condition may be set to.
type Range struct{ Min, Max float64 }

// Facts are what a trigger is judged by: what happened in one room.
type Facts struct {
	Now time.Time
	// Since is when the agent began to wait: it came, or its settings changed.
	// What had taken so long already by then does not count.
	Since time.Time
	Spoke time.Time // its last line or the last time its trigger made it speak; zero = never
	// Person is a person's last line that agents may hear; zero = there is none.
	Person time.Time
	// Unread says that a person has spoken since the agent's last turn began,
	// Broken that one has since the agent last broke a silence.
	Unread, Broken bool
	Messages       int // people's lines since its last turn
}

// Timed tells whether the trigger may make the agent speak though nobody has
// said anything.
func (t *Trigger) Timed() bool { return t.Interval > 0 || t.Silence > 0 }

// condition is a part of a trigger: since when it holds, or will, if ok.
type condition struct {
	name string
	at   time.Time
	ok   bool
	why  string
}

// The names of the conditions, as the older form and decisions have them.
const (
	MessageCount = "message_count"
	TimeInterval = "time_interval"
	Silence      = "silence"
	Manual       = "manual" // there are none
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

// notAfter keeps a clock that was set back from putting off what is measured
// from an instant that has yet to come.
func notAfter(t, now time.Time) time.Time {
	if t.After(now) {
		return now
	}
	return t
}

// pick is the condition that decides: the last of all, or the first of any.
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

// Met tells whether the conditions hold now, by which of them, and how it
// stands.
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

// Due is when the passing of time alone will make the agent speak; ok is false
// when it will not, unless somebody says something first.
func (t *Trigger) Due(f Facts) (at time.Time, ok bool) {
	if !t.Timed() {
		return time.Time{}, false
	}
	all := t.conditions(f)
	if !t.Every && t.Messages > 0 {
		all = all[1:] // a count is reached by a line, not by time
	}
	c, ok := pick(t.Every, all)
	return c.at, ok
}

// reset is when the state of an agent in a room is cleared.
type reset struct {
	days   int // 0 = never
	minute int // of the day
}

// LastReset is when the state was last to be cleared, counted from the day on
// which the agent began to wait; zero before the first time.
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

// term is what the newer form calls a condition, and the bounds of its value.
type term struct {
	of, name    string
	unit        float64 // of the older form, in one of the newer
	least, most float64
}

// terms are in the order in which problems are told.
//
//nolint:gochecknoglobals // a table
var terms = []term{
	{MessageCount, "message_count", 1, 1, maxMessages},
	{TimeInterval, "time_interval_mins", 60, minMinutes, maxMinutes},
	{Silence, "user_silent_mins", 60, minMinutes, maxMinutes},
}

// Changed is what the agent itself may add to its trigger: one more condition
// with a value, in lines or in seconds, which is brought within the bounds that
// staff set. It is an addition for Merge. lasting is 0 for good; ok is false
// when staff let it change nothing.
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
