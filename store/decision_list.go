package store

import (
	"context"
	"math"
	"slices"

	"github.com/google/uuid"
	"github.com/uptrace/bun"
)

// No decision is stored about silent messages. A list of decisions has one summary of
// those between two decisions that follow each other. Its id is the next one after the id
// of the older decision, so that before works for it too.

// gap are the messages between two decisions.
type gap struct {
	bun.BaseModel `bun:"table:gap"`
	ID            string // of the summary
	RoomID        string
	AfterSeq      int64
	UpTo          int64
}

// Decisions lists a room's decisions and the summaries of its silent messages, newest
// first. With before it lists only those before the decision or the summary with that id.
func (q Queries) Decisions(ctx context.Context, roomID, before string, limit int) (*Listing[Decision], error) {
	var rows []struct {
		ID                 string
		Size, FromSeq, Seq int64
	}
	sel := q.db.NewSelect().Model((*Decision)(nil)).Column("d.id", "d.from_seq", "d.seq").ColumnExpr(q.octets("d.candidates")+" AS size").
		Where("d.room_id = ?", roomID)
	upTo := int64(math.MaxInt64)
	if before != "" {
		sel = sel.Where("d.id < ?", before)
		// Behind a summary comes the decision next to it.
		upTo = 0
		if err := q.db.NewRaw("SELECT from_seq FROM agent_decisions WHERE id = ? AND room_id = ?", before, roomID).Scan(ctx, &upTo); UnlessMissing(translate(err)) != nil {
			return nil, translate(err)
		}
	}
	if err := sel.OrderExpr("d.id DESC").Limit(int64(limit)).Scan(ctx, &rows); err != nil {
		return nil, translate(err)
	}
	gaps := make([]gap, 0, len(rows)+1)
	for _, r := range rows {
		gaps = append(gaps, gap{ID: nextID(r.ID), RoomID: roomID, AfterSeq: r.Seq, UpTo: upTo})
		upTo = r.FromSeq
	}
	gaps = append(gaps, gap{ID: nextID(uuid.Nil.String()), RoomID: roomID, UpTo: upTo})
	silent, err := q.silentIn(ctx, gaps)
	if err != nil {
		return nil, err
	}
	list := &Listing[Decision]{}
	for i, g := range gaps {
		if silent[g.ID] != nil {
			list.places = append(list.places, place{ID: g.ID})
		}
		if i < len(rows) {
			list.places = append(list.places, place{ID: rows[i].ID, Size: rows[i].Size})
		}
	}
	list.places = list.places[:min(limit, len(list.places))]
	list.read = func(ctx context.Context, places []place) ([]Decision, error) {
		var stored []Decision
		ids, at, all := make([]string, len(places)), make(map[string]int, len(places)), make([]Decision, len(places))
		for i, p := range places {
			ids[i], at[p.ID] = p.ID, i
		}
		if err := readByID(ctx, q.everything(&stored), "d.id", within{}, ids); err != nil {
			return nil, err
		}
		for i := range stored {
			all[at[stored[i].ID]] = stored[i]
		}
		for i, p := range places {
			if d := silent[p.ID]; d != nil {
				all[i] = *d
			}
		}
		return slices.DeleteFunc(all, func(d Decision) bool { return d.ID == "" }), nil // deleted meanwhile
	}
	return list, nil
}

const silentInGap = " FROM messages AS s WHERE s.room_id = gap.room_id AND s.silent AND s.seq > gap.after_seq AND s.seq <= gap.up_to"

// silentIn returns by their ids the summaries of gaps in which there are silent messages.
func (q Queries) silentIn(ctx context.Context, gaps []gap) (map[string]*Decision, error) {
	var rows []Decision
	err := q.db.NewSelect().With("gap", q.db.NewValues(&gaps)).TableExpr("gap").
		Join("JOIN messages AS m ON m.room_id = gap.room_id AND m.seq = (SELECT max(s.seq)"+silentInGap+")").
		ColumnExpr("gap.id, m.room_id, m.seq, m.created_at, m.rolls AS candidates, (SELECT min(s.seq)"+silentInGap+") - 1 AS from_seq").Scan(ctx, &rows)
	silent := make(map[string]*Decision, len(rows))
	for i := range rows {
		silent[rows[i].ID] = &rows[i]
	}
	return silent, translate(err)
}

// nextID returns the id after id.
func nextID(id string) string {
	u, err := uuid.Parse(id)
	for i := len(u) - 1; err == nil && i >= 0; i-- {
		if u[i]++; u[i] != 0 {
			break
		}
	}
	return u.String()
}

// LastSilent returns the seq of a room's newest silent message after a seq, 0 without
// one.
func (q Queries) LastSilent(ctx context.Context, roomID string, after int64) (seq int64, err error) {
	err = q.db.NewRaw("SELECT COALESCE(max(seq), 0) FROM messages WHERE room_id = ? AND silent AND seq > ?", roomID, after).Scan(ctx, &seq)
	return seq, translate(err)
}
