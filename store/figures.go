package store

import (
	"context"
	"time"
	"unicode"

	"github.com/uptrace/bun"
)

// This file has the figures of courses: who says how much in which room on which day. Each
// message has its number of words and its day. Triggers of the database add them up in
// talk_days, in the transaction that stores, changes, hides or deletes the message.

// CountDaysIn sets the zone in which the days of figures begin. Set it before the first
// transaction. Messages that were counted in another zone keep their day.
func (d *DB) CountDaysIn(zone *time.Location) { d.zone = zone }

// count gives a message its words and its day.
func (t *Tx) count(m *Message) {
	words := CountWords(m.Content)
	m.WordCount = &words
	if m.Day == "" {
		m.Day = t.owner.dayOf(m.CreatedAt)
	}
}

func (d *DB) dayOf(at time.Time) string {
	if d.zone != nil {
		at = at.In(d.zone)
	}
	return at.Format(time.DateOnly)
}

// CountWords counts the words of a text: each Chinese character and each kana is one, and so
// is each run of other letters, marks and digits. An apostrophe, a hyphen or a dot within a
// run does not end it, for example in "don't" and "3.14".
func CountWords(text string) int {
	words, within, joint := 0, false, false
	for _, r := range text {
		switch {
		case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana):
			words++
			within, joint = false, false
		case unicode.In(r, unicode.L, unicode.Nd, unicode.Nl) || within && unicode.Is(unicode.M, r):
			if !within && !joint {
				words++
			}
			within, joint = true, false
		default:
			joint = within && (r == '\'' || r == '’' || r == '-' || r == '.')
			within = false
		}
	}
	return words
}

// CountTalk counts messages of one room from before there were figures, at most limit. done
// says that none is left anywhere. It may be interrupted: the next call goes on. It locks the
// room first, as everybody does who changes a message.
func (t *Tx) CountTalk(ctx context.Context, limit int) (done bool, err error) {
	var rooms []string
	err = t.db.NewSelect().Model((*Message)(nil)).Column("m.room_id").Where("m.day IS NULL").OrderExpr("m.room_id").Limit(1).Scan(ctx, &rooms)
	if err != nil || len(rooms) == 0 {
		return err == nil, translate(err)
	}
	if _, err := t.RoomForUpdate(ctx, rooms[0]); err != nil {
		return false, err
	}
	var rows []Message
	err = t.locked(t.db.NewSelect().Model(&rows).Column("m.id", "m.content", "m.created_at").Where("m.room_id = ?", rooms[0]).
		Where("m.day IS NULL").OrderExpr("m.id").Limit(int64(limit))).Scan(ctx)
	if err != nil || len(rows) == 0 {
		return false, translate(err)
	}
	counted := make([]countedMessage, len(rows))
	for i := range rows {
		counted[i] = countedMessage{ID: rows[i].ID, WordCount: CountWords(rows[i].Content), Day: t.owner.dayOf(rows[i].CreatedAt)}
	}
	_, err = t.db.NewUpdate().With("c", t.db.NewValues(&counted)).Model((*Message)(nil)).TableExpr("c").
		Set("word_count = c.word_count").Set("day = c.day").Where("m.id = c.id").Exec(ctx)
	return false, translate(err)
}

// countedMessage is what CountTalk finds about a message.
type countedMessage struct {
	bun.BaseModel `bun:"alias:c"`
	ID            string
	WordCount     int
	Day           string
}

// TalkBackfill says that messages from before there were figures are still to be counted;
// nil when all are. It does not say how many.
func (q Queries) TalkBackfill(ctx context.Context) (*Backfill, error) {
	var ids []string
	err := q.db.NewSelect().Model((*Message)(nil)).Column("m.id").Where("m.day IS NULL").Limit(1).Scan(ctx, &ids)
	if err != nil || len(ids) == 0 {
		return nil, translate(err)
	}
	return new(Backfill), nil
}

// TalkDay is how much somebody said in a room on a day. Who is the id of a person or a bot, or
// the name of an agent. Triggers of the database write it.
type TalkDay struct {
	bun.BaseModel `bun:"table:talk_days,alias:td"`
	RoomID        string `bun:",pk"`
	Day           string `bun:",pk"`
	Kind          string `bun:",pk"`
	Who           string `bun:",pk"`
	Messages      int64
	Words         int64
}

// The kinds of those who speak.
const (
	SpeakerPerson = "person"
	SpeakerBot    = "bot"
	SpeakerAgent  = "agent"
)

// TalkQuery says which talk to sum up: of the rooms of a course, or of one of them, from a
// day to a day, both of them included.
type TalkQuery struct {
	CourseID, RoomID, From, To string
}

