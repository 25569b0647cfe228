package store_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// attach puts the world's agent into its room.
func (w *world) attach() {
	w.Helper()
	w.tx(func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.AddRoomAgent(ctx, &store.RoomAgent{RoomID: w.room.ID, AgentID: w.agent.ID, CreatedAt: at})
		return err
	})
}

func (w *world) rearm(r store.Rearmed) {
	w.Helper()
	r.RoomID, r.AgentID = w.room.ID, w.agent.ID
	w.tx(func(ctx context.Context, tx *store.Tx) error { return tx.Rearm(ctx, []store.Rearmed{r}) })
}

func (w *world) link() *store.RoomAgent {
	w.Helper()
	ra, err := w.db.RoomAgent(w.Context(), w.room.ID, w.agent.ID)
	if err != nil {
		w.Fatal(err)
	}
	return ra
}

func TestDue(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.attach()
		due := func(now time.Time, want bool) {
			t.Helper()
			next, err := db.NextDue(t.Context())
			if got := !next.IsZero() && !now.Before(next); got != want || err != nil {
				t.Errorf("due at %v: got %v (%v, %v), want %v", now, got, next, err, want)
			}
		}
		due(at.Add(time.Hour), false)
		w.rearm(store.Rearmed{NextDueAt: at.Add(time.Minute), SpokeAt: at, ReadSeq: 5, BrokeSeq: 3})
		due(at, false)
		due(at.Add(time.Minute), true)

		// Of many who claim at once, one gets it.
		var mu sync.Mutex
		claimed := 0
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if err := w.try(func(ctx context.Context, tx *store.Tx) error {
					rows, err := tx.ClaimDue(ctx, at.Add(time.Hour), 10)
					if err != nil {
						return err
					}
					mu.Lock()
					claimed += len(rows)
					mu.Unlock()
					for _, r := range rows {
						if r.ReadSeq != 5 || r.BrokeSeq != 3 || !r.SpokeAt.Equal(at) || !r.IsActive || r.Version != 1 {
							t.Errorf("got %+v", r)
						}
						if err := tx.Rearm(ctx, []store.Rearmed{{RoomID: r.RoomID, AgentID: r.AgentID, ReadSeq: 4, BrokeSeq: 7}}); err != nil {
							return err
						}
					}
					return nil
				}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if claimed != 1 {
			t.Errorf("claimed %d times, want once", claimed)
		}
		due(at.Add(time.Hour), false)
		if got := w.link(); !got.NextDueAt.IsZero() || !got.SpokeAt.Equal(at) || got.ReadSeq != 5 || got.BrokeSeq != 7 {
			t.Errorf("got %+v, want no date, and the newest of what it counts from", got)
		}
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			return tx.RecheckTriggers(ctx, w.agent.ID, at.Add(time.Hour))
		})
		due(at.Add(time.Hour), true)
		if got := w.link(); !got.Since.Equal(at.Add(time.Hour)) {
			t.Errorf("counts since %v, want since it was poked", got.Since)
		}
	})
}

