package schedule

import (
	"slices"
	"sort"
	"time"
)

// day counts the days since 1 January 1970.
type day int

const dayLength = 24 * time.Hour

// dayOf returns the day that a local clock shows at t.
func dayOf(t time.Time) day {
	const length = int64(dayLength / time.Second)
	seconds := wall(t).Unix()
	if seconds < 0 {
		seconds -= length - 1 // round down, before 1970 too
	}
	return day(seconds / length)
}

// start returns midnight of the day, as wall returns it.
func (d day) start() time.Time { return time.Unix(int64(d)*int64(dayLength/time.Second), 0).UTC() }

// weekday returns 0 for Monday to 6 for Sunday. Day 0 was a Thursday.
func (d day) weekday() int { return (int(d)%7 + 7 + 3) % 7 }

// wall returns the local time of t as if it were UTC, so that hours can be added to it.
func wall(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

const (
	firstDay   day = -1 << 30
	lastDay    day = 1 << 30
	everyDay       = 1<<7 - 1
	lastMinute     = 24*60 - 1
)

// rule is a window on every day that it applies to. start and end are minutes of the
// day, both included. A window whose end is before its start ends on the next day.
type rule struct {
	from, to   day   // both included
	days       uint8 // one bit for each weekday
	start, end int
}

func (r *rule) holds(d day) bool {
	return d >= r.from && d <= r.to && r.days&(1<<d.weekday()) != 0
}

// Schedule is when an agent may speak. Make it with ParseSchedule.
type Schedule struct {
	loc     *time.Location
	special map[day][]rule // the windows of a day that replace the rules
	rules   []rule
	except  bool // open except in the windows of the rules
	// turns are the days, in order, on which a rule or a special day begins or ends.
	// After the last of them every week is the same.
	turns []day
}

// Always returns the schedule of an agent that has none: it is always open.
func Always(loc *time.Location) *Schedule {
	return &Schedule{loc: loc, except: true}
}

// Always tells whether the schedule has no rules that could close it.
func (s *Schedule) Always() bool { return s.except && len(s.rules) == 0 && len(s.special) == 0 }

// prepare fills turns.
func (s *Schedule) prepare() {
	for d := range s.special {
		s.turns = append(s.turns, d)
	}
	for _, r := range s.rules {
		for _, d := range []day{r.from, r.to + 1} {
			if d > firstDay && d <= lastDay {
				s.turns = append(s.turns, d)
			}
		}
	}
	slices.Sort(s.turns)
	s.turns = slices.Compact(s.turns)
}

// span is a range of minutes of one day, both ends included.
type span struct{ from, to int }

// spans returns the open minutes of a day, in order.
func (s *Schedule) spans(d day) []span {
	var held []span
	for _, r := range s.windows(d - 1) {
		if r.end < r.start && r.holds(d-1) {
			held = append(held, span{0, r.end})
		}
	}
	for _, r := range s.windows(d) {
		if !r.holds(d) {
			continue
		}
		if r.end < r.start {
			held = append(held, span{r.start, lastMinute})
		} else {
			held = append(held, span{r.start, r.end})
		}
	}
	sort.Slice(held, func(i, j int) bool { return held[i].from < held[j].from })
	if s.except {
		return gaps(held)
	}
	return held
}

func (s *Schedule) windows(d day) []rule {
	if special, ok := s.special[d]; ok {
		return special
	}
	return s.rules
}

// gaps returns the minutes of a day that are in no span.
func gaps(held []span) []span {
	var open []span
	next := 0
	for _, h := range held {
		if h.from > next {
			open = append(open, span{next, h.from - 1})
		}
		next = max(next, h.to+1)
	}
	if next <= lastMinute {
		open = append(open, span{next, lastMinute})
	}
	return open
}

// Open tells whether the agent may speak at t.
func (s *Schedule) Open(t time.Time) bool {
	at := wall(t.In(s.loc))
	d := dayOf(at)
	minute := int(at.Sub(d.start()) / time.Minute)
	return slices.ContainsFunc(s.spans(d), func(sp span) bool { return sp.from <= minute && minute <= sp.to })
}

// NextOpen returns the first instant from t on at which the agent may speak. That is t
// itself while it may speak. ok is false when it may never speak again.
func (s *Schedule) NextOpen(t time.Time) (next time.Time, ok bool) {
	at := t.In(s.loc)
	for {
		// Until the next change of the clocks, local time and real time pass equally.
		_, change := at.ZoneBounds()
		open, ok := s.nextWall(wall(at))
		opens := at.Add(open.Sub(wall(at)))
		if ok && (change.IsZero() || opens.Before(change)) {
			return opens.In(t.Location()), true
		}
		if change.IsZero() {
			return time.Time{}, false
		}
		// No change moves the clock by more than a day. So a change farther away cannot
		// bring back a local time that has already passed.
		if change.Sub(at) > dayLength {
			if !ok {
				return time.Time{}, false
			}
			if near := opens.Add(-2 * dayLength); near.After(change) {
				change = near
			}
		}
		at = change.In(s.loc)
	}
}

// week is the number of days that contain everything that recurs: seven days, one day
// before for windows past midnight, and one spare day.
const week = 9

// nextWall does what NextOpen does, in local time.
func (s *Schedule) nextWall(at time.Time) (time.Time, bool) {
	d := dayOf(at)
	for seen := 0; ; {
		minute := int(at.Sub(d.start()) / time.Minute)
		for _, sp := range s.spans(d) {
			if sp.to < minute {
				continue
			}
			if opens := d.start().Add(time.Duration(sp.from) * time.Minute); opens.After(at) {
				return opens, true
			}
			return at, true
		}
		d++
		next, turning := slices.BinarySearch(s.turns, d)
		if seen++; turning {
			seen = 0
		} else if seen > week {
			if next == len(s.turns) {
				return time.Time{}, false
			}
			d, seen = s.turns[next], 0
		}
		at = d.start()
	}
}
