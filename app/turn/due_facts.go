package turn

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/coagent-studio/coagent/app/turntaking"
	"github.com/coagent-studio/coagent/store"
)

// dueAgents reads the facts for due triggers, in a few statements for all of them. It
// returns the triggers whose room and agent are still there, with their rows.
func (e *Engine) dueAgents(ctx context.Context, tx *store.Tx, rows []store.RoomAgent, now time.Time) ([]turntaking.DueAgent, []store.RoomAgent, error) {
	roomIDs, agentIDs := map[string]bool{}, map[string]bool{}
	for _, r := range rows {
		roomIDs[r.RoomID], agentIDs[r.AgentID] = true, true
	}
	ids := slices.Collect(maps.Keys(roomIDs))
	rooms, err := tx.RoomsByID(ctx, ids)
	if err != nil {
		return nil, nil, err
	}
	agents, err := tx.AgentsByID(ctx, slices.Collect(maps.Keys(agentIDs)))
	if err != nil {
		return nil, nil, err
	}
	turns, err := tx.UnendedTurns(ctx, ids)
	if err != nil {
		return nil, nil, err
	}
	messages, err := tx.MessagesSincePerson(ctx, ids)
	if err != nil {
		return nil, nil, err
	}
	found := e.dueFacts(rows, rooms, agents, turns, messages, now)
	var asked []store.Unread
	for i := range found.agents {
		if d, row := &found.agents[i], &found.rows[i]; d.Trigger.Messages > 0 {
			asked = append(asked, store.Unread{RoomID: row.RoomID, AgentID: row.AgentID, AfterSeq: row.ReadSeq, Since: d.Cleared(now)})
		}
	}
	counts, err := tx.CountUnread(ctx, asked)
	for i, row := range found.rows {
		found.agents[i].Unread = counts[[2]string{row.RoomID, row.AgentID}]
	}
	return found.agents, found.rows, err
}

// dueFacts are due triggers, and the row of each.
type dueFacts struct {
	agents []turntaking.DueAgent
	rows   []store.RoomAgent
}

// dueFacts combines what was read about due triggers. It leaves out those whose room or
// agent is gone.
func (e *Engine) dueFacts(rows []store.RoomAgent, rooms map[string]*store.Room, agents map[string]*store.Agent, turns []store.Turn,
	messages []store.Message, now time.Time) (found dueFacts) {
	busy, said := map[[2]string]bool{}, map[string][]store.Message{}
	inRooms := map[string]*turntaking.DueRoom{}
	for id, r := range rooms {
		inRooms[id] = &turntaking.DueRoom{Room: *RoomOf(r)}
	}
	for _, t := range turns {
		busy[[2]string{t.RoomID, t.AgentID}] = true
		if r := inRooms[t.RoomID]; r != nil && t.State != store.TurnParked {
			r.Live = true
		}
	}
	for _, m := range messages {
		said[m.RoomID] = append(said[m.RoomID], m)
		if r := inRooms[m.RoomID]; r != nil && m.Seq > r.StreakFrom {
			r.Streak++
		}
	}
	for i := range rows {
		ra := &rows[i]
		room := inRooms[ra.RoomID]
		if ra.Agent = agents[ra.AgentID]; room == nil || ra.Agent == nil {
			continue
		}
		d := turntaking.DueAgent{RoomAgent: effectiveIn(ra, now, e.zone), Room: room, Busy: busy[[2]string{ra.RoomID, ra.AgentID}]}
		d.Own = d.OwnMessages(&room.Room, MessagesOf(said[ra.RoomID]), now)
		found.agents, found.rows = append(found.agents, d), append(found.rows, *ra)
	}
	return found
}
