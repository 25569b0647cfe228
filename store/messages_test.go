package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"encoding/json"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// Fifty lines, each sent four times at once: every one is stored once, the
// numbers have no gap, and a reader with a cursor never misses one.
func TestPostsAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const messages, times = 50, 4
		w := newWorld(t, db)
		var posting, reading sync.WaitGroup
		posted := make(chan struct{})
		reading.Go(func() { readInOrder(t, w, posted, messages) })
		var stored atomic.Int32
		for i := range messages * times {
			posting.Go(func() {
				m := store.Message{SenderID: w.pupil.ID, ClientID: fmt.Sprint("line ", i%messages), Content: "hello"}
				err := w.try(func(ctx context.Context, tx *store.Tx) error {
					_, err := post(ctx, tx, w, m)
					return err
				})
				if err == nil {
					stored.Add(1)
					return
				}
				mustBe(t, "a post", err, errTaken)
				_, err = db.MessageByClientID(t.Context(), w.room.ID, m.SenderID, m.ClientID)
				mustBe(t, "the line that was first", err, nil)
			})
		}
		posting.Wait()
		close(posted)
		reading.Wait()
		if got := stored.Load(); got != messages {
			t.Errorf("stored: got %d, want %d", got, messages)
		}
		head, oldest, err := db.EventRange(t.Context(), w.room.ID)
		if head != messages || oldest != 1 || err != nil {
			t.Errorf("range: got %d..%d (%v), want 1..%d", oldest, head, err, messages)
		}
		mismatch := count(t, db, "SELECT count(*) FROM messages AS m FULL JOIN events AS e ON e.room_id = m.room_id AND e.seq = m.seq WHERE e.seq IS NULL OR m.seq IS NULL")
		if mismatch != 0 {
			t.Errorf("%d lines without an event or events without a line", mismatch)
		}
	})
}

// A line says what it means to the room's agents, in the statement that adds it.
func TestHeard(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		due := at.Add(time.Minute)
		for _, step := range []struct {
			name   string
			heard  store.Heard
			looked int64
			lookAt time.Time
			asks   bool
		}{
			{"nothing", store.Heard{}, 0, time.Time{}, false},
			{"a look", store.Heard{DecideAt: due}, 0, due, true},
			{"nothing leaves the look", store.Heard{}, 0, due, false},
			{"a later one leaves the look", store.Heard{DecideAt: due.Add(time.Second)}, 0, due, false},
			{"undecided ones are not silent", store.Heard{DecideAt: due.Add(time.Second), Silent: &store.Silence{UpTo: 100}}, 0, due, false},
			{"unheard drops it", store.Heard{Unheard: true, DecideAt: due}, 6, time.Time{}, false},
			{"silent", store.Heard{DecideAt: due, Silent: &store.Silence{UpTo: 7}}, 7, time.Time{}, false},
			{"the count is reached", store.Heard{DecideAt: due, Silent: &store.Silence{UpTo: 7}}, 7, due, true},
			{"unheard again", store.Heard{Unheard: true}, 9, time.Time{}, false},
			{"another version", store.Heard{DecideAt: due, Silent: &store.Silence{AgentsVersion: 1, UpTo: 100}}, 9, due, true},
		} {
			w.tx(func(ctx context.Context, tx *store.Tx) error {
				m := &store.Message{ID: store.NewID(), RoomID: w.room.ID, SenderID: w.pupil.ID, Content: "hello", CreatedAt: at}
				e := &store.Event{RoomID: w.room.ID, ID: m.ID, Type: "message", Body: `{"b": 1, "a": 2}`, CreatedAt: at}
				added, asks, err := tx.AddMessage(ctx, m, e, step.heard)
				if asks != step.asks {
					t.Errorf("%s: a decision is due: %v", step.name, asks)
				}
				if !added || m.Seq == 0 || e.Seq != m.Seq {
					t.Errorf("%s: added %v, line %d, event %d", step.name, added, m.Seq, e.Seq)
				}
				return err
			})
			r, err := db.Room(t.Context(), w.room.ID)
			if err != nil || r.DecidedSeq != step.looked || !r.DecideAt.Equal(step.lookAt) {
				t.Errorf("%s: got looked %d, look at %v (%v), want %d, %v", step.name, r.DecidedSeq, r.DecideAt, err, step.looked, step.lookAt)
			}
		}
		events, err := db.Events(t.Context(), w.room.ID, 0, 10)
		if err != nil || len(events) != 10 || events[3].Body != `{"b": 1, "a": 2}` {
			t.Errorf("events: got %v (%v)", events, err)
		}
		err = w.try(func(ctx context.Context, tx *store.Tx) error {
			m := &store.Message{ID: store.NewID(), RoomID: store.NewID(), SenderID: w.pupil.ID, Content: "hello", CreatedAt: at}
			_, _, err := tx.AddMessage(ctx, m, &store.Event{RoomID: m.RoomID, ID: m.ID, Type: "message", Body: "{}", CreatedAt: at}, store.Heard{})
			return err
		})
		mustBe(t, "a line in no room", err, store.ErrNotFound)
	})
}

