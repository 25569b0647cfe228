package turntaking

import "slices"

// This file says in which thread of replies an agent answers: that of the message which it
// answers. Without one it answers in the room.

// threadOf is the thread of the last message that calls an agent.
func (s *Snapshot) threadOf(messages []Message, names Names, may map[string]bool, agentID, cause string) string {
	if !slices.ContainsFunc(messages, func(m Message) bool { return m.RootID != "" }) {
		return ""
	}
	for i := len(messages) - 1; i >= 0; i-- {
		m := &messages[i]
		if cause == CausePost && m.ByAgent || m.AgentID == agentID {
			continue
		}
		if slices.Contains(names.Called(m.Content, may), agentID) {
			return m.RootID
		}
	}
	return ""
}

// threadAnswered is the thread of the newest message of a person, for an agent that answers
// that message alone. One that speaks after some time or some messages speaks about all of
// them, and to the room.
func (s *Snapshot) threadAnswered(ag *RoomAgent) string {
	if !ag.Trigger.Chance && ag.Trigger.Messages != 1 {
		return ""
	}
	for i := len(s.Messages) - 1; i >= 0; i-- {
		if m := &s.Messages[i]; m.ByPerson() {
			return m.RootID
		}
	}
	return ""
}
