package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// Event is one entry of a room's log. Body is the JSON of app's event types. ActorID is
// the person who caused it, for the types whose readers need that.
type Event struct {
	bun.BaseModel `bun:"table:events,alias:e"`
	RoomID        string `bun:",pk"`
	Seq           int64  `bun:",pk"`
	ID            string
	Type          string
	ActorID       string `bun:",nullzero"`
	Body          JSON
	CreatedAt     time.Time
	AboutSeq      int64 `bun:",nullzero"` // the seq of the earlier message that it is about
}

// NextSeq takes the room's next event number. It locks the room's row until the
// transaction ends, so the numbers have no gap and follow the order of the commits.
// lookAt, unless zero, is when a sweep should have the room's agents decide.
func (t *Tx) NextSeq(ctx context.Context, roomID string, lookAt time.Time) (int64, error) {
	q := t.db.NewUpdate().Model((*Room)(nil))
	if !lookAt.IsZero() {
		q = q.Set("look_at = ?", lookAt)
	}
	return nextSeq(ctx, q, roomID)
}

// NextSeqUnheard is NextSeq for an event in a room whose agents do not listen. They will
// never decide about this event, nor about anything before it.
func (t *Tx) NextSeqUnheard(ctx context.Context, roomID string) (int64, error) {
	q := t.db.NewUpdate().Model((*Room)(nil)).Set("looked_seq = event_seq + 1").Set("look_at = NULL")
	return nextSeq(ctx, q, roomID)
}

// NextQuietSeq takes the next seq of a locked room for an event that agents do not
// answer. If the room has no undecided messages, it still has none afterwards; otherwise
// they stay undecided.
func (t *Tx) NextQuietSeq(ctx context.Context, room *Room) (int64, error) {
	if !room.Undecided() {
		return t.NextSeqUnheard(ctx, room.ID)
	}
	return t.NextSeq(ctx, room.ID, time.Time{})
}

func nextSeq(ctx context.Context, q *bun.UpdateQuery, roomID string) (seq int64, err error) {
	res, err := q.Set("event_seq = event_seq + 1").Where("r.id = ?", roomID).Returning("event_seq").Exec(ctx, &seq)
	return seq, changed(res, err, ErrNotFound)
}

// CreateEvent adds an event under a seq from NextSeq. After the commit this process and
// the others on the same database are notified of it.
func (t *Tx) CreateEvent(ctx context.Context, e *Event) error {
	if err := t.insertEvent(ctx, e); err != nil {
		return err
	}
	t.events = append(t.events, *e)
	return nil
}

func (t *Tx) insertEvent(ctx context.Context, e *Event) error {
	if t.postgres() {
		return t.insert(ctx, e)
	}
	body, err := e.Body.Value()
	if err != nil {
		return err
	}
	ctx = t.boundText(ctx, e.RoomID, e.Seq, e.ID, e.Type, null(e.ActorID), body, e.CreatedAt, null(e.AboutSeq))
	_, err = t.db.ExecContext(ctx, addEvent)
	return translate(err)
}

const addEvent = `INSERT INTO events (room_id, seq, id, type, actor_id, body, created_at, about_seq)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`

// ReplaceEventBody replaces the body of an event, for example after a newer event has
// made the old one pointless. When the log does not keep the event any more, it does
// nothing.
func (t *Tx) ReplaceEventBody(ctx context.Context, roomID string, seq int64, body JSON) error {
	_, err := t.db.NewUpdate().Model((*Event)(nil)).Set("body = ?", body).
		Where("room_id = ?", roomID).Where("seq = ?", seq).Exec(ctx)
	return translate(err)
}

// Events lists the events of a room's log after a seq, oldest first, limit at most.
func (q Queries) Events(ctx context.Context, roomID string, after int64, limit int) ([]Event, error) {
	var rows []Event
	err := q.db.NewSelect().Model(&rows).Where("e.room_id = ?", roomID).Where("e.seq > ?", after).
		OrderExpr("e.seq").Limit(int64(limit)).Scan(ctx)
	return rows, translate(err)
}

