package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/uptrace/bun"

	"github.com/coagent-studio/coagent/store/words"
)

// A load of many messages goes without the indexes, references and triggers of their table:
// it is several times as fast to make them at the end. What they would do, LoadMessages does
// for a batch at once. putAwayTable keeps the statements that make them again, so the next
// run after a kill knows them. It begins with the name of unfinishedTable, so no backup has it.
const putAwayTable = unfinishedTable + "_put_away"

// Kept while messages are loaded: LoadMessages looks for free places by it.
const searchPosIndex = "messages_search_pos"

// BeginLoadMessages takes away what makes the load of many messages slow. Call it for a
// database that BeginLoad has marked, in each run.
func (d *DB) BeginLoadMessages(ctx context.Context) error {
	if !d.Postgres() {
		// More pages in memory, so that the random order of ids does not read the file.
		if _, err := d.write.ExecContext(ctx, "PRAGMA cache_size = -65536"); err != nil {
			return translate(err)
		}
		// What a batch adds to the index of the search is one part of it. Sixteen parts become
		// one; by itself FTS5 would merge them over and over.
		if err := d.mergeWords(ctx, 0); err != nil {
			return err
		}
	}
	if there, err := d.hasTable(ctx, putAwayTable); err != nil || there {
		return err // an earlier run has
	}
	return translate(d.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.ExecContext(ctx, "CREATE TABLE "+putAwayTable+" (place INTEGER NOT NULL, what TEXT NOT NULL, again TEXT NOT NULL)"); err != nil {
			return err
		}
		list, err := d.slowParts(ctx, tx)
		if err != nil {
			return err
		}
		for i, p := range list {
			if _, err := tx.ExecContext(ctx, p.Away); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, "INSERT INTO "+putAwayTable+" (place, what, again) VALUES (?, ?, ?)", i, p.What, p.Again); err != nil {
				return err
			}
		}
		return nil
	}))
}

// slowPart is what is put away: by which statement it goes, and by which it comes again.
type slowPart struct{ What, Away, Again string }

// slowParts lists what is put away, in the order in which it comes again.
func (d *DB) slowParts(ctx context.Context, tx bun.Tx) (list []slowPart, err error) {
	if !d.Postgres() {
		err = tx.NewRaw(`SELECT name AS what, 'DROP ' || type || ' ' || name AS away, sql AS again FROM sqlite_master
			WHERE tbl_name = 'messages' AND type IN ('index', 'trigger') AND sql IS NOT NULL AND name <> ? ORDER BY type, rowid`, searchPosIndex).Scan(ctx, &list)
		return list, err
	}
	err = tx.NewRaw(`SELECT c.relname AS what, 'DROP INDEX ' || quote_ident(c.relname) AS away, pg_get_indexdef(i.indexrelid) AS again
			FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
			WHERE i.indrelid = 'messages'::regclass AND NOT EXISTS (SELECT 1 FROM pg_constraint AS k WHERE k.conindid = i.indexrelid)
		UNION ALL
		SELECT conname, 'ALTER TABLE messages DROP CONSTRAINT ' || quote_ident(conname),
				'ALTER TABLE messages ADD CONSTRAINT ' || quote_ident(conname) || ' ' || pg_get_constraintdef(oid)
			FROM pg_constraint WHERE conrelid = 'messages'::regclass AND contype = 'f'
		UNION ALL
		SELECT 'triggers', 'ALTER TABLE messages DISABLE TRIGGER USER', 'ALTER TABLE messages ENABLE TRIGGER USER'`).Scan(ctx, &list)
	return list, err
}

