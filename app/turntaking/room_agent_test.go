package turntaking

import (
	"testing"
	"time"
)

// What staff set of an agent in a room, and what happened there, keeps it from
// speaking or not; a person's message wakes it.
func TestCanSpeak(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	type world struct {
		room  Room
		agent Agent
		set   Settings
		state State
	}
	trigger := func(config string) func(*world) { return func(w *world) { w.set.RoomTrigger = config } }
	hours := func(config string) func(*world) { return func(w *world) { w.set.AgentHours = config } }
	for name, c := range map[string]struct {
		tune func(*world)
		own  int
		want string
	}{
		"Able":            {want: ""},
		"OffHere":         {tune: func(w *world) { w.state.On = false }, want: RuleOffHere},
		"Off":             {tune: func(w *world) { w.agent.On = false }, want: RuleInactive},
		"RoomOff":         {tune: func(w *world) { w.room.On = false }, want: RuleRoomOff},
		"Mode":            {tune: func(w *world) { w.room.Participants, w.agent.Part = false, Participant }, want: RuleMode},
		"Muted":           {tune: func(w *world) { w.state.MutedUntil = noon.Add(time.Second) }, want: RuleMuted},
		"MutedNoMore":     {tune: func(w *world) { w.state.MutedUntil = noon }},
		"OutsideItsHours": {tune: hours(`{"mode":"blacklist","rules":[{"type":"day_of_week","days":[1]}]}`), want: RuleSchedule},
		"WithinItsHours":  {tune: hours(`{"mode":"whitelist","rules":[{"type":"everyday","time_range":["12:00","12:00"]}]}`)},
		"UnreadableHours": {tune: hours(`{"mode":"whitelist","rules":[{"type":"sometimes"}]}`)},
		"Asleep":          {tune: func(w *world) { w.state.AsleepAt, w.state.AsleepSeq = noon, 5 }, want: RuleAsleep},
		"WokenByAPerson":  {tune: func(w *world) { w.state.AsleepAt, w.state.AsleepSeq, w.room.PersonSeq = noon, 5, 6 }},
		"Monologue":       {tune: trigger(`{"close":{"strategy":"agent_monologue","monologue_limit":2}}`), own: 2, want: RuleAsleep},
		"NoMonologueYet":  {tune: trigger(`{"close":{"strategy":"agent_monologue","monologue_limit":2}}`), own: 1},
		"UserTimeout":     {tune: trigger(`{"close":{"strategy":"user_timeout","timeout_mins":30}}`), want: RuleAsleep},
		"UserInTime":      {tune: trigger(`{"close":{"strategy":"user_timeout","timeout_mins":61}}`)},
		"ResetWakes": {tune: func(w *world) {
			trigger(`{"state_reset":{"enabled":true,"reset_time":"11:30"}}`)(w)
			w.state.AsleepAt, w.state.AsleepSeq = noon.Add(-time.Hour), 5
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world{room: Room{On: true, Participants: true, EventSeq: 5, PersonSeq: 5, PersonAt: noon.Add(-time.Hour)},
				agent: Agent{Type: "teacher", Part: Instructor, On: true}, set: Settings{Zone: time.UTC},
				state: State{On: true, Since: noon.Add(-48 * time.Hour)}}
			if c.tune != nil {
				c.tune(&w)
			}
			if got, detail := InRoom(w.agent, w.set, w.state, noon).CanSpeak(&w.room, c.own, noon); got != c.want {
				t.Errorf("got %q (%s), want %q", got, detail, c.want)
			}
		})
	}
}

// Settings are the agent's, under those of the room, under what the agent has
// changed itself for now.
func TestEffectiveSettings(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	set := Settings{AgentTrigger: `{"type":"silence","value":60}`, RoomTrigger: `{"value":90}`, OwnTrigger: `{"value":30}`, OwnUntil: now.Add(time.Hour), Zone: time.UTC}
	for what, c := range map[string]struct {
		now  time.Time
		want time.Duration
		own  bool
	}{"while it holds": {now, 30 * time.Second, true}, "when it has run out": {now.Add(time.Hour), 90 * time.Second, false}} {
		got := InRoom(Agent{}, set, State{}, c.now)
		if got.Trigger.Silence != c.want || got.Overridden != c.own {
			t.Errorf("%s: got %v, overridden %v, want %v, %v", what, got.Trigger.Silence, got.Overridden, c.want, c.own)
		}
	}
	for _, c := range []struct {
		trigger     string
		inRoom, got int
	}{{got: 10}, {inRoom: 12, got: 12}, {trigger: `{"trigger":{"context_strategy":{"n":25}}}`, inRoom: 12, got: 25},
		{trigger: `{"trigger":{"context_strategy":{"type":"all"}}}`, got: 1000}, {trigger: `{"trigger":{"context_strategy":{"n":5000}}}`, got: 1000}} {
		own := InRoom(Agent{}, Settings{RoomTrigger: c.trigger, AgentContext: 10, RoomContext: c.inRoom, Zone: time.UTC}, State{}, now)
		if got := own.ContextMessages(1000); got != c.got {
			t.Errorf("%+v: got %d messages", c, got)
		}
	}
	broken := InRoom(Agent{}, Settings{AgentTrigger: `{"type":"time_based"}`, Zone: time.UTC}, State{}, now)
	if broken.Trigger.Chance || len(broken.Problems) != 1 {
		t.Errorf("an unreadable trigger: got %+v, %q, want never, and why", broken.Trigger, broken.Problems)
	}
}
