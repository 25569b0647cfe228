package turn

import (
	"context"

	"github.com/coagent-studio/coagent/app/turntaking"
	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
)

// Post stores a message that ends no turn, and has the agents of its room decide about it
// when one of them may answer. added is false when the message is stored already. The error
// for one with InReplyTo may be ErrNoSuchMessage, ErrMessageGone or ErrTooManyReplies.
func (e *Engine) Post(ctx context.Context, tx *store.Tx, m *store.Message, heard store.Heard) (added bool, err error) {
	added, due, err := addMessage(ctx, tx, m, heard)
	if err != nil || !added {
		return false, err
	}
	if !due && !heard.Unheard && turntaking.MayCall(m.Content) {
		// The look on its way may have found that only turns are live which are aside,
		// and nobody was called then.
		due, err = tx.AllAside(ctx, m.RoomID)
	}
	if err != nil || !due {
		return true, err
	}
	return true, e.queue.Add(ctx, tx, jobs.DecideInRoom{RoomID: m.RoomID})
}