// What happened in a room while its row was being claimed is read afterwards.
func TestWhatATriggerAsksFor(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx, rooms := t.Context(), []string{w.room.ID, store.NewID()}
		w.attach()
		say := func(m store.Message) (seq int64) {
			t.Helper()
			w.tx(func(ctx context.Context, tx *store.Tx) (err error) { seq, err = post(ctx, tx, w, m); return err })
			return seq
		}
		mine := store.Message{AgentID: w.agent.ID, AgentType: "teacher", Content: "x"}
		say(mine)
		w.say("one")
		two := w.say("two")
		three, four := say(mine), say(mine)

		byID, err := db.RoomsByID(ctx, rooms)
		if r := byID[w.room.ID]; err != nil || len(byID) != 1 || r.PersonSeq != two || !r.PersonAt.Equal(at) || r.EventSeq != four {
			t.Errorf("rooms: got %+v (%v), want the person's last line", r, err)
		}
		agents, err := db.AgentsByID(ctx, []string{w.agent.ID, store.NewID()})
		if err != nil || len(agents) != 1 || agents[w.agent.ID].Name != w.agent.Name {
			t.Errorf("agents: got %v (%v)", agents, err)
		}
		messages, err := db.MessagesSincePerson(ctx, rooms)
		var seqs []int64
		for _, l := range messages {
			seqs = append(seqs, l.Seq)
		}
		if slices.Sort(seqs); err != nil || !slices.Equal(seqs, []int64{three, four}) {
			t.Errorf("lines since the person: got %v (%v), want %d and %d", seqs, err, three, four)
		}
		for _, c := range []struct {
			after int64
			from  time.Time
			want  int
		}{{0, time.Time{}, 2}, {two - 1, time.Time{}, 1}, {two, time.Time{}, 0}, {0, at, 2}, {0, at.Add(time.Second), 0}} {
			counts, err := db.CountUnread(ctx, []store.Unread{
				{RoomID: w.room.ID, AgentID: w.agent.ID, AfterSeq: c.after, Since: c.from}, {RoomID: rooms[1], AgentID: w.agent.ID}})
			if n := counts[[2]string{w.room.ID, w.agent.ID}]; err != nil || n != c.want || counts[[2]string{rooms[1], w.agent.ID}] != 0 {
				t.Errorf("lines after %d from %v: got %v (%v), want %d", c.after, c.from, counts, err, c.want)
			}
		}
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			return tx.CreateTurns(ctx, []store.Turn{newTurn(w, 1, store.TurnRunning), newTurn(w, 2, store.TurnWaiting), newTurn(w, 3, store.TurnParked), newTurn(w, 4, store.TurnFailed)})
		})
		turns, err := db.UnendedTurns(ctx, rooms)
		var states []string
		for _, turn := range turns {
			if turn.RoomID != w.room.ID || turn.AgentID != w.agent.ID {
				t.Errorf("got %+v", turn)
			}
			states = append(states, turn.State)
		}
		if slices.Sort(states); err != nil || !slices.Equal(states, []string{store.TurnParked, store.TurnRunning, store.TurnWaiting}) {
			t.Errorf("turns: got %v (%v), want those that have not ended", states, err)
		}
	})
}

// Agents that do not listen have not heard of the person.
func TestUnheardPerson(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			m := &store.Message{ID: store.NewID(), RoomID: w.room.ID, SenderID: w.pupil.ID, Content: "x", CreatedAt: at}
			e := &store.Event{RoomID: w.room.ID, ID: store.NewID(), Type: "message", Body: "{}", CreatedAt: at}
			_, _, err := tx.AddMessage(ctx, m, e, store.Heard{Unheard: true})
			return err
		})
		if r, err := db.Room(t.Context(), w.room.ID); err != nil || r.PersonSeq != 0 || !r.PersonAt.IsZero() || r.EventSeq != 1 {
			t.Errorf("got %+v (%v), want no person", r, err)
		}
	})
}

func TestLead(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		first := storetest.Open(t, store.Options{URL: url, Node: "first"})
		second := storetest.Open(t, store.Options{URL: url, Node: "second"})
		name := store.NewID()
		lead := func(db *store.DB, length time.Duration, want bool) {
			t.Helper()
			got, err := db.Single().Lead(t.Context(), name, length)
			if got != want || err != nil {
				t.Errorf("got %v (%v), want %v", got, err, want)
			}
		}
		lead(first, time.Hour, true)
		lead(second, time.Hour, false)
		lead(first, -time.Second, true)
		lead(second, time.Hour, true)
		lead(first, time.Hour, false)
		if err := first.Single().Resign(t.Context(), name); err != nil {
			t.Error(err)
		}
		lead(first, time.Hour, false)
		if err := second.Single().Resign(t.Context(), name); err != nil {
			t.Error(err)
		}
		lead(first, time.Hour, true)
		drop := func(want int64) {
			t.Helper()
			if err := first.InTx(t.Context(), func(tx *store.Tx) error {
				n, err := tx.DeleteLeasesBefore(t.Context(), time.Now().UTC(), 10)
				if n != want {
					t.Errorf("dropped %d leases, want %d", n, want)
				}
				return err
			}); err != nil {
				t.Error(err)
			}
		}
		drop(0)
		lead(first, -time.Minute, true)
		drop(1)
	})
}
