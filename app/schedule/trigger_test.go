package schedule

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func triggerOf(t testing.TB, text string) *Trigger {
	t.Helper()
	tr, err := ParseTrigger(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return tr
}

func TestTriggerForms(t *testing.T) {
	t.Parallel()
	for config, want := range map[string]Trigger{
		"":                                     {Chance: true},
		"null":                                 {Chance: true},
		"{}":                                   {Chance: true},
		`{"type":"chance"}`:                    {Chance: true},
		`{"type":""}`:                          {Chance: true},
		`{"type":null}`:                        {Chance: true},
		`{"type":"manual"}`:                    {},
		`{"type":"silence"}`:                   {Silence: time.Minute},
		`{"type":"manual","value":7}`:          {},
		`{"type":"message_count"}`:             {Messages: 10},
		`{"type":"message_count","value":""}`:  {Messages: 10},
		`{"type":"message_count","value":3}`:   {Messages: 3},
		`{"type":"time_interval","value":1.5}`: {Interval: 1500 * time.Millisecond},
		`{"type":"silence","value":90}`:        {Silence: 90 * time.Second},
		`{"logic":"and","trigger":{"enabled_conditions":["message_count","user_silent_mins"],"message_count":5,"user_silent_mins":0.5}}`: {Every: true, Messages: 5, Silence: 30 * time.Second},
		`{"trigger":{"enabled_conditions":["time_interval_mins"],"time_interval_mins":2,"message_count":5}}`:                             {Interval: 2 * time.Minute},
		`{"trigger":{"enabled_conditions":[]}}`:                                         {},
		`{"trigger":{"enabled_conditions":[],"context_strategy":{"type":"all","n":5}}}`: {Window: AllMessages},
		`{"trigger":{"context_strategy":{"type":"last_n"}}}`:                            {Window: 10},
		`{"trigger":{"context_strategy":{"type":"last_n","n":50}}}`:                     {Window: 50},
		`{"close":{"strategy":"agent_monologue","monologue_limit":2,"timeout_mins":5}}`: {Chance: true, Monologue: 2},
		`{"close":{"strategy":"user_timeout","timeout_mins":5}}`:                        {Chance: true, UserTimeout: 5 * time.Minute},
		`{"close":{"strategy":"none","timeout_mins":5}}`:                                {Chance: true},
	} {
		got := *triggerOf(t, config)
		got.Modify, got.isNewForm = Modification{}, false
		if got.reset != (reset{}) {
			t.Errorf("%s: got a reset %+v", config, got.reset)
		}
		if got.Chance != want.Chance || got.Every != want.Every || got.Messages != want.Messages || got.Interval != want.Interval ||
			got.Silence != want.Silence || got.Window != want.Window || got.Monologue != want.Monologue || got.UserTimeout != want.UserTimeout {
			t.Errorf("%s: got %+v, want %+v", config, got, want)
		}
	}
}

func TestTriggerProblems(t *testing.T) {
	t.Parallel()
	for config, want := range map[string]string{
		`7`:                                                       "trigger_config: must be an object",
		`{"type":"time_based"}`:                                   "trigger_config.type: must be one of chance, message_count, time_interval, silence, manual",
		`{"type":5}`:                                              "trigger_config.type: must be one of",
		`{"type":"message_count","value":0}`:                      "trigger_config.value: must be a number from 1 to 10000",
		`{"type":"message_count","value":2.5}`:                    "trigger_config.value: must be a whole number from 1 to 10000",
		`{"type":"silence","value":"60"}`:                         "trigger_config.value: must be a number from 1 to 86400",
		`{"type":"silence","value":1e999}`:                        "trigger_config.value: must be a number from 1 to 86400",
		`{"logic":"xor"}`:                                         "trigger_config.logic: must be one of or, and",
		`{"trigger":[]}`:                                          "trigger_config.trigger: must be an object",
		`{"trigger":{"enabled_conditions":{}}}`:                   "trigger_config.trigger.enabled_conditions: must be a list",
		`{"trigger":{"enabled_conditions":["silence"]}}`:          "trigger_config.trigger.enabled_conditions[0]: must be one of message_count, time_interval_mins, user_silent_mins",
		`{"trigger":{"enabled_conditions":["message_count"]}}`:    "trigger_config.trigger.message_count: must be a number from 1 to 10000",
		`{"trigger":{"enabled_conditions":[],"message_count":0}}`: "trigger_config.trigger.message_count: must be a number from 1 to 10000",
		`{"trigger":{"enabled_conditions":["user_silent_mins"],"user_silent_mins":0.1}}`:              "trigger_config.trigger.user_silent_mins: must be a number from 0.5 to 1440",
		`{"trigger":{"enabled_conditions":["time_interval_mins"],"time_interval_mins":1441}}`:         "trigger_config.trigger.time_interval_mins: must be a number from 0.5 to 1440",
		`{"trigger":{"context_strategy":{"type":"some"}}}`:                                            "trigger_config.trigger.context_strategy.type: must be one of last_n, all",
		`{"trigger":{"context_strategy":{"n":0}}}`:                                                    "trigger_config.trigger.context_strategy.n: must be a number from 1 to 10000",
		`{"close":{"strategy":"agent_monologue"}}`:                                                    "trigger_config.close.monologue_limit: must be a number from 1 to 100",
		`{"close":{"strategy":"user_timeout","timeout_mins":0}}`:                                      "trigger_config.close.timeout_mins: must be a number from 1 to 1440",
		`{"close":{"strategy":"sleep"}}`:                                                              "trigger_config.close.strategy: must be one of none, agent_monologue, user_timeout",
		`{"self_modification":{"duration_hours":721}}`:                                                "trigger_config.self_modification.duration_hours: must be a number from -1 to 720",
		`{"self_modification":{"duration_hours":-0.5}}`:                                               "trigger_config.self_modification.duration_hours: must be -1 for good",
		`{"self_modification":{"bounds":{"message_count":{"min":5,"max":2}}}}`:                        "trigger_config.self_modification.bounds.message_count.max: must not be below min",
		`{"state_reset":{"enabled":"yes"}}`:                                                           "trigger_config.state_reset.enabled: must be true or false",
		`{"state_reset":{"enabled":true,"interval_days":366}}`:                                        "trigger_config.state_reset.interval_days: must be a number from 1 to 365",
		`{"state_reset":{"enabled":true,"reset_time":"6:00"}}`:                                        "trigger_config.state_reset.reset_time: must be a time",
		`{"trigger":{"enabled_conditions":["message_count"],"message_count":null}}`:                   "trigger_config.trigger.message_count",
		`{"type":"silence","value":60,"x":` + strings.Repeat("[", 20) + strings.Repeat("]", 20) + `}`: "",
	} {
		_, err := ParseTrigger(config)
		wantProblem(t, config, err, want)
	}
}

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func minutes(n float64) time.Duration { return time.Duration(n * float64(time.Minute)) }

func TestDue(t *testing.T) {
	t.Parallel()
	long := noon.Add(-24 * time.Hour)
	for name, c := range map[string]struct {
		config string
		facts  Facts
		due    time.Duration // from noon; -1h = none
		met    bool
		by     string
	}{
		"Silence":               {`{"type":"silence","value":60}`, Facts{Person: noon, Broken: true}, minutes(1), false, Silence},
		"Silence, passed":       {`{"type":"silence","value":60}`, Facts{Person: noon.Add(-minutes(2)), Broken: true}, -minutes(1), true, Silence},
		"Silence, after own":    {`{"type":"silence","value":60}`, Facts{Person: noon.Add(-minutes(2)), Spoke: noon.Add(-minutes(0.5)), Broken: true}, minutes(0.5), false, Silence},
		"Silence, broken":       {`{"type":"silence","value":60}`, Facts{Person: noon.Add(-minutes(2))}, -time.Hour, false, Silence},
		"Silence, empty room":   {`{"type":"silence","value":60}`, Facts{Broken: true}, -time.Hour, false, Silence},
		"Interval":              {`{"type":"time_interval","value":60}`, Facts{Person: noon, Spoke: noon, Unread: true}, minutes(1), false, TimeInterval},
		"Interval, passed":      {`{"type":"time_interval","value":60}`, Facts{Person: noon, Spoke: noon.Add(-minutes(5)), Unread: true}, 0, true, TimeInterval},
		"Interval, alone":       {`{"type":"time_interval","value":60}`, Facts{Person: noon.Add(-minutes(9)), Spoke: noon.Add(-minutes(5))}, -time.Hour, false, TimeInterval},
		"Interval, new":         {`{"type":"time_interval","value":60}`, Facts{Person: noon, Since: noon, Unread: true}, minutes(1), false, TimeInterval},
		"Silence, over before":  {`{"type":"silence","value":60}`, Facts{Person: noon.Add(-minutes(9)), Since: noon.Add(-minutes(2)), Broken: true}, -time.Hour, false, Silence},
		"Silence, half over":    {`{"type":"silence","value":60}`, Facts{Person: noon.Add(-minutes(0.5)), Since: noon, Broken: true}, minutes(0.5), false, Silence},
		"Interval, over before": {`{"type":"time_interval","value":60}`, Facts{Person: noon.Add(-minutes(9)), Since: noon.Add(-minutes(2)), Unread: true}, -time.Hour, false, TimeInterval},
		"Count":                 {`{"type":"message_count","value":3}`, Facts{Person: noon, Messages: 3}, -time.Hour, true, MessageCount},
		"Count, not yet":        {`{"type":"message_count","value":3}`, Facts{Person: noon, Messages: 2}, -time.Hour, false, MessageCount},
		"Manual":                {`{"type":"manual"}`, Facts{Person: noon, Messages: 20, Unread: true, Broken: true}, -time.Hour, false, "manual"},
		"Or, by count":          {either, Facts{Person: noon, Since: noon, Messages: 3, Unread: true, Broken: true}, minutes(1), true, MessageCount},
		"Or, by time":           {either, Facts{Person: noon.Add(-minutes(3)), Since: long, Messages: 1, Unread: true, Broken: true}, -minutes(3), true, TimeInterval},
		"Or, nothing":           {either, Facts{Person: noon.Add(-minutes(3)), Since: long, Messages: 1}, -time.Hour, false, MessageCount},
		"And, count missing":    {both, Facts{Person: noon, Since: long, Messages: 2, Unread: true, Broken: true}, -time.Hour, false, MessageCount},
		"And, waits for time":   {both, Facts{Person: noon, Since: long, Messages: 3, Unread: true, Broken: true}, minutes(2), false, Silence},
		"And, all":              {both, Facts{Person: noon.Add(-minutes(2)), Since: long, Messages: 3, Unread: true, Broken: true}, 0, true, Silence},
		"Clock set back":        {`{"type":"silence","value":60}`, Facts{Person: noon.Add(5 * time.Hour), Broken: true}, minutes(1), false, Silence},
		"Clock set back, count": {`{"type":"message_count","value":3}`, Facts{Person: noon.Add(5 * time.Hour), Messages: 3}, -time.Hour, true, MessageCount},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := triggerOf(t, c.config)
			c.facts.Now = noon
			due, ok := tr.Due(c.facts)
			if got := due.Sub(noon); ok != (c.due != -time.Hour) || ok && got != c.due {
				t.Errorf("due: got %v %v, want %v", got, ok, c.due)
			}
			met, by, why := tr.Met(c.facts)
			if met != c.met || by != c.by || why == "" {
				t.Errorf("got %v by %q, %q; want %v by %q", met, by, why, c.met, c.by)
			}
		})
	}
}

