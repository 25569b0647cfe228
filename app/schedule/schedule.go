package schedule

import (
	"slices"
	"sort"
	"time"
)

// day counts the days since 1 January 1970.
type day int

const dayLength = 24 * time.Hour

// dayOf is the day that the clock on the wall shows.
func dayOf(t time.Time) day {
	const length = int64(dayLength / time.Second)
	seconds := wall(t).Unix()
	if seconds < 0 {
		seconds -= length - 1 // round down, before 1970 too
	}
	return day(seconds / length)
}

// start is midnight of a day, as wall tells it.
func (d day) start() time.Time { return time.Unix(int64(d)*int64(dayLength/time.Second), 0).UTC() }

// weekday is 0 for Monday to 6 for Sunday; the first day was a Thursday.
func (d day) weekday() int { return (int(d)%7 + 7 + 3) % 7 }

// wall is what the clock on the wall shows, as if it were UTC: hours can be
// counted on it.
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

// rule is a window of every day that it holds for: minutes of the day, both
// within it. One that ends before it begins ends on the next day.
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
	special map[day][]rule // what holds on a day instead of the rules
	rules   []rule
	except  bool // open but for the rules
	// turns are the days, in order, on which something begins or ends to hold;
	// from the day behind the last of them on every week is like the next.
	turns []day
}

// Always is the schedule of an agent that has none.
func Always(loc *time.Location) *Schedule {
	return &Schedule{loc: loc, except: true}
}

// Always tells whether the schedule never closes by its very form.
func (s *Schedule) Always() bool { return s.except && len(s.rules) == 0 && len(s.special) == 0 }

// prepare finds the days between which every week is like the next.
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

// span is a run of minutes of one day, both within it.
type span struct{ from, to int }

// spans are the open minutes of a day, in order.
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

// gaps are the minutes of a day that no span holds.
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

// Open tells whether the agent may speak at a time.
func (s *Schedule) Open(t time.Time) bool {
	at := wall(t.In(s.loc))
	d := dayOf(at)
	minute := int(at.Sub(d.start()) / time.Minute)
	return slices.ContainsFunc(s.spans(d), func(sp span) bool { return sp.from <= minute && minute <= sp.to })
}

// NextOpen is the first instant from t on at which the agent may speak: t
// itself while it may. ok is false when it never may again.
func (s *Schedule) NextOpen(t time.Time) (next time.Time, ok bool) {
	at := t.In(s.loc)
	for {
		// Up to the next change of the clocks the wall's time runs with the real one.
		_, change := at.ZoneBounds()
		open, ok := s.nextWall(wall(at))
		opens := at.Add(open.Sub(wall(at)))
		if ok && (change.IsZero() || opens.Before(change)) {
			return opens.In(t.Location()), true
		}
		if change.IsZero() {
			return time.Time{}, false
		}
		// No change moves the clock by more than a day, so none that is farther
		// away brings back what the wall's clock has already shown.
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

// week is how many days show everything that recurs, with what runs over from
// the day before and one to spare.
const week = 9

// nextWall is NextOpen on the wall's clock.
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
