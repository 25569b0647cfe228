package schedule

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// Whatever a client sends as a schedule is refused by the name of a member, or
// gives an answer for every instant that agrees with itself.
func FuzzSchedule(f *testing.F) {
	for _, seed := range []string{"", "null", "{}", `{"mode":"whitelist","rules":[{"type":"everyday","time_range":["22:00","06:00"]}]}`,
		`{"mode":"blacklist","rules":[{"type":"specific_date","date":"2026-03-29"},{"type":"day_of_week","days":[1,7]}]}`,
		`{"specific":[{"date":"2026-03-02","start":"10:00","end":"11:00"}],"general":{"mode":"range_weekly","start_date":"2026-03-03","rules":[{"start_time":"09:00","end_time":"17:00","days":[0]}]}}`} {
		f.Add(seed, int64(1_774_742_400))
	}
	berlin := zone(f, "Europe/Berlin")
	f.Fuzz(func(t *testing.T, config string, seconds int64) {
		s, err := ParseSchedule(config, berlin)
		var p *Problem
		if err != nil {
			if !errors.As(err, &p) || !strings.HasPrefix(p.Field, scheduleConfig) || p.Message == "" {
				t.Fatalf("got %v", err)
			}
			return
		}
		at := time.Unix(seconds%(100*365*86_400), 0)
		next, ok := s.NextOpen(at)
		if s.Open(at) != (ok && next.Equal(at)) || ok && (next.Before(at) || !s.Open(next)) {
			t.Fatalf("%s: open at %s: %v, next opening %s %v", config, at, s.Open(at), next, ok)
		}
		if MergeSchedule(config, "{}") != config {
			t.Fatalf("nothing laid over %s changes it", config)
		}
	})
}

// The same for a trigger.
func FuzzTrigger(f *testing.F) {
	for _, seed := range []string{"", "null", "{}", `{"type":"silence","value":60}`, either, both,
		`{"close":{"strategy":"agent_monologue","monologue_limit":2},"self_modification":{"duration_hours":2,"bounds":{"message_count":{"min":2}}},"state_reset":{"enabled":true,"reset_time":"06:00"}}`} {
		f.Add(seed, int64(60), uint8(3))
	}
	f.Fuzz(func(t *testing.T, config string, seconds int64, bits uint8) {
		tr, err := ParseTrigger(config)
		var p *Problem
		if err != nil {
			if !errors.As(err, &p) || !strings.HasPrefix(p.Field, triggerConfig) || p.Message == "" {
				t.Fatalf("got %v", err)
			}
			return
		}
		ago := time.Duration(seconds%100_000) * time.Second
		facts := Facts{Now: noon, Since: noon.Add(-2 * ago), Spoke: noon.Add(-ago), Person: noon.Add(ago / 2),
			Unread: bits&1 != 0, Broken: bits&2 != 0, Messages: int(bits)}
		if due, ok := tr.Due(facts); ok && due.After(facts.Now.Add(2*maxSeconds*time.Second)) {
			t.Fatalf("%s is due at %s", config, due)
		}
		if met, by, _ := tr.Met(facts); met && by == "manual" {
			t.Fatalf("%s speaks by itself", config)
		}
		if last := tr.LastReset(facts.Since, noon, time.UTC); last.After(noon) {
			t.Fatalf("%s was reset at %s", config, last)
		}
		for _, name := range []string{MessageCount, TimeInterval, Silence} {
			patch, _, ok := tr.Changed(name, float64(seconds))
			if !ok {
				continue
			}
			if _, err := ParseTrigger(MergeTrigger(config, patch)); err != nil {
				t.Fatalf("%s with %s: %v", config, patch, err)
			}
		}
	})
}