// EndLoadMessages makes again what BeginLoadMessages has taken away, one thing after the
// other; tell hears which. After a kill the next call goes on.
func (d *DB) EndLoadMessages(ctx context.Context, tell func(what string, done, of int64)) error {
	if there, err := d.hasTable(ctx, putAwayTable); err != nil || !there {
		return err
	}
	var list []struct {
		Place       int
		What, Again string
	}
	if err := d.write.NewRaw("SELECT place, what, again FROM "+putAwayTable+" ORDER BY place").Scan(ctx, &list); err != nil {
		return translate(err)
	}
	for i, p := range list {
		tell(p.What, int64(i), int64(len(list)))
		err := d.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
			if d.Postgres() {
				if _, err := tx.ExecContext(ctx, "SET LOCAL maintenance_work_mem = '128MB'"); err != nil {
					return err
				}
			}
			if _, err := tx.ExecContext(ctx, p.Again); err != nil {
				return err
			}
			_, err := tx.ExecContext(ctx, "DELETE FROM "+putAwayTable+" WHERE place = ?", p.Place)
			return err
		})
		if err != nil {
			return fmt.Errorf("make %s again: %w", p.What, translate(err))
		}
	}
	if !d.Postgres() {
		if err := d.mergeWords(ctx, wordsMerged); err != nil {
			return err
		}
	}
	_, err := d.write.ExecContext(ctx, "DROP TABLE "+putAwayTable)
	return translate(err)
}

// wordsMerged is how many parts of the index of the search FTS5 merges by itself.
const wordsMerged = 4

func (d *DB) mergeWords(ctx context.Context, parts int) error {
	_, err := d.write.ExecContext(ctx, "INSERT INTO message_words (message_words, rank) VALUES ('automerge', ?)", parts)
	return translate(err)
}

// LoadMessages adds messages with their seqs, so that they are found and counted as all
// others. courses has the course of each room, "" for the room of a thread, whose messages
// nobody finds. Call it between BeginLoadMessages and EndLoadMessages.
func (t *Tx) LoadMessages(ctx context.Context, rows []Message, courses map[string]string) error {
	for i := range rows {
		t.count(&rows[i])
	}
	add := t.loadLite
	if t.PG != nil {
		add = t.loadPostgres
	}
	if err := add(ctx, rows, courses); err != nil {
		return err
	}
	return t.loadTalk(ctx, rows)
}

// loadLite adds messages one by one, and then what is found of them: FTS5 collects that in
// memory only while no other statement comes between, and writes it whenever a place is
// before the last one.
func (t *Tx) loadLite(ctx context.Context, rows []Message, courses map[string]string) error {
	texts, split := make([]words.Stream, len(rows)), make(chan struct{})
	go func() { // beside the inserts
		defer close(split)
		for i := range rows {
			texts[i] = words.StreamOf(rows[i].Content)
		}
	}()
	defer func() { <-split }() // the rows are the caller's
	found := make([]foundAt, 0, len(rows))
	for i := range rows {
		m := &rows[i]
		var place sql.NullInt64
		bound := t.boundText(ctx, m.RoomID, m.Seq, m.ID, null(m.SenderID), null(m.AgentID), null(m.AgentType), null(m.AgentName), null(m.TurnID),
			null(m.ClientID), m.Content, m.CreatedAt, nil, m.Truncated, m.Silent, nil, textOrNull(m.MetadataJSON), null(m.Answers), null(m.BotName), nil,
			nil, nil, nil, words.PosOf(m.CreatedAt), int64(*m.WordCount), m.Day)
		err := translate(t.db.NewRaw(addMessage+" RETURNING search_pos").Scan(bound, &place))
		if errors.Is(err, ErrNotFound) {
			return ErrExists
		}
		if err != nil {
			return err
		}
		if place.Valid { // none in a thread
			found = append(found, foundAt{place.Int64, m, &texts[i]})
		}
	}
	slices.SortFunc(found, func(a, b foundAt) int { return cmp.Compare(a.place, b.place) })
	<-split
	for _, p := range found {
		about := p.of.about()
		about.CourseID = courses[p.of.RoomID]
		bound := t.boundText(ctx, p.place, p.text.Words, p.text.Starts, p.text.Pairs, words.FactsText(about))
		if _, err := t.db.ExecContext(bound, "INSERT INTO message_words (rowid, words, starts, pairs, facts) VALUES ($1, $2, $3, $4, $5)"); err != nil {
			return translate(err)
		}
	}
	return nil
}

