package store

import (
	"context"
	"math"
	"time"
)

// MessagePage is a part of a room's history, with what lies on both sides of it.
type MessagePage struct {
	Messages *Listing[Message]
	// At is the seq of the message that the page was asked for around: the first at or
	// after the point, or the newest one. It is 0 in an empty page and in one that was not
	// asked for around a point.
	At int64
	// First and Last are the seqs at the page's ends, 0 in an empty page.
	First, Last           int64
	MoreBefore, MoreAfter bool
}

// HistoryPart says which part of a room's history to list: the messages before a seq, those
// after one, or those on both sides of one. At most one of them is set. Without any it is
// the newest messages.
type HistoryPart struct {
	Before, Around int64
	After          *int64
	Limit          int
	Bytes          int64 // of the texts together, unless one message alone has more
}

// MessagePage lists a part of a room's history, oldest first.
func (q Queries) MessagePage(ctx context.Context, roomID string, p HistoryPart) (*MessagePage, error) {
	// at divides the messages into those before and the rest. One more than the page may
	// hold tells whether there are more.
	at, before, after := int64(math.MaxInt64), p.Limit+1, 1
	switch {
	case p.Around > 0:
		at, after = p.Around, p.Limit+1
	case p.After != nil:
		at, before, after = min(*p.After, math.MaxInt64-1)+1, 1, p.Limit+1
	case p.Before > 0:
		at = p.Before
	}
	places := q.listedMessages(nil)
	one := "SELECT m.id, m.seq, " + places.size + " AS size FROM messages AS m WHERE m.room_id = $1 AND m.seq "
	var rows []messagePlace
	err := q.db.NewRaw("SELECT * FROM ("+one+"< $2 ORDER BY m.seq DESC LIMIT $3) AS older UNION ALL SELECT * FROM ("+
		one+">= $2 ORDER BY m.seq LIMIT $4) AS newer ORDER BY seq").Scan(q.boundText(ctx, roomID, at, int64(before), int64(after)), &rows)
	if err != nil {
		return nil, translate(err)
	}
	from, to := p.choose(rows, at)
	page := &MessagePage{Messages: &Listing[Message]{places: make([]place, 0, to-from), read: places.reader(nil)},
		MoreBefore: from > 0, MoreAfter: to < len(rows)}
	for _, r := range rows[from:to] {
		page.Messages.places = append(page.Messages.places, place{ID: r.ID, Size: r.Size})
		if p.Around > 0 && page.At < at {
			page.At = r.Seq
		}
	}
	if from < to {
		page.First, page.Last = rows[from].Seq, rows[to-1].Seq
	}
	return page, nil
}

type messagePlace struct {
	ID   string
	Seq  int64
	Size int64
}

// choose returns which rows the page holds: from the message at the seq on outwards, on both
// sides alike as far as there are messages, or on one side alone.
func (p HistoryPart) choose(rows []messagePlace, at int64) (from, to int) {
	for from < len(rows) && rows[from].Seq < at {
		from++
	}
	to = from
	older, newer := p.After == nil, p.After != nil || p.Around > 0
	for size, next := int64(0), newer; to-from < p.Limit; next = !next {
		canOlder, canNewer := older && from > 0, newer && to < len(rows)
		var r *messagePlace
		switch {
		case canNewer && (next || !canOlder):
			r = &rows[to]
		case canOlder:
			r = &rows[from-1]
		default:
			return from, to
		}
		if size += r.Size; size > p.Bytes && to > from {
			return from, to
		}
		if r.Seq >= at {
			to++
		} else {
			from--
		}
	}
	return from, to
}

// SeqOf returns the seq of a message of a room.
func (q Queries) SeqOf(ctx context.Context, roomID, messageID string) (seq int64, err error) {
	ctx = q.boundText(ctx, messageID, roomID)
	return seq, translate(q.db.NewRaw("SELECT seq FROM messages WHERE id = $1 AND room_id = $2").Scan(ctx, &seq))
}

// SeqAt returns the seq of the first message of a room that was said at a time or later. If
// there is none it is a seq that no message has yet.
//
// Messages are numbered in the order of their commits, so their times rise too, but for what
// the clocks of several nodes differ. So a binary search over the index of the seqs finds it.
func (q Queries) SeqAt(ctx context.Context, roomID string, at time.Time) (seq int64, err error) {
	const late = "COALESCE((SELECT m.created_at FROM messages AS m WHERE m.room_id = $1 AND m.seq >= (lo + hi) / 2 ORDER BY m.seq LIMIT 1) >= $2, TRUE)"
	ctx = q.boundText(ctx, roomID, at)
	err = q.db.NewRaw("WITH RECURSIVE search(lo, hi) AS (SELECT CAST(1 AS BIGINT), event_seq + 1 FROM rooms WHERE id = $1 UNION ALL"+
		" SELECT CASE WHEN "+late+" THEN lo ELSE (lo + hi) / 2 + 1 END, CASE WHEN "+late+" THEN (lo + hi) / 2 ELSE hi END FROM search WHERE lo < hi)"+
		" SELECT lo FROM search WHERE lo >= hi LIMIT 1").Scan(ctx, &seq)
	return seq, translate(err)
}
