package turn

import (
	"context"
	"time"

	"github.com/coagent-studio/coagent/store"
)

// loadRoomAgents reads the room's agents and how they are set there.
func (e *Engine) loadRoomAgents(ctx context.Context, s *roomSnapshot) error {
	rows, err := e.agentsOf(ctx, s.room)
	for i := range rows {
		p := Effective(&rows[i], s.Now, e.zone)
		s.rows[p.AgentID] = p
		s.Agents = append(s.Agents, p.Effective)
	}
	return err
}

// rearmed returns the rows with new dates for triggers that only time will fulfil,
// where the stored date would be too late. It leaves out the agents that speak now.
func (s *roomSnapshot) rearmed(speakers ...string) []store.Rearmed {
	var rows []store.Rearmed
	for id, due := range s.Sooner(speakers...) {
		rows = append(rows, store.Rearmed{RoomID: s.room.ID, AgentID: id, NextDueAt: due})
	}
	return rows
}

// rearmed returns the rows of the room's agents after the turn's message: from what
// the speaker's trigger counts now, and when only time will make it or others speak. room
// is locked.
func (r *attempt) rearmed(room *store.Room, now time.Time) []store.Rearmed {
	s := r.engine.newSnapshot(room)
	for _, p := range r.roomAgents {
		s.Agents = append(s.Agents, p.Effective)
	}
	own := *r.roomAgents[r.agent.ID].Effective
	read := max(r.read, r.heard)
	own.SpokeAt, own.ReadSeq = now, max(own.ReadSeq, read)
	due := own.Due(&s.Room, own.Facts(&s.Room, 0, now), 0)
	if room.PersonSeq > read && own.Trigger.Timed() {
		due = now // the turn does not know how many messages it has not read; what fires triggers counts them
	}
	return append(s.rearmed(r.agent.ID), store.Rearmed{RoomID: room.ID, AgentID: r.agent.ID, SpokeAt: now, ReadSeq: read, NextDueAt: due})
}
