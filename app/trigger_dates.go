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

// countUnread counts the people's lines that agents have not read, for those
// whose trigger asks how many: among the lines of the snapshot, unless there
// may be more before them.
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

// rearmed are the rows of the agents whose trigger time alone will fulfil,
// where the stored date would be too late; not those that speak now.
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

// rearmed are the rows of the room's agents after a line of the turn's own:
// what it counts from now on, and when time alone will have it or others speak.
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

// occasion tells a model why it is to speak though nobody has just said
// anything; "" otherwise.
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
