package turntaking

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// trial is a room of chance, with agents of every kind, just before a person's message.
func trial(r *rand.Rand) (k Known, before Snapshot, now time.Time) {
	now = time.Date(2026, 3, 2, r.IntN(24), r.IntN(60), 0, 0, time.UTC)
	some := func(values ...string) string { return values[r.IntN(len(values))] }
	ago := func() time.Time { // never, or within the last day
		if r.IntN(4) == 0 {
			return time.Time{}
		}
		return now.Add(-time.Duration(r.IntN(24*60)) * time.Minute)
	}
	room := Room{On: r.IntN(8) > 0, Participants: r.IntN(3) > 0, Frequency: []float64{0, 0.2, 0.5, 1}[r.IntN(4)], EventSeq: int64(20 + r.IntN(20)), StreakFrom: int64(r.IntN(20))}
	room.DecidedSeq, room.PersonSeq, room.PersonAt = room.EventSeq, room.EventSeq-int64(r.IntN(10)), ago()
	before = Snapshot{Room: room, MaxStreak: 3, Unread: map[string]int{}, Now: now}
	for id, kind := range agents {
		if r.IntN(3) == 0 {
			continue
		}
		trigger := some("", "", `{"type":"message_count","value":2}`, `{"type":"message_count","value":5}`, `{"type":"silence","value":600}`,
			`{"type":"time_interval","value":1200}`, `{"type":"manual"}`, "no JSON",
			`{"trigger":{"logic":"all","enabled_conditions":["message_count","time_interval_mins"],"message_count":3,"time_interval_mins":20}}`,
			`{"trigger":{"logic":"all","enabled_conditions":["message_count","user_silent_mins"],"message_count":2,"user_silent_mins":10}}`,
			`{"trigger":{"logic":"any","enabled_conditions":["message_count","user_silent_mins"],"message_count":4,"user_silent_mins":10}}`)
		state := State{On: r.IntN(8) > 0, Since: ago(), SpokeAt: ago(), ReadSeq: int64(r.IntN(int(room.EventSeq))), BrokeSeq: int64(r.IntN(int(room.EventSeq)))}
		if r.IntN(5) == 0 {
			state.MutedUntil = now.Add(time.Duration(r.IntN(120)-60) * time.Minute)
		}
		if r.IntN(5) == 0 {
			state.AsleepAt, state.AsleepSeq = ago(), room.EventSeq
		}
		if r.IntN(2) == 0 {
			state.NextDueAt = now.Add(time.Duration(r.IntN(60)-20) * time.Minute)
		}
		hours := some("", "", `{"type":"daily","start":"08:00","end":"12:00"}`)
		p := InRoom(kind.as(id), Settings{AgentTrigger: trigger, AgentHours: hours, Zone: time.UTC}, state, now)
		before.Agents = append(before.Agents, p)
		if p.Trigger.Messages > 0 {
			before.Unread[id] = r.IntN(4)
		}
	}
	k = Known{Agents: before.Agents, AsOf: room.EventSeq, Unread: map[string]int{}}
	for id, n := range before.Unread {
		k.Unread[id] = n + r.IntN(2) // at least as many as there are
	}
	return k, before, now
}

// posted is the room after a person's message, and after others that came before it.
func posted(before Snapshot, others int, text string, rolls []float64) Snapshot {
	s := before
	s.Unread = map[string]int{}
	for id, n := range before.Unread {
		s.Unread[id] = n + others + 1
	}
	s.Room.DecidedSeq += int64(others)
	s.Room.EventSeq += int64(others) + 1
	s.Room.PersonSeq, s.Room.PersonAt = s.Room.EventSeq, s.Now
	s.Messages = []Message{{Seq: s.Room.EventSeq, At: s.Now, SenderID: "p", Content: text, Rolls: rolls}}
	return s
}

// When a message is found to be silent, a decision about it would let nobody speak, and
// set no date.
func TestSilentMeansNobodySpeaks(t *testing.T) {
	t.Parallel()
	silent, loud := 0, 0
	for seed := range uint64(8_000) {
		r := rand.New(rand.NewPCG(seed, 1))
		k, before, now := trial(r)
		room := before.Room
		upTo, ok := k.Waits(room, now)
		if !ok {
			loud++
			continue
		}
		rolls, hit := k.Rolled(room, now, r.Float64)
		others := r.IntN(4)
		if hit || room.EventSeq+int64(others)+1 > upTo {
			loud++
			continue
		}
		silent++
		s := posted(before, others, "what a fine day", rolls)
		asked := false
		d := Decide(s, s.Rolls(func() float64 { asked = true; return 0 }))
		if len(d.Speakers()) > 0 || len(s.Sooner()) > 0 || d.Guard != "" || asked {
			t.Fatalf("seed %d: silent, yet %+v would speak, with the dates %v, and it rolled anew: %v", seed, d.Speakers(), s.Sooner(), asked)
		}
		told := Silent(&s, rolls)
		for i, c := range told {
			if want := d.Candidates[i]; c.AgentID != want.AgentID || c.Rule != want.Rule || c.Detail != want.Detail || fmt.Sprint(deref(c.Roll), deref(c.Chance)) != fmt.Sprint(deref(want.Roll), deref(want.Chance)) {
				t.Fatalf("seed %d: staff are told %+v, the decision said %+v", seed, c, want)
			}
		}
	}
	if silent < 1000 || loud < 1000 {
		t.Errorf("%d rooms were silent and %d not: too few of one kind", silent, loud)
	}
}

