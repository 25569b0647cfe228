package app

import (
	"context"
	"time"

	"github.com/coagent-studio/coagent/store"
)

// loadRoomAgents reads the room's agents and how they are set there.
func (a *App) loadRoomAgents(ctx context.Context, s *roomSnapshot) error {
	links, err := a.db.RoomAgents(ctx, s.Room.ID)
	for i := range links {
		s.Agents = append(s.Agents, *links[i].Agent)
		s.RoomAgents[links[i].AgentID] = a.effective(&links[i], s.Now)
	}
	return err
}

// countUnread counts the people's messages that agents have not read, for agents
// whose trigger needs the number. It counts in the snapshot, and asks the database
// only when there may be more messages before the snapshot.
func (a *App) countUnread(ctx context.Context, s *roomSnapshot) error {
	var asked []store.Unread
	for id, p := range s.RoomAgents {
		if p.trigger.Messages == 0 {
			continue
		}
		cleared, n := p.cleared(s.Now), 0
		for i := range s.Messages {
			if m := &s.Messages[i]; !m.ByAgent() && m.Seq > p.ReadSeq && !m.CreatedAt.Before(cleared) {
				n++
			}
		}
		if n < p.trigger.Messages && len(s.Messages) == snapshotMessages && s.Messages[0].Seq > p.ReadSeq {
			asked = append(asked, store.Unread{RoomID: s.Room.ID, AgentID: id, AfterSeq: p.ReadSeq, Since: cleared})
		}
		s.PersonMessages[id] = n
	}
	counts, err := a.db.CountUnread(ctx, asked)
	for k, n := range counts {
		s.PersonMessages[k[1]] = n
	}
	return err
}

// rearmed returns the rows with new dates for triggers that only time will fulfil,
// where the stored date would be too late. It leaves out the agents that speak now.
func (s *roomSnapshot) rearmed(speakers []candidate) []store.Rearmed {
	var rows []store.Rearmed
	for id, p := range s.RoomAgents {
		speaks := false
		for _, c := range speakers {
			speaks = speaks || c.AgentID == id
		}
		if speaks {
			continue
		}
		due := p.due(&s.Room, p.scheduleFacts(&s.Room, s.PersonMessages[id], s.Now), p.ownMessages(&s.Room, s.Messages, s.Now))
		if row, ok := p.sooner(due); ok {
			rows = append(rows, row)
		}
	}
	return rows
}

// rearmed returns the rows of the room's agents after the turn's message: from what
// the speaker's trigger counts now, and when only time will make it or others speak.
func (r *attempt) rearmed(now time.Time) []store.Rearmed {
	s := r.app.newSnapshot(r.room)
	s.RoomAgents = r.roomAgents
	rows := s.rearmed([]candidate{{AgentID: r.agent.ID}})
	own, link := *r.roomAgents[r.agent.ID], *r.roomAgents[r.agent.ID].RoomAgent
	link.SpokeAt, link.ReadSeq = now, max(link.ReadSeq, r.read)
	own.RoomAgent = &link
	return append(rows, store.Rearmed{RoomID: r.room.ID, AgentID: r.agent.ID, SpokeAt: now, ReadSeq: r.read,
		NextDueAt: own.due(r.room, own.scheduleFacts(r.room, 0, now), 0)})
}

// occasion tells a model why it has to speak though nobody has just said anything. It
// is "" for any other cause.
func occasion(cause string) string {
	switch cause {
	case ruleSilence:
		return "(Nobody has said anything for a while. Say something that helps the others on, without asking where they are.)"
	case ruleInterval, ruleCount:
		return "(It is time for you to say something about what was said since your last line.)"
	case causeWake:
		return "(Staff of this room would like you to say something now.)"
	}
	return ""
}
