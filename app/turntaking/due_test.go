package turntaking

import (
	"testing"
	"time"
)

// What becomes of a trigger that is due: it speaks, waits, is cut off, or gets a new date.
func TestJudgeDue(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	const silence = `{"type":"silence","value":60}`
	for name, c := range map[string]struct {
		trigger string
		tune    func(*DueAgent)
		next    time.Time // the new date
		rule    string    // of the decision, with ! if the agent speaks; "" without a decision
		waits   bool
	}{
		"Speaks":           {rule: "!silence"},
		"BehindATurn":      {tune: func(d *DueAgent) { d.Room.Live = true }, rule: "!silence", waits: true},
		"NotYet":           {tune: func(d *DueAgent) { d.Room.PersonAt = now.Add(-20 * time.Second) }, next: now.Add(40 * time.Second)},
		"Busy":             {tune: func(d *DueAgent) { d.Busy = true }},
		"Muted":            {tune: func(d *DueAgent) { d.MutedUntil = now.Add(time.Hour) }, next: now.Add(time.Hour)},
		"NewerMessages":    {tune: func(d *DueAgent) { d.Room.EventSeq++ }, next: now.Add(decisionComes)},
		"LongestStreak":    {tune: func(d *DueAgent) { d.Room.Streak = 3 }, rule: "guard"},
		"RoomOff":          {tune: func(d *DueAgent) { d.Room.On = false }, rule: "room_off"},
		"Asleep":           {tune: func(d *DueAgent) { d.AsleepAt, d.AsleepSeq = now, 9 }, rule: "asleep"},
		"NoTriggerAnyMore": {trigger: `{"type":"manual"}`},
		"OnlyACount":       {trigger: `{"type":"message_count","value":1}`, tune: func(d *DueAgent) { d.Unread = 5 }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.trigger == "" {
				c.trigger = silence
			}
			room := &DueRoom{Room: Room{On: true, Participants: true, EventSeq: 5, DecidedSeq: 5, PersonSeq: 4, PersonAt: now.Add(-5 * time.Minute)}}
			d := DueAgent{Room: room, RoomAgent: InRoom(Agent{ID: "a", Part: Instructor, On: true}, Settings{AgentTrigger: c.trigger, Zone: time.UTC},
				State{On: true, Since: now.Add(-time.Hour)}, now)}
			if c.tune != nil {
				c.tune(&d)
			}
			f := JudgeDue([]DueAgent{d}, 3, now)[0]
			rule := ""
			if f.Decision != nil {
				rule = f.Decision.Candidates[0].Rule
				if f.Decision.Candidates[0].Speaks {
					rule = "!" + rule
				}
			}
			if rule != c.rule || f.Waits != c.waits || !f.NextDueAt.Equal(c.next) {
				t.Errorf("got rule %q, waits %v, next %v; want %q, %v, %v", rule, f.Waits, f.NextDueAt, c.rule, c.waits, c.next)
			}
			if spoke := rule == "!silence"; spoke != f.SpokeAt.Equal(now) || spoke != (f.BrokeSeq == 5) {
				t.Errorf("speaks %v, but it spoke at %v and broke the silence at %d", spoke, f.SpokeAt, f.BrokeSeq)
			}
		})
	}
	t.Run("OneAfterTheOther", func(t *testing.T) {
		t.Parallel()
		room := &DueRoom{Room: Room{On: true, Participants: true, PersonAt: now.Add(-time.Hour), PersonSeq: 1}}
		var dues []DueAgent
		for _, id := range []string{"a", "b", "c", "d"} {
			dues = append(dues, DueAgent{Room: room, RoomAgent: InRoom(Agent{ID: id, On: true}, Settings{AgentTrigger: silence, Zone: time.UTC}, State{On: true, Since: now.Add(-time.Hour)}, now)})
		}
		for i, f := range JudgeDue(dues, 3, now) {
			if speaks := f.Decision.Candidates[0].Speaks; speaks != (i < 3) || f.Waits != (i > 0 && i < 3) {
				t.Errorf("agent %d: speaks %v, waits %v", i, speaks, f.Waits)
			}
		}
	})
}
