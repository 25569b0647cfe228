package schedule

import (
	"time"

	"github.com/coagent-studio/coagent/app/wording"
)

// This file says when a trigger is due, by what happened in a room. What then becomes of
// it is decided in app/turntaking/due.go, and app/turn/due.go finds and fires those that
// are due.

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

// condition is one part of a trigger. When ok is true, it holds from at on; at may be
// in the future.
type condition struct {
	name string
	at   time.Time
	ok   bool
	why  string
}

func (t *Trigger) conditions(f Facts) []condition {
	var all []condition
	person, spoke, since := notAfter(f.Person, f.Now), notAfter(f.Spoke, f.Now), notAfter(f.Since, f.Now)
	if t.Messages > 0 {
		all = append(all, condition{MessageCount, person, f.Messages >= t.Messages,
			wording.Of("%d of %d messages of people since its last turn", f.Messages, t.Messages).String()})
	}
	if t.Interval > 0 {
		c := condition{name: TimeInterval, at: later(later(spoke, since).Add(t.Interval), person), ok: f.Unread && !person.IsZero() && person.Add(t.Interval).After(since),
			why: wording.Of("%v since its last message", t.Interval).String()}
		if !c.ok {
			c.why = wording.Of("no person has spoken since its last turn").String()
		}
		all = append(all, c)
	}
	if t.Silence > 0 {
		at := later(person, spoke).Add(t.Silence)
		c := condition{name: Silence, at: at, ok: f.Broken && !person.IsZero() && at.After(since), why: wording.Of("%v of silence", t.Silence).String()}
		if !c.ok {
			c.why = wording.Of("no person has spoken since it last broke the silence").String()
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
		return false, Manual, wording.Of("it speaks only when it is called").String()
	case !ok:
		return false, c.name, c.why
	case c.at.After(f.Now):
		return false, c.name, wording.Of("%s, in %v", c.why, c.at.Sub(f.Now).Round(time.Second)).String()
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