// readInOrder follows the log with a cursor, as a socket does.
func readInOrder(t *testing.T, w *world, posted <-chan struct{}, want int64) {
	var cursor int64
	for last := false; ; {
		events, err := w.db.Events(t.Context(), w.room.ID, cursor, 7)
		if err != nil {
			t.Error(err)
			return
		}
		for _, e := range events {
			if e.Seq != cursor+1 {
				t.Errorf("after %d came %d", cursor, e.Seq)
			}
			cursor = e.Seq
		}
		if last && len(events) == 0 {
			if cursor != want {
				t.Errorf("the reader ended at %d, want %d", cursor, want)
			}
			return
		}
		select {
		case <-posted:
			last = true
		default:
		}
	}
}

// Two hundred different lines on one room, all at once.
func TestTwoHundredPostsAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const messages = 200
		w := newWorld(t, db)
		seen := make([]atomic.Bool, messages+1)
		var wg sync.WaitGroup
		for range messages {
			wg.Go(func() {
				var seq int64
				err := w.try(func(ctx context.Context, tx *store.Tx) (err error) {
					seq, err = post(ctx, tx, w, store.Message{SenderID: w.pupil.ID, Content: "hello"})
					return err
				})
				if err != nil || seq < 1 || seq > messages || seen[seq].Swap(true) {
					t.Errorf("got number %d (%v)", seq, err)
				}
			})
		}
		wg.Wait()
		if got := count(t, db, "SELECT max(seq) - count(*) FROM events"); got != 0 {
			t.Errorf("%d gaps", got)
		}
	})
}

func TestCreateMessageOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		say := func(m store.Message) error {
			return w.try(func(ctx context.Context, tx *store.Tx) error {
				_, err := post(ctx, tx, w, m)
				return err
			})
		}
		turn := store.NewID()
		for _, rule := range []struct {
			name string
			m    store.Message
			want error
		}{
			{"a line", store.Message{SenderID: w.pupil.ID, ClientID: "a"}, nil},
			{"the same again", store.Message{SenderID: w.pupil.ID, ClientID: "a"}, errTaken},
			{"another case is another name", store.Message{SenderID: w.pupil.ID, ClientID: "A"}, nil},
			{"another sender's same name", store.Message{SenderID: w.owner.ID, ClientID: "a"}, nil},
			{"no name", store.Message{SenderID: w.pupil.ID}, nil},
			{"no name again", store.Message{SenderID: w.pupil.ID}, nil},
			{"an agent's line", store.Message{AgentID: w.agent.ID, AgentType: "teacher", TurnID: turn}, nil},
			{"a turn that speaks twice", store.Message{AgentID: w.agent.ID, AgentType: "teacher", TurnID: turn}, errTaken},
		} {
			mustBe(t, rule.name, say(rule.m), rule.want)
		}
		// A refused line gives its number back.
		if head, _, err := db.EventRange(t.Context(), w.room.ID); head != 6 || err != nil {
			t.Errorf("head: got %d (%v), want 6", head, err)
		}
	})
}

func TestMessagesPage(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		for i := range 7 {
			w.say(fmt.Sprint(i + 1))
		}
		for _, rule := range []struct {
			before      int64
			limit       int
			first, last int64
		}{{0, 3, 5, 7}, {5, 3, 2, 4}, {2, 3, 1, 1}, {1, 3, 0, 0}, {100, 100, 1, 7}} {
			messages, err := db.Messages(t.Context(), w.room.ID, rule.before, rule.limit)
			if err != nil {
				t.Fatal(err)
			}
			var first, last int64
			for _, m := range messages {
				if first == 0 {
					first = m.Seq
				} else if m.Seq != last+1 {
					t.Errorf("after %d came %d", last, m.Seq)
				}
				last = m.Seq
				if m.Sender == nil || m.Sender.ID != w.pupil.ID || m.ByAgent() {
					t.Errorf("sender: got %+v", m.Sender)
				}
			}
			if first != rule.first || last != rule.last {
				t.Errorf("%d before %d: got %d..%d, want %d..%d", rule.limit, rule.before, first, last, rule.first, rule.last)
			}
		}
	})
}

