package store

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/uptrace/bun"

	"github.com/coagent-studio/coagent/store/words"
)

// This file puts messages into the index in which FindMessages looks. On SQLite triggers do
// so, see search_functions.go, for each message that has a SearchPos. On Postgres the column
// words is written with the message.

// placeFree is the first free place in time from $23 on. FTS5 finds rows by it, so each is
// taken once. With one for each 1/16 ms the first one is nearly always free, and then no
// other row is read, however many are behind it.
const placeFree = `CASE WHEN EXISTS (SELECT 1 FROM messages AS taken WHERE taken.search_pos = $23)
	THEN (SELECT p.search_pos + 1 FROM messages AS p
		WHERE p.search_pos >= $23 AND NOT EXISTS (SELECT 1 FROM messages AS next WHERE next.search_pos = p.search_pos + 1)
		ORDER BY p.search_pos LIMIT 1)
	ELSE $23 END`

// courseMark is the lexeme of a room's course, on Postgres.
const courseMark = "array_to_tsvector(ARRAY['/c' || replace(course_id, '-', '')])"

// vector is the text form of what Postgres stores in words, without the course, and with
// further lexemes.
func (m *Message) vector(marks ...string) string {
	marks = append(marks, words.Spans(words.PosOf(m.CreatedAt))...)
	for _, fact := range words.Facts(m.about()) {
		marks = append(marks, words.Mark(fact))
	}
	return words.VectorOf(m.Content, marks...)
}

// findable lets an update of a message change what is found of it: nothing while it is
// deleted or hidden.
func (t *Tx) findable(update *bun.UpdateQuery, m *Message) *bun.UpdateQuery {
	switch {
	case t.PG == nil:
		return update // triggers do it
	case m.State() != MessageShown:
		return update.Set("words = NULL")
	}
	return update.Set("words = CASE WHEN m.search_pos IS NULL THEN NULL ELSE ?::tsvector || (SELECT ? FROM rooms WHERE id = m.room_id) END",
		m.vector(), bun.Safe(courseMark))
}

// about is what facts of a message are made of, without its course.
func (m *Message) about() words.About {
	return words.About{RoomID: m.RoomID, SenderID: m.SenderID, AgentID: m.AgentID, AgentName: m.AgentName, BotName: m.BotName,
		Agent: m.ByAgent(), Mentions: m.Mentions != "", Reply: m.RootID != "", File: m.Files != "", Text: m.Content}
}

// Backfill says how many of the messages from before there was a search can be found.
type Backfill struct {
	Total, Done int64
}

// backfill is what is stored of it. Before is the oldest message that was looked at.
type backfill struct {
	Backfill
	Before string
}

const backfillKey = "search_backfill"

// SearchBackfill returns how far the index is; nil when all messages are in it.
func (q Queries) SearchBackfill(ctx context.Context) (*Backfill, error) {
	b, err := q.searchBackfill(ctx)
	if errors.Is(err, ErrNotFound) {
		return nil, nil //nolint:nilnil // nothing is left to do
	}
	return &b.Backfill, err
}

func (q Queries) searchBackfill(ctx context.Context) (b backfill, err error) {
	text, err := q.Setting(ctx, backfillKey)
	if err != nil {
		return b, err
	}
	return b, json.Unmarshal([]byte(text), &b)
}

// IndexMessages puts messages from before there was a search into the index, the newest
// first, limit at most. done says that none is left. What has changed since, has a place
// or is gone is left out, so it is safe to do this twice.
func (t *Tx) IndexMessages(ctx context.Context, limit int) (done bool, err error) {
	b, err := t.searchBackfill(ctx)
	if errors.Is(err, ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	var rows []Message
	sel := t.db.NewSelect().Model(&rows).Join("JOIN rooms AS r ON r.id = m.room_id").Where("r.course_id IS NOT NULL").OrderExpr("m.id DESC").Limit(int64(limit))
	if b.Before != "" {
		sel = sel.Where("m.id < ?", b.Before)
	}
	if t.PG != nil {
		sel = sel.For("UPDATE OF m") // no change of them comes between
	}
	if err := sel.Scan(ctx); err != nil {
		return false, translate(err)
	}
	if len(rows) == 0 {
		return true, t.DeleteSetting(ctx, backfillKey)
	}
	for i := range rows {
		if err := t.index(ctx, &rows[i]); err != nil {
			return false, err
		}
	}
	b.Before, b.Done = rows[len(rows)-1].ID, min(b.Done+int64(len(rows)), b.Total)
	return false, t.SetSetting(ctx, backfillKey, string(ToJSON(b)))
}

// index gives a message a place, if it has none.
func (t *Tx) index(ctx context.Context, m *Message) error {
	if m.SearchPos != 0 {
		return nil
	}
	pos := words.PosOf(m.CreatedAt)
	if t.PG == nil {
		_, err := t.db.ExecContext(t.boundText(ctx, m.ID, pos), "UPDATE messages SET search_pos = "+strings.ReplaceAll(placeFree, "$23", "$2")+" WHERE id = $1")
		return translate(err)
	}
	update := t.db.NewUpdate().Model(m).Set("search_pos = ?", pos).Where("m.id = ?", m.ID)
	if m.State() == MessageShown {
		update = update.Set("words = ?::tsvector || (SELECT ? FROM rooms WHERE id = m.room_id)", m.vector(), bun.Safe(courseMark))
	}
	_, err := update.Exec(ctx)
	return translate(err)
}