func deref(f *float64) any {
	if f == nil {
		return nil
	}
	return *f
}

// Rooms whose agents have nothing to say about a message are silent in fact: without this
// the property above would hold for a rule that always begins a decision.
func TestWaits(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		trigger string
		state   State
		unread  int
		ok      bool
		upTo    int64
	}{
		"nobody":                          {ok: true, upTo: math.MaxInt64},
		"called only":                     {trigger: `{"type":"manual"}`, ok: true, upTo: math.MaxInt64},
		"a count far away":                {trigger: `{"type":"message_count","value":10}`, unread: 3, ok: true, upTo: 16},
		"the last message before a count": {trigger: `{"type":"message_count","value":10}`, unread: 8, ok: true, upTo: 11},
		"a count that is reached":         {trigger: `{"type":"message_count","value":10}`, unread: 9, ok: true, upTo: 10},
		"silence without a date":          {trigger: `{"type":"silence","value":600}`},
		"silence with a later date":       {trigger: `{"type":"silence","value":600}`, state: State{NextDueAt: now.Add(time.Hour)}},
		"silence with an earlier date":    {trigger: `{"type":"silence","value":600}`, state: State{NextDueAt: now.Add(time.Minute)}, ok: true, upTo: math.MaxInt64},
		"off here":                        {trigger: `{"type":"message_count","value":1}`, state: State{AsleepSeq: -1}, ok: true, upTo: math.MaxInt64},
		"muted":                           {trigger: `{"type":"message_count","value":1}`, state: State{MutedUntil: now.Add(time.Second)}, ok: true, upTo: math.MaxInt64},
	} {
		k := Known{AsOf: 10, Unread: map[string]int{"critic": c.unread}}
		if name != "nobody" {
			c.state.On = c.state.AsleepSeq == 0
			k.Agents = []*RoomAgent{InRoom(agents["critic"].as("critic"), Settings{AgentTrigger: c.trigger, Zone: time.UTC}, c.state, now)}
		}
		if upTo, ok := k.Waits(Room{On: true, Participants: true, Frequency: 1, EventSeq: 10, DecidedSeq: 10}, now); ok != c.ok || upTo != c.upTo {
			t.Errorf("%s: got %d, %v, want %d, %v", name, upTo, ok, c.upTo, c.ok)
		}
	}
}

// Over many messages each agent answers as often as its chance says, whether the roll is
// made when the message is posted or in the decision.
func TestRolledOnce(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	const posts = 40_000
	first, second := 0, 0
	for range posts {
		before := room()
		before.Agents, before.Room.Frequency = cast("teacher", "student"), 0.25
		k := Known{Agents: before.Agents}
		rolls, hit := k.Rolled(before.Room, before.Now, r.Float64)
		s := posted(before, 0, "hello", rolls)
		d := Decide(s, s.Rolls(func() float64 { t.Fatal("rolled twice"); return 0 }))
		spoke := speaking(d)
		if hit != (len(spoke) == 1) {
			t.Fatalf("the post has rolled %v (%v), and %v speak", rolls, hit, spoke)
		}
		if hit && spoke[0] == "teacher" {
			first++
		} else if hit {
			second++
		}
	}
	for what, p := range map[string]struct {
		got  int
		want float64
	}{"the instructor": {first, 0.25}, "the participant": {second, 0.75 * 0.2}} {
		if off := math.Abs(float64(p.got)/posts - p.want); off > 4*math.Sqrt(p.want*(1-p.want)/posts) {
			t.Errorf("%s answered %d of %d, want %.3f", what, p.got, posts, p.want)
		}
	}
}

// Several messages of one decision: the best roll of each agent counts, and those for
// which none was made are rolled for together.
func TestRollsOfSeveral(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rolls  [][]float64
		anew   []float64
		want   []float64
		rolled int
	}{
		"one":               {[][]float64{{0.7, 0.3}}, []float64{0}, []float64{0.7, 0.3}, 0},
		"the least of two":  {[][]float64{{0.7, 0.3}, {0.4, 0.9}}, []float64{0}, []float64{0.4, 0.3}, 0},
		"none was made":     {[][]float64{nil, nil}, []float64{0.6, 0.5}, []float64{0.6, 0.5}, 2},
		"one for a part":    {[][]float64{{0.2}, nil}, []float64{0.6, 0.5}, []float64{0.2, 0.5}, 2},
		"the first one hit": {[][]float64{{0.1}, {0.7, 0.3}}, []float64{0.9}, []float64{0.1, 0.3}, 1},
	} {
		s := room(person("old"))
		s.Room.DecidedSeq = 1
		for i, rolls := range c.rolls {
			s.Messages = append(s.Messages, Message{Seq: int64(2 + i), Rolls: rolls})
		}
		d := dice{rolls: c.anew}
		next := s.Rolls(d.roll)
		for i, want := range c.want {
			if got := next(); got != want {
				t.Errorf("%s: agent %d has the roll %v, want %v", name, i, got, want)
			}
		}
		if d.used != c.rolled {
			t.Errorf("%s: rolled %d times, want %d", name, d.used, c.rolled)
		}
	}
}
