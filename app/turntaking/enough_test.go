package turntaking

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

// history is a room with everything that was said in it, and with what decisions see of it:
// messages may be hidden, and posted while the agents did not listen.
func history(r *rand.Rand) Snapshot {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	s := Snapshot{Room: Room{On: true, Participants: r.IntN(3) > 0, Frequency: []float64{0, 0.5, 1}[r.IntN(3)]}, MaxStreak: 1 + r.IntN(6), Unread: map[string]int{}, Now: now}
	var in []string
	for _, id := range []string{"teacher", "student", "helper", "critic", "peer"} {
		if r.IntN(3) > 0 {
			in = append(in, id)
		}
	}
	said := []string{"why?", "@teacher why?", "@student and you?", "@critic @peer hi", "thanks", "Thank you!", "I agree.", "light scatters at small angles in the air", "老師，為什麼", "@gone"}
	byAgents := r.IntN(10) // how often agents speak
	for seq := int64(1); seq <= int64(1+r.IntN(40)); seq++ {
		m := Message{Seq: seq, At: now.Add(time.Duration(seq-60) * time.Minute), Content: said[r.IntN(len(said))]}
		heard := r.IntN(10) > 0
		if len(in) > 0 && r.IntN(10) < byAgents {
			m.ByAgent, m.AgentID = true, in[r.IntN(len(in))]
		} else if m.SenderID = fmt.Sprint("p", r.IntN(3)); heard {
			s.Room.PersonSeq, s.Room.PersonAt = seq, m.At
		}
		s.Room.EventSeq = seq
		if r.IntN(8) > 0 {
			s.Messages = append(s.Messages, m)
		}
	}
	s.Room.DecidedSeq = max(0, s.Room.EventSeq-int64(r.IntN(6)))
	s.Room.StreakFrom = int64(r.IntN(int(s.Room.EventSeq) + 1))
	for _, id := range in {
		trigger := []string{"", "", `{"type":"message_count","value":2}`, `{"type":"silence","value":600}`,
			`{"trigger":{"logic":"any","enabled_conditions":["message_count"],"message_count":3},"close":{"monologue_limit":2}}`}[r.IntN(5)]
		state := State{On: true, Since: now.Add(-time.Hour), ReadSeq: int64(r.IntN(int(s.Room.EventSeq) + 1)), WokenSeq: int64(r.IntN(int(s.Room.EventSeq) + 1))}
		p := InRoom(agents[id].as(id), Settings{AgentTrigger: trigger, Zone: time.UTC}, state, now)
		p.Trigger.Monologue = r.IntN(4)
		s.Agents = append(s.Agents, p)
		s.Unread[id] = r.IntN(4)
	}
	return s
}

// A decision about the last messages is the one about all of them, when they are enough.
func TestFewMessagesAreEnough(t *testing.T) {
	t.Parallel()
	enough, spoke, guarded := 0, 0, 0
	for seed := range uint64(2_500) {
		r := rand.New(rand.NewPCG(seed, 7))
		all := history(r)
		want := Decide(all, func() float64 { return 0.4 })
		dates := all.Sooner()
		for n := range len(all.Messages) {
			few := all
			few.Messages = all.Messages[len(all.Messages)-n:]
			if !few.Enough() {
				continue
			}
			enough++
			if got := Decide(few, func() float64 { return 0.4 }); !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d: with %d of %d messages\n%+v, want\n%+v", seed, n, len(all.Messages), got, want)
			}
			if got := few.Sooner(); !reflect.DeepEqual(got, dates) {
				t.Fatalf("seed %d: with %d of %d messages the dates are %v, want %v", seed, n, len(all.Messages), got, dates)
			}
		}
		if len(want.Speakers()) > 0 {
			spoke++
		}
		if want.Guard != "" {
			guarded++
		}
	}
	if enough < 2_500 || spoke < 500 || guarded < 20 {
		t.Errorf("few messages were enough %d times, somebody spoke %d times, a guard stopped %d", enough, spoke, guarded)
	}
}
