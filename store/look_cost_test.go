package store_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store/storetest"
)

// mostOfLook is the most statements that deciding about a post may take, beside
// the job queue's own.
const mostOfLook = 7

// However many agents are in a room, what decides about a post is read and
// stored with a handful of statements. The test is here for what sees them.
func TestStatementsOfALook(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"NobodySpeaks": "@nobody", "TwoSpeak": "@teacher @student"} {
		t.Run(name, func(t *testing.T) {
			// A database each: what the agents of the one have left to do is not the other's.
			storetest.EachURL(t, func(t *testing.T, url string) {
				r := apptest.NewStopped(t, url, func(c *config.Config) {
					c.Turns.Sweep, c.Turns.Due, c.Turns.Heartbeat = 10*time.Minute, time.Minute, time.Minute
				})
				var mu sync.Mutex
				var all []string
				r.DB.OnQuery(func(query string) {
					mu.Lock()
					defer mu.Unlock()
					// The poll of what was missed and the leases of what runs beside are no part of a look.
					if !strings.Contains(query, "pg_current_snapshot") && !strings.Contains(query, `"leases"`) {
						all = append(all, query)
					}
				})
				c := r.Class(t, func(s *app.RoomSettings) { s.AIFrequency = app.Some(0.0) })
				r.Types(t, c.Admin, "helper")
				for i := range 8 {
					ag, err := r.CreateAgent(t.Context(), c.Teacher, c.Project.ID, app.AgentSettings{Name: app.Some(fmt.Sprintf("Agent %d", i)), Type: app.Some("helper")})
					if err != nil {
						t.Fatal(err)
					}
					if _, err := r.AttachAgent(t.Context(), c.Teacher, c.Room.ID, ag.ID); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := r.PostMessage(t.Context(), c.Student, c.Room.ID, text, ""); err != nil {
					t.Fatal(err)
				}
				if err := r.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				last := `INSERT INTO "agent_decisions"`
				if name == "TwoSpeak" {
					last = `INSERT INTO "agent_turns"`
				}
				apptest.Await(t, "the look", func() bool {
					mu.Lock()
					defer mu.Unlock()
					return slices.ContainsFunc(all, func(q string) bool { return strings.HasPrefix(q, last) })
				})
				apptest.Await(t, "its end", func() bool { return strings.Contains(r.Log(), "kind=look_at_room outcome=done") })
				mu.Lock()
				defer mu.Unlock()
				from := slices.IndexFunc(all, func(q string) bool { return strings.Contains(q, ") AS live") })
				decided := slices.IndexFunc(all, func(q string) bool { return strings.Contains(q, `INSERT INTO "agent_decisions"`) })
				if from < 0 || decided < from {
					t.Fatalf("no look in %q", all)
				}
				// Two looks may run side by side here, of which one finds nothing to do.
				var look []string
				for i, q := range all[from:] {
					of := from+i <= decided || strings.Contains(q, `INSERT INTO "agent_turns"`) || strings.HasPrefix(q, `UPDATE "room_agents"`)
					if of && q != "BEGIN" && q != "COMMIT" && !slices.Contains(look, q) {
						look = append(look, q)
					}
				}
				if len(look) > mostOfLook {
					t.Errorf("got %d statements, want %d at most:\n%s", len(look), mostOfLook, strings.Join(look, "\n"))
				}
			})
		})
	}
}
