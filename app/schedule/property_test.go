package schedule

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// A schedule is compared with what its words say, minute by minute, around the
// days on which clocks change.
func TestScheduleAgainstItsWords(t *testing.T) {
	t.Parallel()
	changes := []struct{ zone, day string }{
		{"Europe/Berlin", "2026-03-29"}, {"Europe/Berlin", "2026-10-25"},
		{"America/New_York", "2026-03-08"}, {"America/New_York", "2026-11-01"},
		{"Asia/Taipei", "2026-03-29"}, {"Australia/Lord_Howe", "2026-04-05"}, {"Pacific/Apia", "2011-12-30"},
	}
	for seed := range uint64(400) {
		rnd := rand.New(rand.NewPCG(seed, 5))
		c := changes[seed%uint64(len(changes))]
		loc := zone(t, c.zone)
		around, err := time.ParseInLocation(time.DateOnly, c.day, loc)
		if err != nil {
			t.Fatal(err)
		}
		words := randomWords(rnd, around)
		config, err := json.Marshal(words)
		if err != nil {
			t.Fatal(err)
		}
		s := scheduleOf(t, string(config), loc)
		from := around.Add(-36*time.Hour + time.Duration(rnd.IntN(3600))*time.Second)
		var asked []time.Time // minutes whose next opening is still to be seen
		for i := range 5 * 24 * 60 {
			x := from.Add(time.Duration(i) * time.Minute)
			open := words.open(x.In(loc))
			if s.Open(x) != open {
				t.Fatalf("seed %d, %s in %s at %s: got open %v, want %v", seed, config, c.zone, x.In(loc), !open, open)
			}
			if rnd.IntN(60) == 0 {
				asked = append(asked, x)
			}
			if !open {
				continue
			}
			for _, ask := range asked {
				next, ok := s.NextOpen(ask)
				// The first open instant is within the minute before the first
				// open one of this walk, and it is open itself.
				if !ok || next.Before(ask) || next.After(x) || (x.Sub(next) >= time.Minute) || !s.Open(next) {
					t.Fatalf("seed %d, %s in %s: the next opening from %s on is %v %v, want %s or in the minute before", seed, config, c.zone, ask, next, ok, x)
				}
			}
			asked = asked[:0]
		}
		for _, ask := range asked {
			if next, ok := s.NextOpen(ask); ok && next.Before(from.Add(5*24*time.Hour-time.Minute)) {
				t.Fatalf("seed %d, %s: opens at %s, want no opening within the five days", seed, config, next)
			}
		}
	}
}

// words is a schedule_config in the newer form or the older one.
type words struct {
	Mode     string       `json:"mode,omitempty"`
	Rules    []word       `json:"rules,omitempty"`
	Specific []wordOfDate `json:"specific,omitempty"`
	General  *general     `json:"general,omitempty"`
}

type word struct {
	Type  string    `json:"type"`
	Date  string    `json:"date,omitempty"`
	Days  []int     `json:"days,omitempty"`
	Range *[]string `json:"time_range"`
}

type wordOfDate struct {
	Date  string `json:"date"`
	Start string `json:"start"`
	End   string `json:"end"`
}

type general struct {
	Mode  string      `json:"mode"`
	From  string      `json:"start_date,omitempty"`
	To    string      `json:"end_date,omitempty"`
	Rules []oldWindow `json:"rules"`
}

type oldWindow struct {
	Start string `json:"start_time"`
	End   string `json:"end_time"`
	Days  []int  `json:"days"`
}

func randomWords(rnd *rand.Rand, around time.Time) words {
	date := func() string { return around.AddDate(0, 0, rnd.IntN(7)-3).Format(time.DateOnly) }
	clock := func() string {
		return time.Date(2000, 1, 1, rnd.IntN(24), rnd.IntN(60), 0, 0, time.UTC).Format("15:04")
	}
	days := func(monday int) []int {
		var d []int
		for i := range 7 {
			if rnd.IntN(3) == 0 {
				d = append(d, monday+i)
			}
		}
		return append(d, monday+rnd.IntN(7))
	}
	var w words
	if rnd.IntN(2) == 0 {
		w.Mode = []string{"whitelist", "blacklist"}[rnd.IntN(2)]
		for range rnd.IntN(4) {
			r := word{Type: []string{"everyday", "specific_date", "day_of_week"}[rnd.IntN(3)]}
			if rnd.IntN(4) > 0 {
				r.Range = &[]string{clock(), clock()}
			}
			r.Date, r.Days = date(), days(1)
			w.Rules = append(w.Rules, r)
		}
		return w
	}
	for range rnd.IntN(3) {
		w.Specific = append(w.Specific, wordOfDate{date(), clock(), clock()})
	}
	w.General = &general{Mode: []string{"none", "range_daily", "range_weekly"}[rnd.IntN(3)], Rules: []oldWindow{}}
	if rnd.IntN(3) == 0 {
		w.General.From = around.AddDate(0, 0, -1).Format(time.DateOnly)
	}
	if rnd.IntN(3) == 0 {
		w.General.To = around.AddDate(0, 0, 1).Format(time.DateOnly)
	}
	for range rnd.IntN(3) {
		w.General.Rules = append(w.General.Rules, oldWindow{clock(), clock(), days(0)})
	}
	return w
}

// open reads the words as a person would: of this day, and of what runs over
// from the day before.
func (w words) open(t time.Time) bool {
	clock := t.Format("15:04")
	today := t.Format(time.DateOnly)
	// The day before on the calendar, though a zone may have skipped it.
	day, _ := time.Parse(time.DateOnly, today)
	within := func(start, end string) (now, over bool) {
		if start <= end {
			return start <= clock && clock <= end, false
		}
		return start <= clock, clock <= end
	}
	held := func(day time.Time, over bool) bool {
		in := func(start, end string) bool {
			now, runsOver := within(start, end)
			return !over && now || over && runsOver
		}
		date, weekday := day.Format(time.DateOnly), (int(day.Weekday())+6)%7
		if w.Mode != "" {
			return slices.ContainsFunc(w.Rules, func(r word) bool {
				if r.Type == "specific_date" && r.Date != date || r.Type == "day_of_week" && !slices.Contains(r.Days, weekday+1) {
					return false
				}
				return r.Range == nil && !over || r.Range != nil && in((*r.Range)[0], (*r.Range)[1])
			})
		}
		own, hit := false, false
		for _, s := range w.Specific {
			if s.Date == date {
				own, hit = true, hit || in(s.Start, s.End)
			}
		}
		switch g := w.General; {
		case own:
			return hit
		case g.Mode == "none":
			return !over
		case g.From != "" && date < g.From, g.To != "" && date > g.To:
			return false
		default:
			return slices.ContainsFunc(g.Rules, func(r oldWindow) bool {
				return (g.Mode == "range_daily" || slices.Contains(r.Days, weekday)) && in(r.Start, r.End)
			})
		}
	}
	any := held(day, false) || held(day.AddDate(0, 0, -1), true)
	return any != (w.Mode == "blacklist")
}