const (
	conditions = `"trigger":{"enabled_conditions":["message_count","time_interval_mins","user_silent_mins"],"message_count":3,"time_interval_mins":1,"user_silent_mins":2}}`
	either     = `{` + conditions
	both       = `{"logic":"and",` + conditions
)

// Whatever happened: what is due comes true at that instant and not before,
// and never without a person.
func TestDueComesTrue(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20_000) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		tr := &Trigger{Every: rnd.IntN(2) == 0}
		if rnd.IntN(2) == 0 {
			tr.Messages = 1 + rnd.IntN(3)
		}
		if rnd.IntN(2) == 0 {
			tr.Interval = time.Duration(1+rnd.IntN(300)) * time.Second
		}
		if rnd.IntN(2) == 0 {
			tr.Silence = time.Duration(1+rnd.IntN(300)) * time.Second
		}
		past := func() time.Time {
			if rnd.IntN(4) == 0 {
				return time.Time{}
			}
			return noon.Add(-time.Duration(rnd.IntN(600)) * time.Second)
		}
		f := Facts{Now: noon, Since: past(), Spoke: past(), Person: past(), Unread: rnd.IntN(2) == 0, Broken: rnd.IntN(2) == 0}
		if !f.Person.IsZero() {
			f.Messages = rnd.IntN(4)
		}
		due, ok := tr.Due(f)
		met, _, _ := tr.Met(f)
		if (ok || met) && f.Person.IsZero() {
			t.Fatalf("seed %d: %+v speaks in an empty room: %+v", seed, tr, f)
		}
		if (ok || met) && tr.Messages == 0 && !f.Unread && !f.Broken {
			t.Fatalf("seed %d: %+v speaks though no person has: %+v", seed, tr, f)
		}
		if !ok {
			continue
		}
		f.Now = later(due, noon)
		if met, _, why := tr.Met(f); !met {
			t.Fatalf("seed %d: %+v is due at %s, and then %q: %+v", seed, tr, due, why, f)
		}
		if byCount := !tr.Every && tr.Messages > 0 && f.Messages >= tr.Messages; due.After(noon) && !byCount {
			f.Now = due.Add(-time.Nanosecond)
			if met, by, _ := tr.Met(f); met {
				t.Fatalf("seed %d: %+v is due at %s, and speaks before by %s: %+v", seed, tr, due, by, f)
			}
		}
	}
}

