package app

import (
	"context"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// maxPins is how many messages of a room can be pinned.
const maxPins = 50

// PinMessage pins a message for all of its room, or with on false takes the pin away. It
// does nothing when that is so already.
func (a *App) PinMessage(ctx context.Context, actor *Actor, roomID, id string, on bool) error {
	if _, err := a.roomFor(ctx, actor, roomID, ActPinMessage); err != nil {
		return err
	}
	if err := a.limits.edits.spend(ctx, actor.User.ID); err != nil {
		return err
	}
	err := a.db.InTx(ctx, func(tx *store.Tx) error {
		room, err := tx.OpenRoomForUpdate(ctx, roomID)
		if err != nil {
			return fromStore(err, "Room")
		}
		m, changed, err := a.setPin(ctx, tx, actor, roomID, id, on)
		if err != nil || !changed {
			return err
		}
		seq, err := tx.NextQuietSeq(ctx, room)
		if err != nil {
			return err
		}
		body := event.Pin{MessageID: m.ID, MessageSeq: m.Seq, Pinned: on}
		if err := tx.CreateEvent(ctx, event.New(roomID, seq, event.TypePin, body, a.instant())); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, ActPinMessage, target{"message", m.ID},
			changes{"room_id": roomID, "seq": m.Seq, "pinned": !on}, changes{"room_id": roomID, "seq": m.Seq, "pinned": on})
	})
	return fromStore(err, "Message")
}

// setPin adds or removes a pin. A message that is gone can lose its pin and get none.
func (a *App) setPin(ctx context.Context, tx *store.Tx, actor *Actor, roomID, id string, on bool) (m *store.Message, changed bool, err error) {
	if !on {
		if m, err = tx.MessageInRoom(ctx, roomID, id); err != nil {
			return nil, false, fromStore(err, "Message")
		}
		changed, err = tx.RemovePin(ctx, roomID, id)
		return m, changed, err
	}
	if m, err = shownMessage(ctx, tx, roomID, id); err != nil {
		return nil, false, err
	}
	changed, err = tx.AddPin(ctx, &store.Pin{RoomID: roomID, MessageID: id, PinnedBy: actor.User.ID, PinnedAt: a.instant()})
	if err != nil || !changed {
		return m, false, err
	}
	n, err := tx.CountPins(ctx, roomID)
	if err == nil && n > maxPins {
		err = errorf(KindConflict, wording.TooMany, "A room can have %d pinned messages, and these are there. Take a pin away first.", maxPins)
	}
	return m, true, err
}

// PinnedThere is a pinned message.
type PinnedThere struct {
	SaidThere
	Pin store.Pinned
}

// Pins lists the pinned messages of a room, the newest pin first. Deleted and hidden
// messages are left out.
func (a *App) Pins(ctx context.Context, actor *Actor, roomID string) ([]PinnedThere, error) {
	if _, err := a.roomFor(ctx, actor, roomID, ActReadHistory); err != nil {
		return nil, err
	}
	return a.pins(ctx, actor, roomID)
}

// pins is Pins for who may read the room.
func (a *App) pins(ctx context.Context, actor *Actor, roomID string) ([]PinnedThere, error) {
	rows, err := a.db.Pins(ctx, actor.reader(), roomID, maxPins)
	all := make([]PinnedThere, len(rows))
	for i, said := range saidThere(foundIn(rows, func(p *store.Pinned) store.Found { return p.Found })) {
		all[i] = PinnedThere{said, rows[i]}
	}
	return all, err
}

// foundIn are the messages of a list.
func foundIn[R any](rows []R, of func(*R) store.Found) []store.Found {
	all := make([]store.Found, len(rows))
	for i := range rows {
		all[i] = of(&rows[i])
	}
	return all
}
