package store_test

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// agentWrites are the methods of Tx that write agents or what holds for them in a room,
// with the tables as they are named in SQL. A new one belongs here.
var agentWrites = map[string]func(ctx context.Context, tx *store.Tx, w *world) error{
	"AddRoomAgent": func(ctx context.Context, tx *store.Tx, w *world) error {
		other := newAgent(w.project.ID)
		if err := tx.CreateAgents(ctx, []store.Agent{*other}); err != nil {
			return err
		}
		_, err := tx.AddRoomAgent(ctx, &store.RoomAgent{RoomID: w.room.ID, AgentID: other.ID, CreatedAt: at})
		return err
	},
	"RemoveRoomAgent": func(ctx context.Context, tx *store.Tx, w *world) error {
		return tx.RemoveRoomAgent(ctx, w.room.ID, w.agent.ID)
	},
	"UpdateRoomAgent": func(ctx context.Context, tx *store.Tx, w *world) error {
		ra, err := tx.RoomAgentForUpdate(ctx, w.room.ID, w.agent.ID)
		if err != nil {
			return err
		}
		ra.MutedUntil = at.Add(time.Hour)
		return tx.UpdateRoomAgent(ctx, ra)
	},
	"CopyRoomAgent": func(ctx context.Context, tx *store.Tx, w *world) error {
		_, err := tx.CopyRoomAgent(ctx, &store.RoomAgent{AgentID: w.agent.ID, IsActive: true}, []string{w.room.ID}, at)
		return err
	},
	"Rearm": func(ctx context.Context, tx *store.Tx, w *world) error {
		return tx.Rearm(ctx, []store.Rearmed{{RoomID: w.room.ID, AgentID: w.agent.ID, NextDueAt: at}})
	},
	"RecheckTriggers": func(ctx context.Context, tx *store.Tx, w *world) error {
		return tx.RecheckTriggers(ctx, w.agent.ID, at)
	},
	"UpdateAgent": func(ctx context.Context, tx *store.Tx, w *world) error {
		ag, err := tx.AgentForUpdate(ctx, w.agent.ID)
		if err != nil {
			return err
		}
		ag.TriggerConfig = `{"type":"message_count","value":1}`
		return tx.UpdateAgent(ctx, ag)
	},
	"DeactivateSiblings": func(ctx context.Context, tx *store.Tx, w *world) error {
		return tx.DeactivateSiblings(ctx, newAgent(w.project.ID), at)
	},
	"DeleteAgent":       func(ctx context.Context, tx *store.Tx, w *world) error { return tx.DeleteAgent(ctx, w.agent.ID) },
	"DeleteTemplatesOf": func(ctx context.Context, tx *store.Tx, w *world) error { return tx.DeleteTemplatesOf(ctx, w.owner.ID) },
	"DeleteProject":     func(ctx context.Context, tx *store.Tx, w *world) error { return tx.DeleteProject(ctx, w.project.ID) },
	"DeleteOrganization": func(ctx context.Context, tx *store.Tx, w *world) error {
		return tx.DeleteOrganization(ctx, w.project.OrganizationID)
	},
	"UpdateRoom": func(ctx context.Context, tx *store.Tx, w *world) error {
		room, err := tx.Room(ctx, w.room.ID)
		if err != nil {
			return err
		}
		return tx.UpdateRoom(ctx, room)
	},
}

// Whoever writes what decides who speaks in a room moves the room's counter, and leaves
// that of other rooms alone.
func TestAgentsVersion(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for name, write := range agentWrites {
			w := newWorld(t, db)
			other := newRoom(w.course.ID)
			w.tx(func(ctx context.Context, tx *store.Tx) error {
				template := newAgent("")
				template.IsTemplate, template.CreatedBy = true, w.owner.ID
				w.agent.IsActive = true
				_, err := tx.AddRoomAgent(ctx, &store.RoomAgent{RoomID: w.room.ID, AgentID: w.agent.ID, CreatedAt: at})
				err = errors.Join(err, tx.CreateRoom(ctx, other), tx.UpdateAgent(ctx, w.agent), tx.CreateAgents(ctx, []store.Agent{*template}))
				_, terr := tx.AddRoomAgent(ctx, &store.RoomAgent{RoomID: w.room.ID, AgentID: template.ID, CreatedAt: at})
				return errors.Join(err, terr)
			})
			before, err := db.Room(t.Context(), w.room.ID)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.try(func(ctx context.Context, tx *store.Tx) error { return write(ctx, tx, w) }); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			after, err := db.RoomsByID(t.Context(), []string{w.room.ID, other.ID})
			if err != nil {
				t.Fatal(err)
			}
			if after[w.room.ID].AgentsVersion <= before.AgentsVersion || after[other.ID].AgentsVersion != 0 {
				t.Errorf("%s: the counter went from %d to %d, that of another room to %d", name, before.AgentsVersion, after[w.room.ID].AgentsVersion,
					after[other.ID].AgentsVersion)
			}
		}
	})
}