func TestLastReset(t *testing.T) {
	t.Parallel()
	berlin := zone(t, "Europe/Berlin")
	config := func(days, at string) string {
		return `{"state_reset":{"enabled":true,"interval_days":` + days + `,"reset_time":"` + at + `"}}`
	}
	for name, c := range map[string]struct{ config, since, now, want string }{
		"Off":                {`{"state_reset":{"enabled":false,"interval_days":1}}`, "2026-03-02 10:00", "2026-03-09 10:00", ""},
		"Daily":              {config("1", "06:00"), "2026-03-02 10:00", "2026-03-05 10:00", "2026-03-05 06:00:00"},
		"Daily, before it":   {config("1", "06:00"), "2026-03-02 10:00", "2026-03-05 05:59", "2026-03-04 06:00:00"},
		"NotYet":             {config("1", "06:00"), "2026-03-02 10:00", "2026-03-02 12:00", ""},
		"OnTheFirstDay":      {config("1", "11:00"), "2026-03-02 10:00", "2026-03-02 12:00", "2026-03-02 11:00:00"},
		"Weekly":             {config("7", "06:00"), "2026-03-02 10:00", "2026-03-15 10:00", "2026-03-09 06:00:00"},
		"Weekly, that day":   {config("7", "06:00"), "2026-03-02 10:00", "2026-03-16 06:00", "2026-03-16 06:00:00"},
		"WithClockChange":    {config("1", "06:00"), "2026-03-27 10:00", "2026-03-29 06:00", "2026-03-29 06:00:00"},
		"ClockChangeWithin":  {config("1", "02:30"), "2026-10-23 10:00", "2026-10-25 12:00", "2026-10-25 02:30:00"},
		"NowBeforeItsOrigin": {config("1", "06:00"), "2026-03-02 10:00", "2026-02-02 10:00", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := triggerOf(t, c.config).LastReset(at(t, berlin, c.since), at(t, berlin, c.now), berlin)
			text := ""
			if !got.IsZero() {
				text = got.In(berlin).Format(time.DateTime)
			}
			if text != c.want {
				t.Errorf("got %q, want %q", text, c.want)
			}
		})
	}
}

