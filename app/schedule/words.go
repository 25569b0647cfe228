package schedule

import (
	"fmt"
	"slices"
	"time"

	"github.com/coagent-studio/coagent/app/wording"
)

// maxSentences is how many rules of a schedule are put in words.
const maxSentences = 20

// Words says in sentences when the trigger makes its agent speak.
func (t *Trigger) Words() []wording.Text {
	var conditions []wording.Text
	if t.Messages > 0 {
		conditions = append(conditions, wording.Of("people have sent %d messages since its last turn", t.Messages))
	}
	if t.Interval > 0 {
		conditions = append(conditions, wording.Of("%s have passed since its last message, and people have spoken since", wording.Span(t.Interval)))
	}
	if t.Silence > 0 {
		conditions = append(conditions, wording.Of("nobody has spoken for %s", wording.Span(t.Silence)))
	}
	var all []wording.Text
	switch {
	case t.Chance:
		all = append(all, wording.Of("It speaks by chance, as often as the room's frequency says."))
	case len(conditions) == 0:
		all = append(all, wording.Of("It speaks only when it is called."))
	case len(conditions) == 1:
		all = append(all, wording.Of("It speaks when %s.", conditions[0]))
	case t.Every:
		all = append(all, wording.Of("It speaks when all of this holds: %s.", wording.List(conditions)))
	default:
		all = append(all, wording.Of("It speaks when any of this holds: %s.", wording.List(conditions)))
	}
	if t.Monologue > 0 {
		all = append(all, wording.Of("It sleeps after %d messages of its own, until a person speaks.", t.Monologue))
	}
	if t.UserTimeout > 0 {
		all = append(all, wording.Of("It sleeps when no person has spoken for %s.", wording.Span(t.UserTimeout)))
	}
	switch {
	case t.Modify.Always:
		all = append(all, wording.Of("It may change its trigger itself, until staff undo it."))
	case t.Modify.For > 0:
		all = append(all, wording.Of("It may change its trigger itself, for %s at a time.", wording.Span(t.Modify.For)))
	}
	if t.reset.days > 0 {
		all = append(all, wording.Of("Every %d days at %s it starts anew.", t.reset.days, clockOf(t.reset.minute)))
	}
	return all
}

// Words says in sentences when the schedule lets its agent speak.
func (s *Schedule) Words() []wording.Text {
	if s.Always() {
		return []wording.Text{wording.Of("It may speak at any time.")}
	}
	var all []wording.Text
	for i, r := range s.rules {
		if i == maxSentences {
			all = append(all, wording.Of("And %d more rules.", len(s.rules)-i))
			break
		}
		if s.except {
			all = append(all, wording.Of("It may not speak %s.", r.words()))
		} else {
			all = append(all, wording.Of("It may speak %s.", r.words()))
		}
	}
	if len(s.rules) == 0 && !s.except {
		all = append(all, wording.Of("It may not speak on days without hours of their own."))
	}
	var days []day
	for d := range s.special {
		days = append(days, d)
	}
	slices.Sort(days)
	for i, d := range days {
		if i == maxSentences {
			all = append(all, wording.Of("And %d more days with hours of their own.", len(days)-i))
			break
		}
		var hours []wording.Text
		for _, r := range s.special[d] {
			hours = append(hours, r.hours())
		}
		all = append(all, wording.Of("On %s only %s.", dateOf(d), wording.List(hours)))
	}
	return all
}

func (r *rule) words() wording.Text {
	on := wording.Of("every day")
	switch {
	case r.from == r.to:
		return wording.Of("on %s, %s", dateOf(r.from), r.hours())
	case r.days == 0:
		on = wording.Of("on no day of the week")
	case r.days != everyDay:
		var days []wording.Text
		for i, name := range weekdayNames() {
			if r.days&(1<<i) != 0 {
				days = append(days, name)
			}
		}
		on = wording.Of("on %s", wording.List(days))
	}
	switch {
	case r.from > firstDay && r.to < lastDay:
		return wording.Of("%s from %s to %s, %s", on, dateOf(r.from), dateOf(r.to), r.hours())
	case r.from > firstDay:
		return wording.Of("%s from %s on, %s", on, dateOf(r.from), r.hours())
	case r.to < lastDay:
		return wording.Of("%s until %s, %s", on, dateOf(r.to), r.hours())
	}
	return wording.Of("%s, %s", on, r.hours())
}

// hours are those of a rule. Both ends are included, so the last minute is part of it.
func (r *rule) hours() wording.Text {
	switch {
	case r.start == 0 && r.end == lastMinute:
		return wording.Of("all day")
	case r.end < r.start:
		return wording.Of("from %s to %s on the next day", clockOf(r.start), clockOf(r.end))
	}
	return wording.Of("from %s to %s", clockOf(r.start), clockOf(r.end))
}

func weekdayNames() []wording.Text {
	return []wording.Text{wording.Of("Monday"), wording.Of("Tuesday"), wording.Of("Wednesday"), wording.Of("Thursday"), wording.Of("Friday"),
		wording.Of("Saturday"), wording.Of("Sunday")}
}

func clockOf(minute int) string { return fmt.Sprintf("%02d:%02d", minute/60, minute%60) }

func dateOf(d day) string { return d.start().Format(time.DateOnly) }

// NextClosed returns the first instant from t on at which the agent may not speak. ok is
// false when it may speak for ever.
func (s *Schedule) NextClosed(t time.Time) (next time.Time, ok bool) {
	other := *s
	other.except = !s.except
	return other.NextOpen(t)
}
