package app

import (
	"testing"
	"time"

	"github.com/coagent-studio/coagent/store"
)

// What staff set of an agent in a room, and what happened there, keeps it from
// speaking or not; a person's line wakes it.
func TestAbility(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		tune func(*store.Room, *store.RoomAgent)
		own  int
		want string
	}{
		"Able":            {want: ""},
		"OffHere":         {tune: func(_ *store.Room, ra *store.RoomAgent) { ra.IsActive = false }, want: ruleOffHere},
		"Off":             {tune: func(_ *store.Room, ra *store.RoomAgent) { ra.Agent.IsActive = false }, want: ruleInactive},
		"RoomOff":         {tune: func(r *store.Room, _ *store.RoomAgent) { r.AIMode = ModeOff }, want: ruleRoomOff},
		"Muted":           {tune: func(_ *store.Room, ra *store.RoomAgent) { ra.MutedUntil = noon.Add(time.Second) }, want: ruleMuted},
		"MutedNoMore":     {tune: func(_ *store.Room, ra *store.RoomAgent) { ra.MutedUntil = noon }},
		"OutsideItsHours": {tune: hours(`{"mode":"blacklist","rules":[{"type":"day_of_week","days":[1]}]}`), want: ruleSchedule},
		"WithinItsHours":  {tune: hours(`{"mode":"whitelist","rules":[{"type":"everyday","time_range":["12:00","12:00"]}]}`)},
		"UnreadableHours": {tune: hours(`{"mode":"whitelist","rules":[{"type":"sometimes"}]}`)},
		"Asleep":          {tune: func(_ *store.Room, ra *store.RoomAgent) { ra.AsleepAt, ra.AsleepSeq = noon, 5 }, want: ruleAsleep},
		"WokenByAPerson":  {tune: func(r *store.Room, ra *store.RoomAgent) { ra.AsleepAt, ra.AsleepSeq, r.PersonSeq = noon, 5, 6 }},
		"Monologue":       {tune: trigger2(`{"close":{"strategy":"agent_monologue","monologue_limit":2}}`), own: 2, want: ruleAsleep},
		"NoMonologueYet":  {tune: trigger2(`{"close":{"strategy":"agent_monologue","monologue_limit":2}}`), own: 1},
		"UserTimeout":     {tune: trigger2(`{"close":{"strategy":"user_timeout","timeout_mins":30}}`), want: ruleAsleep},
		"UserInTime":      {tune: trigger2(`{"close":{"strategy":"user_timeout","timeout_mins":61}}`)},
		"ResetWakes": {tune: func(r *store.Room, ra *store.RoomAgent) {
			trigger2(`{"state_reset":{"enabled":true,"reset_time":"11:30"}}`)(r, ra)
			ra.AsleepAt, ra.AsleepSeq = noon.Add(-time.Hour), 5
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &store.Room{IsAIActive: true, AIMode: ModeBoth, EventSeq: 5, PersonSeq: 5, PersonAt: noon.Add(-time.Hour)}
			ra := &store.RoomAgent{IsActive: true, CreatedAt: noon.Add(-48 * time.Hour), Agent: &store.Agent{Type: AgentTeacher, Category: categoryInstructor, IsActive: true}}
			if c.tune != nil {
				c.tune(r, ra)
			}
			if got, detail := placedAgent(ra, noon, time.UTC).canSpeak(r, c.own, noon); got != c.want {
				t.Errorf("got %q (%s), want %q", got, detail, c.want)
			}
		})
	}
}

func hours(config store.JSON) func(*store.Room, *store.RoomAgent) {
	return func(_ *store.Room, ra *store.RoomAgent) { ra.Agent.ScheduleConfig = config }
}

func trigger2(config store.JSON) func(*store.Room, *store.RoomAgent) {
	return func(_ *store.Room, ra *store.RoomAgent) { ra.TriggerConfig = config }
}

// Settings are the agent's, under those of the room, under what the agent has
// changed itself for now.
func TestEffectiveSettings(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	ra := &store.RoomAgent{IsActive: true, TriggerConfig: `{"value":90}`, Override: `{"value":30}`, OverrideUntil: now.Add(time.Hour),
		Agent: &store.Agent{TriggerConfig: `{"type":"silence","value":60}`, ContextWindow: 10}}
	for what, c := range map[string]struct {
		now  time.Time
		want time.Duration
	}{"while it holds": {now, 30 * time.Second}, "when it has run out": {now.Add(time.Hour), 90 * time.Second}} {
		if got := placedAgent(ra, c.now, time.UTC).trigger.Silence; got != c.want {
			t.Errorf("%s: got %v, want %v", what, got, c.want)
		}
	}
	for lines, want := range map[store.JSON]int{``: 10, `{"trigger":{"context_strategy":{"n":25}}}`: 25, `{"trigger":{"context_strategy":{"type":"all"}}}`: store.MaxLimit} {
		own := &store.RoomAgent{TriggerConfig: lines, Agent: &store.Agent{ContextWindow: 10}}
		if got := placedAgent(own, now, time.UTC).contextMessages(); got != want {
			t.Errorf("%s: got %d lines, want %d", lines, got, want)
		}
	}
	broken := placedAgent(&store.RoomAgent{Agent: &store.Agent{TriggerConfig: `{"type":"time_based"}`}}, now, time.UTC)
	if broken.trigger.Chance || len(broken.problems) != 1 {
		t.Errorf("an unreadable trigger: got %+v, %q, want never, and why", broken.trigger, broken.problems)
	}
}
