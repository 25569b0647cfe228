package turn

import "context"

// A decision is about the newest messages of a room, mostly about the last one.
const (
	snapshotMessages = 100 // are all that a decision can see
	fewMessages      = 8   // are mostly enough
)

// readMessages reads the messages that a decision needs. What else the room said would
// change nothing.
func (e *Engine) readMessages(ctx context.Context, s *roomSnapshot) error {
	for _, limit := range []int{fewMessages, snapshotMessages} {
		rows, err := e.db.MessagesToDecide(ctx, s.room.ID, s.room.EventSeq+1, limit)
		if err != nil {
			return err
		}
		if s.Messages = MessagesOf(rows); len(rows) < limit || s.Enough() {
			break
		}
	}
	if !s.MayCall() {
		return nil
	}
	rows, err := e.db.AgentsThatSpoke(ctx, s.room.ID, s.room.EventSeq+1, snapshotMessages)
	s.Spoken = MessagesOf(rows)
	return err
}
