package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// What a person hears of in a room.
const (
	NotifyAll      = "all"
	NotifyMentions = "mentions"
	NotifyNone     = "none"
)

// RoomMark is how far a person has read in a room, and how they want to hear of it. It
// holds on all devices of the person.
type RoomMark struct {
	bun.BaseModel `bun:"table:room_marks,alias:k"`
	UserID        string    `bun:",pk"`
	RoomID        string    `bun:",pk"`
	ReadSeq       *int64    // nil for a person who has never marked the room
	UnreadAt      time.Time `bun:",nullzero"` // when the person has put the mark back; zero when they have read on since
	Notify        string    `bun:",nullzero"` // "" for what the person wants of all rooms
	PinnedAt      time.Time `bun:",nullzero"`
}

// ReadRoom moves the mark of a person in a room up to seq. moved is false when it was
// there or above: a mark never goes down by reading. ErrReferenced when the room is gone.
func (t *Tx) ReadRoom(ctx context.Context, userID, roomID string, seq int64) (moved bool, err error) {
	n, err := affected(t.db.ExecContext(t.boundText(ctx, userID, roomID, seq), readRoom))
	return n > 0, err
}

const readRoom = `INSERT INTO room_marks (user_id, room_id, read_seq) VALUES ($1, $2, $3)
ON CONFLICT (user_id, room_id) DO UPDATE SET read_seq = excluded.read_seq, unread_at = NULL
WHERE room_marks.read_seq IS NULL OR room_marks.read_seq < excluded.read_seq`

// ReadSeqs returns how far a person has read in rooms where they have marked it, by room.
func (q Queries) ReadSeqs(ctx context.Context, userID string, roomIDs ...string) (map[string]int64, error) {
	var rows []RoomMark
	err := q.db.NewSelect().Model(&rows).Column("k.room_id", "k.read_seq").Where("k.user_id = ?", userID).
		Where("k.room_id IN (?)", bun.List(roomIDs)).Where("k.read_seq IS NOT NULL").Limit(int64(len(roomIDs))).Scan(ctx)
	seqs := make(map[string]int64, len(rows))
	for _, m := range rows {
		seqs[m.RoomID] = *m.ReadSeq
	}
	return seqs, translate(err)
}

// UnreadRoom puts the mark of a person in a room right before seq, up or down, and makes
// the person's mentions from there on unread again.
func (t *Tx) UnreadRoom(ctx context.Context, userID, roomID string, seq int64, at time.Time) error {
	if _, err := t.db.ExecContext(t.boundText(ctx, userID, roomID, seq-1, at), unreadRoom); err != nil {
		return translate(err)
	}
	_, err := t.db.NewUpdate().Model((*Mention)(nil)).Set("read_at = NULL").Where("user_id = ?", userID).
		Where("room_id = ?", roomID).Where("seq >= ?", seq).Where("read_at IS NOT NULL").Exec(ctx)
	return translate(err)
}

const unreadRoom = `INSERT INTO room_marks (user_id, room_id, read_seq, unread_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (user_id, room_id) DO UPDATE SET read_seq = excluded.read_seq, unread_at = excluded.unread_at`

// SetRoomMark writes those of notify and pinned_at that are named. A room that is pinned
// already keeps its time.
func (t *Tx) SetRoomMark(ctx context.Context, m *RoomMark, columns ...string) error {
	if len(columns) == 0 {
		return nil
	}
	q := t.db.NewInsert().Model(m).Column("user_id", "room_id").Column(columns...).On("CONFLICT (user_id, room_id) DO UPDATE")
	for _, c := range columns {
		if c == "pinned_at" && !m.PinnedAt.IsZero() {
			q = q.Set("pinned_at = COALESCE(k.pinned_at, EXCLUDED.pinned_at)")
			continue
		}
		q = q.Set("? = EXCLUDED.?", bun.Ident(c), bun.Ident(c))
	}
	_, err := q.Exec(ctx)
	return translate(err)
}