// TalkSum is how much was said by somebody, on a day or in a room. The members that it is
// not summed by are empty.
type TalkSum struct {
	RoomID, Day, Kind, Who string
	Name                   string // of the person, the bot, the agent or the room
	Messages, Words        int64
	Days                   int64  // on how many days
	LastDay                string // the last of them
}

// talk selects how much was said, in messages and words, by what and day. Accounts that are
// gone are one.
func (q Queries) talk(of TalkQuery, what ...string) *bun.SelectQuery {
	sel := q.db.NewSelect().TableExpr("talk_days AS td").Join("JOIN rooms AS r ON r.id = td.room_id").
		Join("LEFT JOIN users AS u ON u.id = td.who AND td.kind <> ?", SpeakerAgent).
		Where("r.course_id = ?", of.CourseID).Where("td.day >= ?", of.From).Where("td.day <= ?", of.To).
		ColumnExpr("td.day AS day").ColumnExpr("sum(td.messages) AS messages").ColumnExpr("sum(td.words) AS words").
		GroupExpr("td.day").Having("sum(td.messages) > 0")
	if of.RoomID != "" {
		sel = sel.Where("td.room_id = ?", of.RoomID)
	}
	for _, name := range what {
		sel = sel.ColumnExpr("? AS ?", bun.Safe(talkColumns[name]), bun.Ident(name)).GroupExpr("?", bun.Safe(talkColumns[name]))
	}
	return sel
}

var talkColumns = map[string]string{"room_id": "td.room_id", "kind": "td.kind", "who": "CASE WHEN td.kind = 'agent' THEN td.who ELSE COALESCE(u.id, '') END"}

// The ways to sum talk.
const (
	TalkByDay     = "day"
	TalkByRoom    = "room"
	TalkBySpeaker = "speaker"
)

// TalkBy sums talk, limit rows at most: speakers and rooms with the most words first, days in
// their order.
func (q Queries) TalkBy(ctx context.Context, of TalkQuery, by string, limit int) ([]TalkSum, error) {
	sel := q.db.NewSelect().ColumnExpr("CAST(sum(d.messages) AS BIGINT) AS messages").ColumnExpr("CAST(sum(d.words) AS BIGINT) AS words").
		ColumnExpr("count(d.day) AS days").ColumnExpr("max(d.day) AS last_day")
	switch by {
	case TalkByDay:
		sel = sel.TableExpr("(?) AS d", q.talk(of)).ColumnExpr("d.day AS day").GroupExpr("d.day").OrderExpr("d.day")
	case TalkByRoom:
		sel = sel.TableExpr("(?) AS d", q.talk(of, "room_id")).Join("JOIN rooms AS r ON r.id = d.room_id").
			ColumnExpr("d.room_id AS room_id").ColumnExpr("r.name AS name").GroupExpr("d.room_id, r.name").
			OrderExpr("words DESC, messages DESC, d.room_id")
	default:
		sel = sel.TableExpr("(?) AS d", q.talk(of, "kind", "who")).Join("LEFT JOIN users AS u ON u.id = d.who AND d.kind <> ?", SpeakerAgent).
			ColumnExpr("d.kind AS kind").ColumnExpr("d.who AS who").
			ColumnExpr("COALESCE(max(NULLIF(u.full_name, '')), max(u.username), max(u.email), CASE WHEN d.kind = 'agent' THEN d.who ELSE '' END) AS name").
			GroupExpr("d.kind, d.who").OrderExpr("words DESC, messages DESC, d.kind, d.who")
	}
	var rows []TalkSum
	err := sel.Limit(int64(limit)).Scan(ctx, &rows)
	return rows, translate(err)
}

// SilentMembers lists the people of a course who said nothing in what a query selects, in the
// order in which they came, limit at most.
func (q Queries) SilentMembers(ctx context.Context, of TalkQuery, limit int) ([]CourseMember, error) {
	spoke := q.db.NewSelect().TableExpr("talk_days AS td").Join("JOIN rooms AS r ON r.id = td.room_id").ColumnExpr("td.who").
		Where("r.course_id = ?", of.CourseID).Where("td.day >= ?", of.From).Where("td.day <= ?", of.To).
		Where("td.kind = ?", SpeakerPerson).GroupExpr("td.who").Having("sum(td.messages) > 0")
	if of.RoomID != "" {
		spoke = spoke.Where("td.room_id = ?", of.RoomID)
	}
	var rows []CourseMember
	err := q.db.NewSelect().Model(&rows).Relation("User", nameOnly).Where("cm.course_id = ?", of.CourseID).
		Where("cm.user_id NOT IN (?)", spoke).Where("? <> ?", bun.Ident("user.kind"), KindBot).
		OrderExpr("cm.created_at, cm.user_id").Limit(int64(limit)).Scan(ctx)
	return rows, translate(err)
}
