package turntaking

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// What is decided while turns are aside, and of what agents have read meanwhile.
func TestDecideBeside(t *testing.T) {
	t.Parallel()
	busy := func(id string, about int64) func(*Snapshot) {
		return func(s *Snapshot) {
			if s.Busy == nil {
				s.Busy = map[string]int64{}
			}
			s.Busy[id] = about
		}
	}
	on := func(id string, change func(*RoomAgent)) func(*Snapshot) {
		return func(s *Snapshot) {
			change(s.Agents[slices.IndexFunc(s.Agents, func(ag *RoomAgent) bool { return ag.ID == id })])
		}
	}
	read := func(id string, seq int64) func(*Snapshot) { return on(id, func(ag *RoomAgent) { ag.ReadSeq = seq }) }
	muted := func(id string) func(*Snapshot) {
		return on(id, func(ag *RoomAgent) { ag.MutedUntil = time.Now().Add(time.Hour) })
	}
	for name, c := range map[string]struct {
		lines  []line
		tune   func(*Snapshot)
		beside bool
		cause  string
		want   string // who speaks, and behind which message; the rules of the others
	}{
		"both are called, one is busy":    {[]line{person("@Ada and @小明")}, busy("student", 0), true, CausePost, "teacher student>1 helper:others"},
		"the busy one by an earlier line": {[]line{person("@小明"), person("@Ada"), person("so?")}, busy("student", 0), true, CausePost, "teacher student>1 helper:others"},
		"the busy one by two lines":       {[]line{person("@小明"), person("@Ada and @小明")}, busy("student", 0), true, CausePost, "teacher student>2 helper:others"},
		"its turn is about that, too":     {[]line{person("@Ada and @小明")}, busy("student", 1), true, CausePost, "teacher student:busy helper:others"},
		"the busy one alone":              {[]line{person("@小明")}, busy("student", 0), false, CausePost, "student>1 teacher:others helper:others"},
		"two busy ones":                   {[]line{person("@Ada and @小明")}, and(busy("student", 0), busy("teacher", 0)), false, CausePost, "teacher>1 student>1 helper:others"},
		"nobody is called":                {[]line{person("why?")}, busy("student", 0), false, CausePost, "teacher student:others helper:others"},
		"an agent calls":                  {[]line{agent("student", "@Ada?")}, busy("helper", 0), false, CauseAgents, "teacher student:others helper:others"},
		"who is called is muted":          {[]line{person("@Ada")}, and(busy("student", 0), muted("teacher")), false, CausePost, "student teacher:muted helper:others"},
		"staff let them go on":            {[]line{person("@Ada and @小明")}, and(busy("student", 0), func(s *Snapshot) { s.Room.StreakFrom = 1 }), false, CauseGoOn, "teacher student>1 helper:others"},

		"it has read what calls it":        {[]line{person("@小明")}, read("student", 1), false, "", ""},
		"it has read what calls another":   {[]line{person("@Ada")}, read("student", 1), true, CausePost, "teacher student:others helper:others"},
		"one of two has read it":           {[]line{person("@Ada and @小明")}, read("student", 1), true, CausePost, "teacher student:others helper:others"},
		"both have read it":                {[]line{person("@Ada and @小明")}, and(read("student", 1), read("teacher", 1)), false, "", ""},
		"it has not read the newer call":   {[]line{person("@小明"), person("@小明")}, read("student", 1), true, CausePost, "student teacher:others helper:others"},
		"the other one is muted":           {[]line{person("@Fact Checker and @小明")}, and(read("student", 1), muted("helper")), false, CausePost, "teacher:not_called student:not_called helper:muted"},
		"what calls nobody is left":        {[]line{person("@小明"), person("why?")}, read("student", 1), false, CausePost, "teacher student:others helper:others"},
		"it has read what calls nobody":    {[]line{person("why?")}, read("student", 1), false, CausePost, "teacher student:others helper:others"},
		"its answer calls another":         {[]line{person("@小明"), agent("student", "@Ada?")}, read("student", 1), false, CauseAgents, "teacher student:others helper:others"},
		"what an agent says calls it anew": {[]line{agent("teacher", "@小明?")}, read("student", 1), false, CauseAgents, "student teacher:others helper:others"},
		"staff let it go on":               {[]line{person("@小明")}, and(read("student", 1), func(s *Snapshot) { s.Room.StreakFrom = 1 }), false, CauseGoOn, "student teacher:others helper:others"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := room(c.lines...)
			s.Agents, s.Now = cast("teacher", "student", "helper"), time.Now()
			c.tune(&s)
			d := Decide(s, func() float64 { return 0 })
			var speak, silent []string
			for _, k := range d.Candidates {
				switch {
				case k.Speaks && k.Behind > 0:
					speak = append(speak, fmt.Sprintf("%s>%d", k.AgentID, k.Behind))
				case k.Speaks:
					speak = append(speak, k.AgentID)
				default:
					silent = append(silent, k.AgentID+":"+k.Rule)
				}
			}
			if got := strings.Join(append(speak, silent...), " "); got != c.want || d.Cause != c.cause || d.Beside() != c.beside {
				t.Errorf("got %s by %q, beside %v; want %s by %q, beside %v", got, d.Cause, d.Beside(), c.want, c.cause, c.beside)
			}
			if d.Seq != s.Room.EventSeq {
				t.Errorf("decided up to %d, want %d", d.Seq, s.Room.EventSeq)
			}
		})
	}
}