// foundAt is a message with its place in the index of the search.
type foundAt struct {
	place int64
	of    *Message
	text  *words.Stream
}

// loadPostgres adds messages by one statement.
func (t *Tx) loadPostgres(ctx context.Context, rows []Message, courses map[string]string) error {
	n := len(rows)
	ids, rooms, contents, days, vectors := make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]*string, n)
	senders, agents, types, names, metadata, answers := make([]*string, n), make([]*string, n), make([]*string, n), make([]*string, n), make([]*string, n), make([]*string, n)
	seqs, places, counts, times := make([]int64, n), make([]*int64, n), make([]int32, n), make([]any, n)
	for i := range rows {
		m := &rows[i]
		ids[i], rooms[i], seqs[i], contents[i], days[i], counts[i] = m.ID, m.RoomID, m.Seq, m.Content, m.Day, int32(*m.WordCount)
		senders[i], agents[i], types[i], names[i], answers[i] = orNil(m.SenderID), orNil(m.AgentID), orNil(m.AgentType), orNil(m.AgentName), orNil(m.Answers)
		metadata[i], times[i] = m.MetadataJSON, m.CreatedAt
		if course := courses[m.RoomID]; course != "" {
			pos := words.PosOf(m.CreatedAt)
			places[i] = &pos
			vectors[i] = orNil(m.vector(words.Mark(words.FactCourse(course))))
		}
	}
	return t.Pinned(func() error {
		_, err := t.PG.Exec(ctx, `INSERT INTO messages (id, room_id, seq, sender_id, agent_id, agent_type, agent_name, content, created_at,
				metadata_json, answers, word_count, day, search_pos, words)
			SELECT id, room_id, seq, sender_id, agent_id, agent_type, agent_name, content, created_at, metadata_json, answers, word_count, day,
				search_pos, words::tsvector
			FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[],
				$10::text[], $11::text[], $12::integer[], $13::text[], $14::bigint[], $15::text[])
			AS m (id, room_id, seq, sender_id, agent_id, agent_type, agent_name, content, created_at, metadata_json, answers, word_count, day,
				search_pos, words)`,
			ids, rooms, seqs, senders, agents, types, names, contents, times, metadata, answers, counts, days, places, vectors)
		return translate(err)
	})
}

func orNil(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// talkDay is one row of talk_days without its sums.
type talkDay struct{ room, day, kind, who string }

// talkOf is where a message is counted. It is what the triggers of the table say.
func talkOf(m *Message) talkDay {
	switch {
	case m.ByAgent():
		return talkDay{m.RoomID, m.Day, "agent", m.AgentName}
	case m.BotName != "":
		return talkDay{m.RoomID, m.Day, "bot", m.SenderID}
	}
	return talkDay{m.RoomID, m.Day, "person", m.SenderID}
}

// loadTalk counts the messages of a batch.
func (t *Tx) loadTalk(ctx context.Context, rows []Message) error {
	at, list, said, spoken := map[talkDay]int{}, []talkDay{}, []int64{}, []int64{}
	for i := range rows {
		day := talkOf(&rows[i])
		n, known := at[day]
		if !known {
			n = len(list)
			at[day], list, said, spoken = n, append(list, day), append(said, 0), append(spoken, 0)
		}
		said[n]++
		spoken[n] += int64(*rows[i].WordCount)
	}
	for i, d := range list {
		bound := t.boundText(ctx, d.room, d.day, d.kind, d.who, said[i], spoken[i])
		if _, err := t.db.ExecContext(bound, `INSERT INTO talk_days AS t (room_id, day, kind, who, messages, words) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (room_id, day, kind, who) DO UPDATE SET messages = t.messages + excluded.messages, words = t.words + excluded.words`); err != nil {
			return translate(err)
		}
	}
	return nil
}
