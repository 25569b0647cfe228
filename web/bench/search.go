//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/words"
)

// The school whose messages are searched: 500 rooms, half a lifetime of a school in a year.
const (
	searchUsers   = 2_000
	searchRooms   = 500
	searchMine    = 6  // rooms of the student who searches
	searchQueries = 40 // of each kind in a round
	searchBatch   = 5_000
)

// benchSearch looks for words in messages, as an admin who may read all of them and as a
// student in six rooms.
func benchSearch(l *lab) error {
	for _, kind := range l.databases() {
		if err := l.search(kind); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) search(kind string) (err error) {
	d, err := l.database(kind)
	if err != nil {
		return err
	}
	language := newLanguage()
	people := map[string]person{}
	if err := d.with(l.ctx, func(db *store.DB) error {
		if err := (school{users: searchUsers, rooms: searchRooms}).fill(l.ctx, db); err != nil {
			return err
		}
		if err := db.InTx(l.ctx, func(tx *store.Tx) error { return searchPeople(l.ctx, tx, people) }); err != nil {
			return err
		}
		return language.fill(l.ctx, db, l.rows)
	}); err != nil {
		return err
	}
	p, err := l.spawn(roleCoagent, d.site())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	for _, who := range []string{"an admin", "a student in 6 rooms"} {
		client, err := dialHTTP(l.ctx, p.addr, people[who])
		if err != nil {
			return err
		}
		for _, k := range language.kinds() {
			if err := l.searchKind(p, client, kind, who, k); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *lab) searchKind(p *process, client *httpClient, db, who string, k searchOf) error {
	f := &figure{name: fmt.Sprintf("search by %s, %s, p95", who, k.name), db: db, unit: "ms", aim: aim{valueAtMost, 50}}
	var all []time.Duration
	found := 0
	for round := range l.rounds + 1 {
		before, err := p.usage()
		if err != nil {
			return err
		}
		var took []time.Duration
		for i := range searchQueries {
			start := time.Now()
			text, err := client.do(http.MethodGet, "/api/v1/search?"+k.query(i).Encode(), "", http.StatusOK)
			if err != nil {
				return err
			}
			took = append(took, time.Since(start))
			if strings.Contains(string(text), "message_id") {
				found++
			}
		}
		after, err := p.usage()
		if err != nil {
			return err
		}
		if round > 0 { // the first warms up
			f.got, f.cpu = append(f.got, milliseconds(quantile(took, 0.95))), append(f.cpu, (after.CPU-before.CPU)/searchQueries)
			all = append(all, took...)
		}
	}
	f.note = fmt.Sprintf("among %d messages, p50 %.1f ms, %d%% found something", l.rows, milliseconds(median(all)), 100*found/(searchQueries*(l.rounds+1)))
	l.table.add(f)
	return nil
}

func searchPeople(ctx context.Context, tx *store.Tx, people map[string]person) error {
	admin, err := newPerson(ctx, tx, app.RoleAdmin, "Admin")
	if err != nil {
		return err
	}
	student, err := newPerson(ctx, tx, app.RoleStudent, "Student")
	people["an admin"], people["a student in 6 rooms"] = admin, student
	for i := range searchMine {
		_, added := tx.AddRoomMember(ctx, &store.RoomMember{RoomID: fmt.Sprintf("r%032x", 1+i*searchRooms/searchMine), UserID: student.id, CreatedAt: time.Now().UTC()})
		err = errors.Join(err, added)
	}
	return err
}

// language makes texts in which few words are in most messages and most words in few, of
// an invented language with blanks and one of Chinese letters.
type language struct {
	rnd     *rand.Rand
	latin   []string
	letters []rune
	pairs   []string
	byRank  *rand.Zipf
	letter  *rand.Zipf
	pair    *rand.Zipf
}

func newLanguage() *language {
	rnd := rand.New(rand.NewPCG(14, 6))
	g := &language{rnd: rnd, latin: strings.Fields("the of and to in is that it for we students because")}
	syllables := strings.Fields("ka the st ing re mo lin per tor an sol vi qu est bra den lu mar pi os")
	seen := map[string]bool{}
	for len(g.latin) < 30_000 {
		var b strings.Builder
		for range 1 + rnd.IntN(4) {
			b.WriteString(syllables[rnd.IntN(len(syllables))])
		}
		if len(g.latin) > 10_000 {
			fmt.Fprint(&b, rnd.IntN(100_000))
		}
		if !seen[b.String()] {
			seen[b.String()] = true
			g.latin = append(g.latin, b.String())
		}
	}
	for r := rune(0x4e00); len(g.letters) < 4_000; r++ {
		g.letters = append(g.letters, r)
	}
	g.byRank, g.letter = rand.NewZipf(rnd, 1.07, 4, uint64(len(g.latin)-1)), rand.NewZipf(rnd, 1.05, 20, uint64(len(g.letters)-1))
	for range 30_000 {
		g.pairs = append(g.pairs, string(g.letters[g.letter.Uint64()])+string(g.letters[g.letter.Uint64()]))
	}
	g.pair = rand.NewZipf(rnd, 1.07, 4, uint64(len(g.pairs)-1))
	return g
}

// text is a message of 4 to 20 words, or of 3 to 30 letters.
func (g *language) text() string {
	var b strings.Builder
	if g.rnd.IntN(10) < 6 {
		for range 4 + g.rnd.IntN(16) {
			b.WriteString(g.latin[g.byRank.Uint64()])
			b.WriteByte(' ')
		}
		return b.String()
	}
	for range 3 + g.rnd.IntN(14) {
		if g.rnd.IntN(4) == 0 {
			b.WriteRune(g.letters[g.letter.Uint64()])
		} else {
			b.WriteString(g.pairs[g.pair.Uint64()])
		}
	}
	return b.String()
}

// searchOf is a kind of search.
type searchOf struct {
	name  string
	query func(i int) url.Values
}

func (g *language) kinds() []searchOf {
	q := func(text func(i int) string, more ...string) func(i int) url.Values {
		return func(i int) url.Values {
			v := url.Values{"q": {text(i)}}
			for k := 0; k+1 < len(more); k += 2 {
				v.Set(more[k], more[k+1])
			}
			return v
		}
	}
	word := func(from, step int) func(i int) string {
		return func(i int) string { return g.latin[from+i*step] + " " }
	}
	part := func(from, n int) func(i int) string {
		return func(i int) string { w := g.latin[from+i]; return w[:min(n, len(w))] }
	}
	two := func(i int) string { return g.latin[i] + " " + g.latin[100+7*i] + " " }
	return []searchOf{
		{"a common word", q(word(0, 1))},
		{"a word in one of some hundred messages", q(word(100, 10))},
		{"a rare word", q(word(9_000, 25))},
		{"two letters of a word", q(part(0, 2))},
		{"five letters of a word", q(part(10, 5))},
		{"two words", q(two)},
		{"a phrase", q(func(i int) string { return `"` + g.latin[i] + " " + g.latin[i+1] + `"` })},
		{"without a common word", q(func(i int) string { return g.latin[200+i] + " -the " })},
		{"one Chinese letter", q(func(i int) string { return string(g.letters[i*10]) })},
		{"two Chinese letters", q(func(i int) string { return g.pairs[i*20] })},
		{"four Chinese letters", q(func(i int) string { return g.pairs[i] + g.pairs[i+1] })},
		{"a common word of half a year ago", q(func(i int) string {
			return g.latin[i] + " before:" + time.Now().AddDate(0, -6, 0).Format(time.DateOnly) + " "
		})},
		{"a common word in some rooms by their name", q(func(i int) string { return g.latin[i] + ` in:"Room 1" ` })},
		{"the best of a common word", q(word(0, 1), "sort", "best")},
	}
}

// fill spreads messages over the rooms and over a year, in the order of time, as the store
// writes them.
func (g *language) fill(ctx context.Context, db *store.DB, n int) error {
	began := time.Now().UTC().AddDate(-1, 0, 0)
	step := 365 * 24 * time.Hour / time.Duration(n)
	seqs := make([]int64, searchRooms)
	write := g.fillLite
	if db.Postgres() {
		write = g.fillPostgres
		// An index that is made at once, as by a restore, takes a tenth of the time.
		if _, err := db.Pool().Exec(ctx, "DROP INDEX messages_words"); err != nil {
			return err
		}
	}
	for from := 0; from < n; from += searchBatch {
		batch := make([]store.Message, min(searchBatch, n-from))
		for i := range batch {
			room, at := g.rnd.IntN(searchRooms), began.Add(time.Duration(from+i)*step).Truncate(time.Microsecond)
			seqs[room]++
			batch[i] = store.Message{ID: fmt.Sprintf("00000000-0000-7000-8000-%012x", from+i), RoomID: fmt.Sprintf("r%032x", room+1), Seq: seqs[room],
				SenderID: fmt.Sprintf("u%032x", g.rnd.IntN(searchUsers)+1), Content: g.text(), CreatedAt: at, SearchPos: words.PosOf(at) + int64(i%16)}
		}
		if err := write(ctx, db, batch); err != nil {
			return err
		}
	}
	for room, seq := range seqs {
		if _, err := db.Writer().ExecContext(ctx, fmt.Sprintf("UPDATE rooms SET event_seq = %d, looked_seq = %d WHERE id = 'r%032x'", seq, seq, room+1)); err != nil {
			return err
		}
	}
	if db.Postgres() {
		for _, sql := range []string{
			"SET maintenance_work_mem = '1GB'; CREATE INDEX messages_words ON messages USING gin (words) WITH (fastupdate = off)", "VACUUM ANALYZE",
		} {
			if _, err := db.Pool().Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
				return err
			}
		}
		return nil
	}
	_, err := db.Writer().ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	return err
}

// fillLite writes rows; triggers put them into the index.
func (g *language) fillLite(ctx context.Context, db *store.DB, batch []store.Message) error {
	tx, err := db.Writer().BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing after a commit
	for _, m := range batch {
		if _, err := tx.ExecContext(ctx, "INSERT INTO messages (id, room_id, seq, sender_id, content, created_at, search_pos) VALUES (?, ?, ?, ?, ?, ?, ?)",
			m.ID, m.RoomID, m.Seq, m.SenderID, m.Content, m.CreatedAt.Format("2006-01-02 15:04:05.999999-07:00"), m.SearchPos); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// fillPostgres copies rows into a table from which they are read as they should be.
func (g *language) fillPostgres(ctx context.Context, db *store.DB, batch []store.Message) error {
	return pgx.BeginFunc(ctx, db.Pool(), func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "CREATE TEMP TABLE said (id TEXT, room_id TEXT, seq BIGINT, sender_id TEXT, content TEXT, created_at TIMESTAMPTZ, pos BIGINT, words TEXT)"+
			" ON COMMIT DROP"); err != nil {
			return err
		}
		rows := pgx.CopyFromSlice(len(batch), func(i int) ([]any, error) {
			m := &batch[i]
			room := 0
			if _, err := fmt.Sscanf(m.RoomID, "r%x", &room); err != nil {
				return nil, err
			}
			marks := words.Spans(m.SearchPos)
			for _, fact := range words.Facts(words.About{RoomID: m.RoomID, CourseID: fmt.Sprintf("c%032x", (room-1)/10+1), SenderID: m.SenderID, Text: m.Content}) {
				marks = append(marks, words.Mark(fact))
			}
			return []any{m.ID, m.RoomID, m.Seq, m.SenderID, m.Content, m.CreatedAt, m.SearchPos, words.VectorOf(m.Content, marks...)}, nil
		})
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{"said"}, []string{"id", "room_id", "seq", "sender_id", "content", "created_at", "pos", "words"}, rows); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "INSERT INTO messages (id, room_id, seq, sender_id, content, created_at, search_pos, words)"+
			" SELECT id, room_id, seq, sender_id, content, created_at, pos, words::tsvector FROM said")
		return err
	})
}
