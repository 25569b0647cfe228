package turn

import (
	"context"
	"time"

	"github.com/coagent-studio/coagent/store"
)

// loadRoomAgents reads the room's agents and how they are set there.
func (e *Engine) loadRoomAgents(ctx context.Context, s *roomSnapshot) error {
	rows, err := e.db.RoomAgents(ctx, s.room.ID)
	for i := range rows {
		p := Effective(&rows[i], s.Now, e.zone)
		s.rows[p.AgentID] = p
		s.Agents = append(s.Agents, p.Effective)
	}
	return err
}

// countUnread counts the people's messages that agents have not read, for agents
// whose trigger needs the number. It counts in the snapshot, and asks the database
// only when there may be more messages before the snapshot.
func (e *Engine) countUnread(ctx context.Context, s *roomSnapshot) error {
	var asked []store.Unread
	for _, p := range s.Agents {
		if p.Trigger.Messages == 0 {
			continue
		}
		cleared, n := p.Cleared(s.Now), 0
		for i := range s.Messages {
			if m := &s.Messages[i]; !m.ByAgent && m.Seq > p.ReadSeq && !m.At.Before(cleared) {
				n++
			}
		}
		if n < p.Trigger.Messages && len(s.Messages) == snapshotMessages && s.Messages[0].Seq > p.ReadSeq {
			asked = append(asked, store.Unread{RoomID: s.room.ID, AgentID: p.ID, AfterSeq: p.ReadSeq, Since: cleared})
		}
		s.Unread[p.ID] = n
	}
	counts, err := e.db.CountUnread(ctx, asked)
	for k, n := range counts {
		s.Unread[k[1]] = n
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
// the speaker's trigger counts now, and when only time will make it or others speak.
func (r *attempt) rearmed(now time.Time) []store.Rearmed {
	s := r.engine.newSnapshot(r.room)
	for _, p := range r.roomAgents {
		s.Agents = append(s.Agents, p.Effective)
	}
	own := *r.roomAgents[r.agent.ID].Effective
	own.SpokeAt, own.ReadSeq = now, max(own.ReadSeq, r.read)
	return append(s.rearmed(r.agent.ID), store.Rearmed{RoomID: r.room.ID, AgentID: r.agent.ID, SpokeAt: now, ReadSeq: r.read,
		NextDueAt: own.Due(&s.Room, own.Facts(&s.Room, 0, now), 0)})
}