// EventsWithin is Events whose bodies have together no more than most bytes; the first
// event comes even when it alone is larger. Before it reads the bodies it calls room with
// their total size in bytes; an error of room ends the call.
func (q Queries) EventsWithin(ctx context.Context, roomID string, after int64, limit int, most int64, room func(bytes int64) error) ([]Event, error) {
	var sizes []struct{ Seq, Size int64 }
	err := q.db.NewSelect().Model((*Event)(nil)).Column("e.seq").ColumnExpr(q.octets("e.body")+" AS size").Where("e.room_id = ?", roomID).
		Where("e.seq > ?", after).OrderExpr("e.seq").Limit(int64(limit)).Scan(ctx, &sizes)
	if err != nil || len(sizes) == 0 {
		return nil, translate(err)
	}
	n, size := 1, sizes[0].Size
	for ; n < len(sizes) && size+sizes[n].Size <= most; n++ {
		size += sizes[n].Size
	}
	if err := room(size); err != nil {
		return nil, err
	}
	return q.Events(ctx, roomID, after, n)
}

// EventRange returns the newest seq of a room's log (head) and the oldest that is kept.
// In an empty log head is 0 or oldest is head+1.
func (q Queries) EventRange(ctx context.Context, roomID string) (head, oldest int64, err error) {
	err = q.db.NewSelect().Model((*Room)(nil)).Column("r.event_seq").
		ColumnExpr("COALESCE((SELECT min(e.seq) FROM events AS e WHERE e.room_id = r.id), r.event_seq + 1)").
		Where("r.id = ?", roomID).Limit(1).Scan(ctx, &head, &oldest)
	return head, oldest, translate(err)
}

// EventHeads returns the newest seq of each room, with one statement.
func (q Queries) EventHeads(ctx context.Context, roomIDs []string) (map[string]int64, error) {
	heads := make(map[string]int64, len(roomIDs))
	if len(roomIDs) == 0 {
		return heads, nil
	}
	var rows []Room
	if err := q.db.NewSelect().Model(&rows).Column("r.id", "r.event_seq").
		Where("r.id IN (?)", bun.List(roomIDs)).Limit(int64(len(roomIDs))).Scan(ctx); err != nil {
		return nil, translate(err)
	}
	for _, r := range rows {
		heads[r.ID] = r.EventSeq
	}
	return heads, nil
}

// RoomsWithEventsBefore lists the ids of rooms whose oldest event was made before a time,
// in the order of the ids. It begins behind the id after.
func (q Queries) RoomsWithEventsBefore(ctx context.Context, before time.Time, after string, limit int) ([]string, error) {
	var ids []string
	oldest := q.db.NewSelect().Model((*Event)(nil)).Column("e.created_at").Where("e.room_id = r.id").OrderExpr("e.seq").Limit(1)
	err := q.db.NewSelect().Model((*Room)(nil)).Column("r.id").Where("r.id > ?", after).Where("(?) < ?", oldest, before).
		OrderExpr("r.id").Limit(int64(limit)).Scan(ctx, &ids)
	return ids, translate(err)
}

// DeleteEventsBefore removes the oldest events of a room's log that were made before a
// time, at most limit. It leaves no hole: an event with a later date, from a clock that
// ran ahead, keeps the events behind it a little longer.
func (t *Tx) DeleteEventsBefore(ctx context.Context, roomID string, before time.Time, limit int) (int64, error) {
	var rows []Event
	if err := t.db.NewSelect().Model(&rows).Column("e.seq", "e.created_at").Where("e.room_id = ?", roomID).
		OrderExpr("e.seq").Limit(int64(limit)).Scan(ctx); err != nil {
		return 0, translate(err)
	}
	upto := int64(0)
	for _, e := range rows {
		if !e.CreatedAt.Before(before) {
			break
		}
		upto = e.Seq
	}
	if upto == 0 {
		return 0, nil
	}
	res, err := t.db.NewDelete().Model((*Event)(nil)).Where("room_id = ?", roomID).Where("seq <= ?", upto).Exec(ctx)
	return affected(res, err)
}
