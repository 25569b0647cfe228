package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"

	"github.com/coagent-studio/coagent/store/words"
)

// MessageSearch says which messages to find: those that have each of Phrases and none of
// Without, and so with the rest. Facts are those of package words. Each of the Senders is a
// list of facts that a message of theirs has.
type MessageSearch struct {
	Phrases, Without    []words.Phrase
	Facts, WithoutFacts []string
	Senders, NotSenders [][]string
	RoomIDs, NotRoomIDs []string
	CourseID            string // "" for all
	From, Until         time.Time
	Below               SearchPlace // only messages behind this one in the list
	Now                 time.Time
	Chars               int // how much of each text to return
	Limit               int
}

// SearchPlace is where a message stands in the list of those that are found, which is the
// order of time.
type SearchPlace struct {
	Pos int64
	ID  string
}

// FoundMessage is a message that a search has found.
type FoundMessage struct {
	Found
	SearchPos int64
}

// Place is where the message stands in the list.
func (f *FoundMessage) Place() SearchPlace { return SearchPlace{f.SearchPos, f.MessageID} }

// posSlack is how far behind its time a message can have its place: on SQLite each place
// is taken once, and many messages may have the same time.
const posSlack = int64(time.Hour/time.Millisecond) << 4

// futureSlack is how far ahead the clock of another node may be.
const futureSlack = 24 * time.Hour

// FindMessages lists the messages that a search finds, newest first. It finds only what
// the reader may read now: neither deleted nor hidden messages, nor those of threads.
func (q Queries) FindMessages(ctx context.Context, who Reader, s MessageSearch) ([]FoundMessage, error) {
	from, until := int64(0), words.PosOf(s.Now.Add(futureSlack))
	if !s.From.IsZero() {
		from = words.PosOf(s.From)
	}
	if !s.Until.IsZero() {
		until = min(until, words.PosOf(s.Until)+posSlack)
	}
	if s.Below.ID != "" {
		until = min(until, s.Below.Pos+1)
	}
	find := q.findInFTS5
	if q.postgres() {
		find = q.findInVectors
	}
	var rows []FoundMessage
	err := find(who, s, from, until).Scan(ctx, &rows)
	return rows, translate(err)
}

// groups are lists of alternatives, each a list of facts: a message has one alternative of
// each list in with, and none of those in without.
func (s *MessageSearch) groups() (with [][][]string, without [][]string) {
	for _, fact := range s.Facts {
		with = append(with, [][]string{{fact}})
	}
	if len(s.Senders) > 0 {
		with = append(with, s.Senders)
	}
	if s.CourseID != "" {
		with = append(with, [][]string{{words.FactCourse(s.CourseID)}})
	}
	if len(s.RoomIDs) > 0 {
		with = append(with, factsOfRooms(s.RoomIDs))
	}
	for _, fact := range s.WithoutFacts {
		without = append(without, []string{fact})
	}
	return with, append(append(without, s.NotSenders...), factsOfRooms(s.NotRoomIDs)...)
}

func factsOfRooms(ids []string) (alternatives [][]string) {
	for _, id := range ids {
		alternatives = append(alternatives, []string{words.FactRoom(id)})
	}
	return alternatives
}

// expression joins everything that is looked for, in the language of an index. A search
// for nothing but exclusions finds all other messages.
func (s *MessageSearch) expression(phrase func(words.Phrase) string, facts func(alternatives [][]string) string, and, or string) (with, without string) {
	groups, none := s.groups()
	var all, not []string
	for _, p := range s.Phrases {
		all = append(all, "("+phrase(p)+")")
	}
	for _, g := range groups {
		all = append(all, facts(g))
	}
	if len(all) == 0 {
		all = []string{facts([][]string{{words.FactPerson}, {words.FactAgent}, {words.FactBot}})}
	}
	for _, p := range s.Without {
		not = append(not, "("+phrase(p)+")")
	}
	if len(none) > 0 {
		not = append(not, facts(none))
	}
	return "(" + strings.Join(all, and) + ")", strings.Join(not, or)
}

// fts5 is the search as an expression of FTS5. All words in it are of package words, which
// leaves no sign in them.
func (s *MessageSearch) fts5() string {
	with, without := s.expression(words.Phrase.FTS5, func(alternatives [][]string) string {
		return "(facts : (" + joined(alternatives, `"`, `" AND "`, ") OR (") + "))"
	}, " AND ", " OR ")
	if without == "" {
		return with
	}
	return "(" + with + " NOT (" + without + "))"
}

// tsquery is the search as the text form of a tsquery.
func (s *MessageSearch) tsquery() string {
	with, without := s.expression(words.Phrase.TSQuery, func(alternatives [][]string) string {
		return "(" + joined(alternatives, "'", "' & '", ") | (", words.Mark) + ")"
	}, " & ", " | ")
	if without == "" {
		return with
	}
	return with + " & !(" + without + ")"
}

// joined writes alternatives of facts that belong together.
func joined(alternatives [][]string, quote, and, or string, form ...func(string) string) string {
	parts := make([]string, len(alternatives))
	for i, facts := range alternatives {
		texts := slices.Clone(facts)
		for _, f := range form {
			for k := range texts {
				texts[k] = f(texts[k])
			}
		}
		parts[i] = quote + strings.Join(texts, and) + quote
	}
	return "(" + strings.Join(parts, or) + ")"
}