// The table above has every method that writes these rows.
func TestAgentWrites(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	writes := regexp.MustCompile(`(?s)(NewUpdate|NewDelete|insert\(|insertOnce\().*|(UPDATE|DELETE FROM|INSERT INTO) (room_agents|agents)\b`)
	about := regexp.MustCompile(`\*(store\.)?(RoomAgent|Agent)\b|\[\]Agent\b|(UPDATE|DELETE FROM|INSERT INTO) (room_agents|agents)\b`)
	none := []string{
		"CreateAgents", // they are in no room yet
		"FinishLoad",   // no server works with a database that is being filled
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, text, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv == nil || !f.Name.IsExported() {
				continue
			}
			source := string(text[f.Pos()-1 : f.End()-1])
			if strings.Contains(source, "*Tx)") && writes.MatchString(source) && about.MatchString(source) && agentWrites[f.Name.Name] == nil &&
				!slices.Contains(none, f.Name.Name) {
				t.Errorf("%s in %s writes agents and is not tested", f.Name.Name, file)
			}
		}
	}
}

// Changes of one agent and of its rooms, in all orders at once, wait for each other and
// never for ever: none fails as a deadlock does.
func TestAgentsVersionLocks(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		rooms := []string{w.room.ID}
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			var errs []error
			for range 3 {
				r := newRoom(w.course.ID)
				rooms = append(rooms, r.ID)
				errs = append(errs, tx.CreateRoom(ctx, r))
			}
			for _, id := range rooms {
				_, err := tx.AddRoomAgent(ctx, &store.RoomAgent{RoomID: id, AgentID: w.agent.ID, CreatedAt: at})
				errs = append(errs, err)
			}
			return errors.Join(errs...)
		})
		all := []func(ctx context.Context, tx *store.Tx, i int) error{
			func(ctx context.Context, tx *store.Tx, i int) error { // the end of a turn
				m := store.Message{ID: store.NewID(), RoomID: rooms[i%4], AgentID: w.agent.ID, AgentType: "teacher", AgentName: "A", Content: "a", CreatedAt: at}
				e := &store.Event{RoomID: m.RoomID, ID: m.ID, Type: "message", Body: "{}", CreatedAt: at}
				if _, _, err := tx.AddMessage(ctx, &m, e, store.Heard{}); err != nil {
					return err
				}
				return tx.Rearm(ctx, []store.Rearmed{{RoomID: m.RoomID, AgentID: w.agent.ID, NextDueAt: at, SpokeAt: at}})
			},
			func(ctx context.Context, tx *store.Tx, _ int) error {
				ag, err := tx.AgentForUpdate(ctx, w.agent.ID)
				if err != nil {
					return err
				}
				return errors.Join(tx.UpdateAgent(ctx, ag), tx.RecheckTriggers(ctx, ag.ID, at))
			},
			func(ctx context.Context, tx *store.Tx, _ int) error {
				if _, err := tx.LockAgents(ctx, w.project.ID, "teacher"); err != nil {
					return err
				}
				return tx.DeactivateSiblings(ctx, newAgent(w.project.ID), at)
			},
			func(ctx context.Context, tx *store.Tx, i int) error {
				from := rooms[i%4]
				if err := tx.LockRooms(ctx, rooms); err != nil {
					return err
				}
				ra, err := tx.RoomAgentForUpdate(ctx, from, w.agent.ID)
				if err != nil {
					return err
				}
				_, err = tx.CopyRoomAgent(ctx, ra, slices.DeleteFunc(slices.Clone(rooms), func(id string) bool { return id == from }), at)
				return err
			},
			func(ctx context.Context, tx *store.Tx, i int) error {
				ra, err := tx.RoomAgentForUpdate(ctx, rooms[i%4], w.agent.ID)
				if err != nil {
					return err
				}
				return tx.UpdateRoomAgent(ctx, ra)
			},
			func(ctx context.Context, tx *store.Tx, i int) error {
				r := newRoom(w.course.ID)
				if err := tx.CreateRoom(ctx, r); err != nil {
					return err
				}
				_, err := tx.AddRoomAgent(ctx, &store.RoomAgent{RoomID: r.ID, AgentID: w.agent.ID, CreatedAt: at})
				return err
			},
			func(ctx context.Context, tx *store.Tx, i int) error {
				_, err := tx.ClaimDue(ctx, at.Add(time.Second), 2)
				return err
			},
		}
		var wait sync.WaitGroup
		for n, do := range all {
			wait.Go(func() {
				for i := range 20 {
					if err := w.try(func(ctx context.Context, tx *store.Tx) error { return do(ctx, tx, i) }); err != nil {
						t.Errorf("writer %d: %v", n, err)
					}
				}
			})
		}
		wait.Wait()
	})
}
