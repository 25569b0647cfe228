package app

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/coagent-studio/coagent/store"
)

// dueAgent is an agent whose trigger is due, with the state of its room.
type dueAgent struct {
	*roomAgent
	room   *dueRoom
	unread int // people's messages that it has not read, if the trigger needs it
	own    int // messages of its own since a person spoke
	busy   bool
}

// dueRoom is a room in which triggers are due.
type dueRoom struct {
	store.Room
	live   bool // a turn is on its way or waits
	streak int  // the streak: agents' messages since a person spoke, and those that will come
}

// dueAgents reads the facts for due triggers, in a few statements for all of them.
func (a *App) dueAgents(ctx context.Context, tx *store.Tx, rows []store.RoomAgent, now time.Time) ([]dueAgent, error) {
	roomIDs, agentIDs := map[string]bool{}, map[string]bool{}
	for _, r := range rows {
		roomIDs[r.RoomID], agentIDs[r.AgentID] = true, true
	}
	ids := slices.Collect(maps.Keys(roomIDs))
	rooms, err := tx.RoomsByID(ctx, ids)
	if err != nil {
		return nil, err
	}
	agents, err := tx.AgentsByID(ctx, slices.Collect(maps.Keys(agentIDs)))
	if err != nil {
		return nil, err
	}
	turns, err := tx.UnendedTurns(ctx, ids)
	if err != nil {
		return nil, err
	}
	lines, err := tx.MessagesSincePerson(ctx, ids)
	if err != nil {
		return nil, err
	}
	dues := gather(rows, rooms, agents, turns, lines, func(ra *store.RoomAgent) *roomAgent { return a.effective(ra, now) }, now)
	var asked []store.Unread
	for _, d := range dues {
		if d.trigger.Messages > 0 {
			asked = append(asked, store.Unread{RoomID: d.RoomID, AgentID: d.AgentID, AfterSeq: d.ReadSeq, Since: d.cleared(now)})
		}
	}
	counts, err := tx.CountUnread(ctx, asked)
	for i, d := range dues {
		dues[i].unread = counts[[2]string{d.RoomID, d.AgentID}]
	}
	return dues, err
}

// gather combines what was read about due triggers. It leaves out those whose room or
// agent is gone.
func gather(rows []store.RoomAgent, rooms map[string]*store.Room, agents map[string]*store.Agent, turns []store.Turn, lines []store.Message,
	place func(*store.RoomAgent) *roomAgent, now time.Time) []dueAgent {
	busy, said := map[[2]string]bool{}, map[string][]store.Message{}
	inRooms := map[string]*dueRoom{}
	for id, r := range rooms {
		inRooms[id] = &dueRoom{Room: *r}
	}
	for _, t := range turns {
		busy[[2]string{t.RoomID, t.AgentID}] = true
		if r := inRooms[t.RoomID]; r != nil && t.State != store.TurnParked {
			r.live = true
		}
	}
	for _, m := range lines {
		said[m.RoomID] = append(said[m.RoomID], m)
		if r := inRooms[m.RoomID]; r != nil && m.Seq > r.StreakFrom {
			r.streak++
		}
	}
	var dues []dueAgent
	for i := range rows {
		ra := &rows[i]
		room := inRooms[ra.RoomID]
		if ra.Agent = agents[ra.AgentID]; room == nil || ra.Agent == nil {
			continue
		}
		p := place(ra)
		dues = append(dues, dueAgent{roomAgent: p, room: room, busy: busy[[2]string{ra.RoomID, ra.AgentID}], own: p.ownMessages(&room.Room, said[ra.RoomID], now)})
	}
	return dues
}

// fired is what becomes of a due trigger: it gets a new date and, if its conditions
// hold, a decision.
type fired struct {
	row      store.Rearmed
	decision *decision
	waits    bool // the turn waits behind the room's live turn
}

// judgeDue judges due triggers by what is true now, in the order of their due dates.
func judgeDue(dues []dueAgent, maxRow int, now time.Time) []fired {
	out := make([]fired, len(dues))
	for i := range dues {
		out[i] = dues[i].judge(maxRow, now)
	}
	return out
}

func (d *dueAgent) judge(maxRow int, now time.Time) fired {
	r := &d.room.Room
	f := fired{row: store.Rearmed{RoomID: d.RoomID, AgentID: d.AgentID}}
	facts := d.scheduleFacts(r, d.unread, now)
	met, by, why := d.trigger.Met(facts)
	if !met || !d.trigger.Timed() {
		f.row.NextDueAt = d.due(r, facts, d.own)
		return f
	}
	rule, detail := d.canSpeak(r, d.own, now)
	switch {
	case rule == ruleMuted || rule == ruleSchedule:
		f.row.NextDueAt = d.due(r, facts, d.own)
		return f
	case rule == "" && d.busy:
		// The agent is about to speak; the end of its turn sets the next date.
		return f
	case rule == "" && r.DecidedSeq < r.EventSeq:
		f.row.NextDueAt = now.Add(decisionComes)
		return f
	}
	f.decision = &decision{Cause: by, From: r.EventSeq, Seq: r.EventSeq,
		Candidates: []candidate{{AgentID: d.AgentID, Name: d.Agent.Name, Rule: by, Detail: why}}}
	c := &f.decision.Candidates[0]
	switch {
	case rule != "":
		c.Rule, c.Detail = rule, detail
	case d.room.streak >= maxRow:
		c.Rule, c.Detail, f.decision.Guard = ruleGuard, guardStreak, guardStreak
	default:
		c.Speaks = true
		f.waits, d.room.live = d.room.live, true
		d.room.streak++
		f.row.SpokeAt, f.row.ReadSeq = now, r.EventSeq
		if d.trigger.Silence > 0 {
			f.row.BrokeSeq = r.EventSeq
		}
	}
	return f
}
