package store_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func TestUpdateAgent(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		won := w.race(10, func(ctx context.Context, tx *store.Tx, _ int) error {
			a := *w.agent
			a.Name, a.Settings, a.EncryptedAPIKey = "New", `{"z":1,"a":2}`, "sealed"
			a.ProjectID, a.CreatedAt = store.NewID(), at.Add(time.Hour)
			err := tx.UpdateAgent(ctx, &a)
			if want := map[bool]int{true: 2, false: 1}[err == nil]; a.Version != want {
				t.Errorf("the copy is at version %d after %v, want %d", a.Version, err, want)
			}
			return err
		})
		got, err := db.Agent(t.Context(), w.agent.ID)
		if err != nil {
			t.Fatal(err)
		}
		if won != 1 || got.Name != "New" || got.Settings != `{"z":1,"a":2}` || got.EncryptedAPIKey != "sealed" || got.Version != 2 {
			t.Errorf("%d of 10 won, got %+v", won, got)
		}
		if got.ProjectID != w.project.ID || !got.CreatedAt.Equal(at) {
			t.Errorf("what never changes was written: %+v", got)
		}
	})
}

func TestDeactivateSiblings(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		same, off, otherType, elsewhere := newAgent(w.project.ID), newAgent(w.project.ID), newAgent(w.project.ID), newAgent("")
		all := []*store.Agent{same, off, otherType, elsewhere}
		var rows []store.Agent
		for _, a := range all {
			a.IsActive = a != off
			if a == otherType {
				a.Type = "student"
			}
			rows = append(rows, *a)
		}
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			return errors.Join(tx.CreateAgents(ctx, rows), tx.DeactivateSiblings(ctx, w.agent, at.Add(time.Second)))
		})
		for i, want := range []struct {
			active  bool
			version int
		}{{false, 2}, {false, 1}, {true, 1}, {true, 1}} {
			got, err := db.Agent(t.Context(), all[i].ID)
			if err != nil || got.IsActive != want.active || got.Version != want.version {
				t.Errorf("agent %d: got %v at version %d (%v), want %+v", i, got.IsActive, got.Version, err, want)
			}
		}
	})
}

// Of a project's agents of a type the oldest counts that is on and inside.
func TestActiveAgent(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		var made []store.Agent
		for i, change := range []func(*store.Agent){
			func(a *store.Agent) { a.IsExternal = true }, func(a *store.Agent) { a.IsActive = false }, func(*store.Agent) {}, func(*store.Agent) {},
		} {
			a := newAgent(w.project.ID)
			a.Type, a.IsActive, a.CreatedAt = "design", true, at.Add(time.Duration(i)*time.Second)
			change(a)
			made = append(made, *a)
		}
		w.tx(func(ctx context.Context, tx *store.Tx) error { return tx.CreateAgents(ctx, made) })
		if got, err := db.ActiveAgent(t.Context(), w.project.ID, "design"); err != nil || got.ID != made[2].ID {
			t.Errorf("got %+v (%v), want the oldest that is on and inside", got, err)
		}
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			return errors.Join(tx.DeleteAgent(ctx, made[2].ID), tx.DeleteAgent(ctx, made[3].ID))
		})
		if _, err := db.ActiveAgent(t.Context(), w.project.ID, "design"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("without one: got %v", err)
		}
	})
}

func TestAgentsInRoom(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		second := newAgent(w.project.ID)
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			err := tx.CreateAgents(ctx, []store.Agent{*second})
			for i, id := range []string{second.ID, w.agent.ID, second.ID} {
				added, aerr := tx.AddRoomAgent(ctx, &store.RoomAgent{RoomID: w.room.ID, AgentID: id, CreatedAt: at.Add(time.Duration(i))})
				if added != (i < 2) {
					t.Errorf("agent %d: added %v", i, added)
				}
				err = errors.Join(err, aerr)
			}
			return err
		})
		want := func(ids ...string) {
			t.Helper()
			agents, err := db.AgentsInRoom(t.Context(), w.room.ID)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, a := range agents {
				got = append(got, a.ID)
			}
			slices.Sort(got)
			slices.Sort(ids)
			if !slices.Equal(got, ids) {
				t.Errorf("got %v, want %v", got, ids)
			}
		}
		want(second.ID, w.agent.ID)
		w.tx(func(ctx context.Context, tx *store.Tx) error { return tx.RemoveRoomAgent(ctx, w.room.ID, w.agent.ID) })
		want(second.ID)
		w.tx(func(ctx context.Context, tx *store.Tx) error { return tx.DeleteAgent(ctx, second.ID) })
		want()
		if agents, err := storetest.All(db.AgentsInProject(t.Context(), w.project.ID, store.Page{})); err != nil || len(agents) != 1 {
			t.Errorf("left in the project: %d (%v), want 1", len(agents), err)
		}
	})
}

// Whoever decides which agent of a project is the active one holds its lock:
// ten who each add one if there is none add one.
func TestLockAgents(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.race(10, func(ctx context.Context, tx *store.Tx, _ int) error {
			agents, err := tx.LockAgents(ctx, w.project.ID, "student")
			if err != nil || len(agents) > 0 {
				return err
			}
			a := newAgent(w.project.ID)
			a.Type = "student"
			return tx.CreateAgents(ctx, []store.Agent{*a})
		})
		if got := count(t, db, "SELECT count(*) FROM agents WHERE type = 'student'"); got != 1 {
			t.Errorf("got %d agents, want 1", got)
		}
	})
}
