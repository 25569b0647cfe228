package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// Pin keeps a message at the top of its room.
type Pin struct {
	bun.BaseModel `bun:"table:room_pins,alias:pn"`
	RoomID        string `bun:",pk"`
	MessageID     string `bun:",pk"`
	PinnedBy      string `bun:",nullzero"`
	PinnedAt      time.Time
}

// AddPin pins a message; added is false when it is pinned already.
func (t *Tx) AddPin(ctx context.Context, p *Pin) (added bool, err error) { return t.insertOnce(ctx, p) }

// RemovePin removes a pin; removed is false when there is none.
func (t *Tx) RemovePin(ctx context.Context, roomID, messageID string) (removed bool, err error) {
	n, err := affected(t.db.NewDelete().Model((*Pin)(nil)).Where("room_id = ?", roomID).Where("message_id = ?", messageID).Exec(ctx))
	return n > 0, err
}

// CountPins returns how many messages of a room are pinned.
func (q Queries) CountPins(ctx context.Context, roomID string) (int, error) {
	n, err := q.db.NewSelect().Model((*Pin)(nil)).Where("room_id = ?", roomID).Count(ctx)
	return int(n), translate(err)
}

// Pinned is a message that is pinned in its room, and by whom.
type Pinned struct {
	Found
	PinnedAt time.Time
	PinnedBy string
}

// Pins lists the pinned messages of a room that everybody there may read, and the reader
// too, the newest pin first.
func (q Queries) Pins(ctx context.Context, who Reader, roomID string, limit int) ([]Pinned, error) {
	var rows []Pinned
	err := q.readable(who, excerptOf, "room_pins AS pn JOIN messages AS m ON m.id = pn.message_id").ColumnExpr("pn.pinned_at, pn.pinned_by").
		Where("pn.room_id = ?", roomID).OrderExpr("pn.pinned_at DESC, pn.message_id DESC").Limit(int64(limit)).Scan(ctx, &rows)
	return rows, translate(err)
}
