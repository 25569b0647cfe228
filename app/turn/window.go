package turn

import (
	"context"
	"math/bits"

	"github.com/coagent-studio/coagent/store"
)

// Which messages a model is shown. A window of the newest n messages would begin with
// another message each time, and no provider could use again what it has read. So
// the window has some messages to spare: it begins with the same message until they
// are used up.

const (
	spareMessages = 20 // of a window of 10 to 80 messages
	exactMessages = 3  // a window of at most so many has none to spare
)

// windowSize returns how many messages a window of n messages has, at least and at most.
func windowSize(n int) (least, most int) {
	spare := 0
	if n > exactMessages {
		spare = max(min(2*n, spareMessages), n/4)
	}
	most = min(n+spare, store.MaxLimit)
	return most - spare, most
}

// Window reads a window of n messages, oldest first. newest reads the newest messages
// up to a limit, and seq is the place of a message in its conversation.
func Window[M any](n int, newest func(limit int) ([]M, error), seq func(*M) int64) ([]M, error) {
	least, most := windowSize(n)
	all, err := newest(most)
	if err != nil || len(all) < most {
		return all, err
	}
	first := 0
	for i := range all[:most-least+1] {
		if roundness(seq(&all[i])) > roundness(seq(&all[first])) {
			first = i
		}
	}
	return all[first:], nil
}

// roundness is how often a seq can be halved. A window begins with its roundest seq:
// whatever comes and goes, that stays the roundest for a while.
func roundness(seq int64) int { return bits.TrailingZeros64(uint64(seq)) }

// windowOf reads the messages of the room that one of its agents is shown, and those of the
// thread in which the turn is.
func (r *attempt) windowOf(ctx context.Context, ag *store.Agent) ([]store.Message, error) {
	n := r.roomAgents[ag.ID].Effective.ContextMessages(store.MaxLimit)
	messages, err := Window(n,
		func(limit int) ([]store.Message, error) { return r.engine.db.ShownMessages(ctx, r.room.ID, 0, limit) },
		func(m *store.Message) int64 { return m.Seq })
	if err != nil {
		return nil, err
	}
	return r.withThread(ctx, messages, n)
}
