package turntaking

import "time"

// This file decides what becomes of triggers that are due. When one is due is in
// app/schedule/trigger_due.go; app/turn/due.go finds and fires them.

// decisionComes is how long a trigger waits for the decision about newer messages.
const decisionComes = 2 * time.Second

// DueAgent is an agent whose trigger is due.
type DueAgent struct {
	*RoomAgent
	Room   *DueRoom
	Unread int // people's messages that it has not read, if the trigger needs it
	Own    int // messages of its own since a person spoke, see OwnMessages
	Busy   bool
}

// DueRoom is a room in which triggers are due.
type DueRoom struct {
	Room
	Live   bool // a turn is on its way or waits
	Streak int  // agents' messages since a person spoke, and those that will come
}

// Fired is what becomes of a due trigger: it gets a new date and, if its conditions
// hold, a decision.
type Fired struct {
	NextDueAt time.Time // the trigger's new date; zero when something else sets it, or never
	SpokeAt   time.Time // zero unless the agent speaks
	ReadSeq   int64     // likewise
	BrokeSeq  int64     // not zero when the agent breaks a silence
	Decision  *Decision
	Waits     bool // the turn waits behind the room's live turn
}

// JudgeDue judges due triggers by what is true now, in the order of their due dates.
// maxStreak is the longest streak of agents' messages.
func JudgeDue(dues []DueAgent, maxStreak int, now time.Time) []Fired {
	out := make([]Fired, len(dues))
	for i := range dues {
		out[i] = dues[i].judge(maxStreak, now)
	}
	return out
}

func (d *DueAgent) judge(maxStreak int, now time.Time) Fired {
	r := &d.Room.Room
	facts := d.Facts(r, d.Unread, now)
	met, by, why := d.Trigger.Met(facts)
	if !met || !d.Trigger.Timed() {
		return Fired{NextDueAt: d.Due(r, facts, d.Own)}
	}
	rule, detail := d.CanSpeak(r, d.Own, now)
	switch {
	case rule == RuleMuted || rule == RuleSchedule:
		return Fired{NextDueAt: d.Due(r, facts, d.Own)}
	case rule == "" && d.Busy:
		// The agent is about to speak; the end of its turn sets the next date.
		return Fired{}
	case rule == "" && r.DecidedSeq < r.EventSeq:
		return Fired{NextDueAt: now.Add(decisionComes)}
	}
	c := Candidate{AgentID: d.ID, Name: d.Name, Rule: by, Detail: why}
	f := Fired{Decision: &Decision{Cause: by, From: r.EventSeq, Seq: r.EventSeq}}
	switch {
	case rule != "":
		c.Rule, c.Detail = rule, detail
	case d.Room.Streak >= maxStreak:
		c.Rule, c.Detail, f.Decision.Guard = RuleGuard, GuardStreak, GuardStreak
	default:
		c.Speaks = true
		f.Waits, d.Room.Live = d.Room.Live, true
		d.Room.Streak++
		f.SpokeAt, f.ReadSeq = now, r.EventSeq
		if d.Trigger.Silence > 0 {
			f.BrokeSeq = r.EventSeq
		}
	}
	f.Decision.Candidates = []Candidate{c}
	return f
}