func TestEvents(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		if head, oldest, err := db.EventRange(t.Context(), w.room.ID); head != 0 || oldest != 1 || err != nil {
			t.Errorf("an empty log: got %d..%d (%v)", oldest, head, err)
		}
		const body = `{"z":1, "a":"學生 🙂"}`
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			seq, err := tx.NextSeq(ctx, w.room.ID, time.Time{})
			return errors.Join(err, tx.CreateEvent(ctx, &store.Event{RoomID: w.room.ID, Seq: seq, ID: store.NewID(), Type: "message", Body: body, CreatedAt: at}))
		})
		for range 4 {
			w.say("hello")
		}
		events, err := db.Events(t.Context(), w.room.ID, 0, 1)
		if err != nil || len(events) != 1 || events[0].Body != body {
			t.Errorf("got %+v (%v)", events, err)
		}
		events, err = db.Events(t.Context(), w.room.ID, 3, 10)
		if err != nil || len(events) != 2 || events[0].Seq != 4 {
			t.Errorf("after 3: got %+v (%v)", events, err)
		}
		// What retention took is no part of the range.
		for _, rule := range []struct{ deleted, oldest int64 }{{2, 3}, {5, 6}} {
			if _, err := raw(t, db).ExecContext(t.Context(), fmt.Sprint("DELETE FROM events WHERE seq <= ", rule.deleted)); err != nil {
				t.Fatal(err)
			}
			if head, oldest, err := db.EventRange(t.Context(), w.room.ID); head != 5 || oldest != rule.oldest || err != nil {
				t.Errorf("without the first %d: got %d..%d (%v), want %d..5", rule.deleted, oldest, head, err, rule.oldest)
			}
		}
		heads, err := db.EventHeads(t.Context(), []string{w.room.ID, store.NewID()})
		if err != nil || len(heads) != 1 || heads[w.room.ID] != 5 {
			t.Errorf("heads: got %v (%v)", heads, err)
		}
		if heads, err := db.EventHeads(t.Context(), nil); err != nil || len(heads) != 0 {
			t.Errorf("heads of none: got %v (%v)", heads, err)
		}
	})
}

// Postgres adds a message by one statement, SQLite by several; both leave the same rows.
func TestTwoWaysOfAddingAMessage(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var first []string
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		by := func(m store.Message) store.Message {
			m.AgentID, m.AgentType, m.AgentName = w.agent.ID, w.agent.Type, w.agent.Name
			return m
		}
		due := at.Add(time.Minute)
		kinds := []struct {
			m store.Message
			h store.Heard
		}{
			{store.Message{SenderID: w.pupil.ID, Content: "of a person"}, store.Heard{}},
			{store.Message{SenderID: w.pupil.ID, Content: "decided about", ClientID: "one"}, store.Heard{DecideAt: due}},
			{store.Message{SenderID: w.pupil.ID, Content: "sent again", ClientID: "one"}, store.Heard{DecideAt: due}},
			{by(store.Message{Content: "of an agent"}), store.Heard{}},
			{by(store.Message{Content: "of an agent, decided about"}), store.Heard{DecideAt: due}},
			{by(store.Message{Content: "stopped", StoppedAt: at, Truncated: true}), store.Heard{}},
			{store.Message{SenderID: w.pupil.ID, Content: "unheard"}, store.Heard{Unheard: true, DecideAt: due}},
			{by(store.Message{Content: "of an agent, unheard"}), store.Heard{Unheard: true}},
			{store.Message{SenderID: w.pupil.ID, Content: "silent", Rolls: "[0.5,0.25]"}, store.Heard{DecideAt: due, Silent: &store.Silence{UpTo: 8}}},
			{store.Message{SenderID: w.pupil.ID, Content: "not silent", Rolls: "[0.5]"}, store.Heard{DecideAt: due, Silent: &store.Silence{UpTo: 8}}},
			{store.Message{SenderID: w.pupil.ID, Content: "後"}, store.Heard{}},
		}
		var all []string
		note := func(row any, err error) {
			text, jerr := json.Marshal(row)
			if jerr != nil {
				t.Error(jerr)
			}
			all = append(all, fmt.Sprint(string(text), err))
		}
		for i := range kinds {
			m := kinds[i].m
			m.ID, m.RoomID, m.CreatedAt = store.NewID(), w.room.ID, at.Add(time.Duration(i)*time.Second)
			e := &store.Event{ID: store.NewID(), RoomID: w.room.ID, Type: "message", Body: `{"b": 1, "a": 2}`, CreatedAt: m.CreatedAt}
			note("added", w.try(func(ctx context.Context, tx *store.Tx) error {
				added, asks, err := tx.AddMessage(ctx, &m, e, kinds[i].h)
				note(fmt.Sprint("due ", asks, ", silent ", m.Silent), nil)
				if err == nil && !added {
					err = errTaken
				}
				return err
			}))
		}
		after, err := db.Room(t.Context(), w.room.ID)
		if err != nil {
			t.Fatal(err)
		}
		after.ID, after.CourseID = "", ""
		note(after, nil)
		rows, err := db.ShownMessages(t.Context(), w.room.ID, 0, 100)
		for _, m := range rows {
			m.ID, m.RoomID, m.Sender = "", "", nil
			m.SenderID, m.AgentID = fmt.Sprint(m.SenderID == w.pupil.ID), fmt.Sprint(m.AgentID == w.agent.ID)
			m.AgentName = fmt.Sprint(m.AgentName == w.agent.Name)
			note(m, err)
		}
		events, err := db.Events(t.Context(), w.room.ID, 0, 100)
		for _, e := range events {
			e.ID, e.RoomID = "", ""
			note(e, err)
		}
		mu.Lock()
		defer mu.Unlock()
		if len(all) < 2*len(kinds) || len(first) > 0 && len(first) != len(all) {
			t.Fatalf("got %d rows, on the other database %d", len(all), len(first))
		}
		if first == nil {
			first = all
		}
		for i, row := range all {
			if row != first[i] {
				t.Errorf("got %s and on the other database %s", row, first[i])
			}
		}
	})
}