func TestMerge(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ base, over, want string }{
		{`{"type":"silence","value":60}`, ``, `{"type":"silence","value":60}`},
		{``, `{"type":"silence","value":60}`, `{"type":"silence","value":60}`},
		{`{"type":"silence","value":60}`, `{"value":90}`, `{"type":"silence","value":90}`},
		{`{"type":"silence","value":60}`, `{"type":null,"value":90}`, `{"type":"silence","value":90}`},
		{`{"type":"silence","value":60}`, `{"logic":"and"}`, `{"logic":"and"}`},
		{`{"logic":"and","trigger":{"message_count":5,"enabled_conditions":["message_count"]}}`, `{"trigger":{"message_count":7}}`,
			`{"logic":"and","trigger":{"enabled_conditions":["message_count"],"message_count":7}}`},
		{`{"logic":"and"}`, `{"type":"manual"}`, `{"type":"manual"}`},
		{`nonsense`, `{"type":"manual"}`, `{"type":"manual"}`},
		{`{"type":"manual"}`, `nonsense`, `{"type":"manual"}`},
	} {
		if got := MergeTrigger(c.base, c.over); got != c.want {
			t.Errorf("%s with %s: got %s, want %s", c.base, c.over, got, c.want)
		}
	}
	for _, c := range []struct{ base, over, want string }{
		{`{"general":{"mode":"none","rules":[]}}`, `{"mode":"whitelist","rules":[]}`, `{"mode":"whitelist","rules":[]}`},
		{`{"mode":"blacklist","rules":[]}`, `{"mode":"whitelist"}`, `{"mode":"whitelist","rules":[]}`},
		{`{"general":{"mode":"none"}}`, `{"general":{"mode":"range_daily"}}`, `{"general":{"mode":"range_daily"}}`},
	} {
		if got := MergeSchedule(c.base, c.over); got != c.want {
			t.Errorf("%s with %s: got %s, want %s", c.base, c.over, got, c.want)
		}
	}
}

