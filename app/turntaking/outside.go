package turntaking

// WouldCall tells whether a message with this text calls an agent of the room, when a
// decision is made about it.
func (s *Snapshot) WouldCall(text, agentID string) bool {
	agents, may := inOrder(s.Agents), map[string]bool{}
	for _, ag := range agents {
		rule, _ := s.CanSpeak(ag)
		may[ag.ID] = rule == ""
	}
	for _, id := range NamesIn(agents).Called(text, may) {
		if id == agentID {
			return true
		}
	}
	return false
}