// where adds what holds for a message of a room, beside its words.
func (s *MessageSearch) where(sel *bun.SelectQuery) *bun.SelectQuery {
	sel = sel.Where("m.deleted_at IS NULL").Where("m.hidden_at IS NULL")
	if len(s.RoomIDs) > 0 {
		sel = sel.Where("m.room_id IN (?)", bun.List(s.RoomIDs))
	}
	if s.CourseID != "" {
		sel = sel.Where("m.room_id IN (SELECT id FROM rooms WHERE course_id = ?)", s.CourseID)
	}
	if !s.From.IsZero() {
		sel = sel.Where("m.created_at >= ?", s.From)
	}
	if !s.Until.IsZero() {
		sel = sel.Where("m.created_at < ?", s.Until)
	}
	return sel
}

// details adds what is returned of a message that was found.
func (s *MessageSearch) details(sel *bun.SelectQuery) *bun.SelectQuery {
	return sel.ColumnExpr("m.search_pos").OrderExpr("m.search_pos DESC, m.id DESC").Limit(int64(s.Limit))
}

// scope lists the facts of the rooms that a reader may read, in the rights of now. Each has
// a sign in front.
func scope(who Reader, sign string) schema.QueryWithArgs {
	return bun.SafeQuery("SELECT ?0 || 'c' || replace(id, '-', '') AS fact FROM courses WHERE owner_id = ?1"+
		" UNION SELECT ?0 || 'c' || replace(course_id, '-', '') FROM course_members WHERE user_id = ?1"+
		" UNION SELECT ?0 || 'r' || replace(room_id, '-', '') FROM room_members WHERE user_id = ?1", sign, who.UserID)
}

// findInFTS5 reads the index of SQLite, which lists what it finds in the order of places.
func (q Queries) findInFTS5(who Reader, s MessageSearch, from, until int64) *bun.SelectQuery {
	match := bun.SafeQuery("?", s.fts5())
	if !who.Admin {
		match = bun.SafeQuery("? || ' AND facts : (' || (SELECT COALESCE(group_concat(fact, ' OR '), 'none') FROM (?)) || ')'", s.fts5(), scope(who, ""))
	}
	sel := q.readable(who, s.Chars, "message_words AS f CROSS JOIN messages AS m ON m.search_pos = f.rowid").
		Where("f.message_words MATCH ?", match).Where("f.rowid >= ?", from).Where("f.rowid < ?", until)
	if s.Below.ID != "" {
		sel = sel.Where("f.rowid < ?", s.Below.Pos)
	}
	sel = s.where(sel).ColumnExpr("m.search_pos")
	return sel.OrderExpr("f.rowid DESC").Limit(int64(s.Limit))
}

// findInVectors reads the index of Postgres, which has no order, span after span of time
// until it has enough.
func (q Queries) findInVectors(who Reader, s MessageSearch, from, until int64) *bun.SelectQuery {
	terms := bun.SafeQuery("?::tsquery", s.tsquery())
	if !who.Admin {
		terms = bun.SafeQuery("?::tsquery && (SELECT COALESCE(string_agg(fact, ' | '), '''/none''')::tsquery FROM (?) AS scope)", s.tsquery(), q.vectorScope(who))
	}
	hits := q.db.NewSelect().TableExpr("messages AS m").ColumnExpr("m.id, m.search_pos").
		Where("m.words @@ CASE span.mark WHEN '' THEN terms.q ELSE terms.q && span.mark::tsquery END").
		Where("m.search_pos >= ?", from).Where("m.search_pos < span.until").
		OrderExpr("m.search_pos DESC, m.id DESC").Limit(int64(s.Limit))
	if s.Below.ID != "" {
		hits = hits.Where("(m.search_pos, m.id) < (?, ?)", s.Below.Pos, s.Below.ID)
	}
	if !who.Admin {
		hits = hits.Where("m.room_id IN (SELECT id FROM mine)")
	}
	var marks []string
	var ends []int64
	for _, span := range words.SpansBefore(from, until) {
		mark := ""
		if len(span.Marks) > 0 {
			mark = "'" + strings.Join(span.Marks, "' | '") + "'"
		}
		marks, ends = append(marks, mark), append(ends, span.Until)
	}
	spans := bun.SafeQuery("unnest(ARRAY[?]::text[], ARRAY[?]::bigint[]) AS span(mark, until)", bun.List(marks), bun.List(ends))
	all := q.db.NewSelect().TableExpr("?", spans).Join("CROSS JOIN terms").Join("CROSS JOIN LATERAL (?) AS found", s.where(hits)).
		ColumnExpr("found.id").Limit(int64(s.Limit))
	sel := q.readable(who, s.Chars, "found JOIN messages AS m ON m.id = found.id")
	if !who.Admin {
		sel = sel.With("mine", q.roomsOf(who))
	}
	return s.details(sel.With("terms", q.db.NewSelect().ColumnExpr("? AS q", terms)).With("found", all))
}

// vectorScope is scope with the facts as lexemes.
func (q Queries) vectorScope(who Reader) *bun.SelectQuery {
	return q.db.NewSelect().TableExpr("(?) AS facts", scope(who, "/")).ColumnExpr("'''' || fact || '''' AS fact")
}

// roomsOf selects the rooms that a reader who is no admin may read.
func (q Queries) roomsOf(who Reader) *bun.SelectQuery {
	return q.db.NewSelect().TableExpr("rooms AS r").Column("r.id").Join("JOIN courses AS c ON c.id = r.course_id").Where(mayRead, who.UserID)
}