func TestChanged(t *testing.T) {
	t.Parallel()
	const own = `{"trigger":{"enabled_conditions":["message_count"],"message_count":5},"self_modification":{"duration_hours":2,"bounds":{"user_silent_mins":{"min":1,"max":5},"message_count":{"min":2.5}}}}`
	for name, c := range map[string]struct {
		config, condition string
		value             float64
		want              string
		lasting           time.Duration
	}{
		"Within":  {own, Silence, 120, `{"trigger":{"enabled_conditions":["message_count","user_silent_mins"],"user_silent_mins":2}}`, 2 * time.Hour},
		"Above":   {own, Silence, 9999, `{"trigger":{"enabled_conditions":["message_count","user_silent_mins"],"user_silent_mins":5}}`, 2 * time.Hour},
		"Below":   {own, Silence, -1, `{"trigger":{"enabled_conditions":["message_count","user_silent_mins"],"user_silent_mins":1}}`, 2 * time.Hour},
		"Whole":   {own, MessageCount, 0, `{"trigger":{"enabled_conditions":["message_count"],"message_count":3}}`, 2 * time.Hour},
		"ForGood": {`{"self_modification":{"duration_hours":-1}}`, TimeInterval, 60, `{"trigger":{"enabled_conditions":["time_interval_mins"],"time_interval_mins":1}}`, 0},
		"Off":     {`{"logic":"or"}`, Silence, 60, "", 0},
		"OldForm": {`{"type":"silence"}`, Silence, 60, "", 0},
		"NoSuch":  {own, "manual", 60, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := triggerOf(t, c.config)
			patch, lasting, ok := tr.Changed(c.condition, c.value)
			if patch != c.want || lasting != c.lasting || ok != (c.want != "") {
				t.Errorf("got %s for %v %v, want %s for %v", patch, lasting, ok, c.want, c.lasting)
			}
			if ok {
				triggerOf(t, MergeTrigger(c.config, patch))
			}
		})
	}
}
