package store_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store/storetest"
)

// mostOfTurn is the most statements from a post to the end of the answer, in a room in
// which this happened before. The job queue's own do not count, nor what Postgres does as
// one statement with a message. Two are the books of the model call: which budgets it has,
// and what it used.
const mostOfTurn = 31

// The test is here for what sees the statements.
func TestStatementsOfATurn(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url, func(c *config.Config) {
			c.Turns.Sweep, c.Turns.Due, c.Turns.Heartbeat = 10*time.Minute, 10*time.Minute, time.Minute
		})
		var mu sync.Mutex
		var all []string
		r.DB.OnQuery(func(query string) {
			mu.Lock()
			defer mu.Unlock()
			switch {
			case query == "BEGIN", query == "COMMIT", strings.Contains(query, "pg_current_snapshot"), strings.Contains(query, "next_due_at <="):
			default:
				all = append(all, query)
			}
		})
		r.Model.Script(llmtest.Always(llmtest.Response{Text: "Because it is."}))
		c := r.Class(t, func(s *app.RoomSettings) { s.AIFrequency = app.Some(0.0) })
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		for turns := 1; turns <= 3; turns++ {
			mu.Lock()
			all = nil
			mu.Unlock()
			if _, err := r.PostMessage(t.Context(), c.Student, c.Room.ID, "@teacher why?", ""); err != nil {
				t.Fatal(err)
			}
			apptest.Await(t, "the end of the turn", func() bool { return strings.Count(r.Log(), "kind=run_turn outcome=done") == turns })
		}
		mu.Lock()
		defer mu.Unlock()
		if len(all) > mostOfTurn || len(all) < 5 {
			for i, q := range all {
				all[i] = q[:min(len(q), 100)]
			}
			t.Errorf("got %d statements, want %d at most:\n%s", len(all), mostOfTurn, strings.Join(all, "\n"))
		}
	})
}
