//go:build unix

package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
	"github.com/coagent-studio/coagent/web/proctest"
)

// TestBudgetsAndKills: a turn waits for an empty budget and goes on when it is raised or
// deleted, and whoever works is killed at each point of that: before and after the room is
// told, before the turn is woken, and while it answers.
func TestBudgetsAndKills(t *testing.T) {
	t.Parallel()
	proctest.Each(t, func(t *testing.T, s *proctest.Site) {
		s.Model.Script(answers)
		serve := s.Serve()
		victims := []*proctest.Process{serve}
		if s.Postgres() {
			victims = append(victims, s.Worker())
		}
		w := s.Populate(proctest.To(true, serve), proctest.Plan{Students: 1, Rooms: 1, Agent: "sk-test"})
		room, kills, acks := w.Rooms[0], 0, []proctest.Ack(nil)
		kill := func() {
			t.Helper()
			pause(t.Context(), between(0, 300*time.Millisecond))
			p := victims[rand.IntN(len(victims))]
			if err := p.Kill9(); err != nil {
				t.Fatal(err)
			}
			if _, err := p.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			kills++
		}
		scopes := []store.Scope{{Kind: store.ScopeRoom, ID: room}, {Kind: store.ScopeCourse, ID: w.CourseID}, {Kind: store.ScopeAgent, ID: w.AgentIDs[0]}}
		for round := range either(12, 2) {
			scope := scopes[round%len(scopes)]
			var b struct{ ID string }
			w.Teacher.Call(t, http.MethodPost, "/api/v1/budgets", map[string]any{"scope_kind": scope.Kind, "scope_id": scope.ID, "period": "total",
				"unit": "tokens", "cap": 0}, &b)
			acks = append(acks, posted(t, w.Students[0], room, fmt.Sprintf("message %d", round)))
			kill()
			wantTurn(t, s, room, round+1, func(last *store.Turn) bool { return last.State == store.TurnParked && last.Reason == "budget" })
			kill()
			if last := lastTurn(t, s, room, round+1); last == nil || last.State != store.TurnParked {
				t.Fatalf("round %d: got the turn %+v, want it parked: nobody has raised the budget", round, last)
			}
			if round%3 == 2 {
				w.Teacher.Call(t, http.MethodDelete, "/api/v1/budgets/"+b.ID, nil, nil)
			} else {
				w.Teacher.Call(t, http.MethodPut, "/api/v1/budgets/"+b.ID, map[string]any{"cap": 100_000_000}, nil)
			}
			kill()
			wantTurn(t, s, room, round+1, func(last *store.Turn) bool { return last.State != store.TurnParked })
			kill()
			if err := s.Settled(within(t, 90*time.Second), room); err != nil {
				t.Fatal(err)
			}
			if n := noticesOf(t, s, room, b.ID); n != 1 {
				t.Errorf("round %d: the room was told %d times of the empty budget, want once", round, n)
			}
			storetest.Balanced(t, s.DB())
		}
		o := verdict(t, s, row{fault: "kill -9, empty budgets", note: fmt.Sprintf("%d kills", kills)}, w.Rooms, acks, nil)
		if o.Acked != len(acks) || o.Replies != len(acks) || o.Failed > 0 {
			t.Errorf("got %+v, want one answer to each of %d messages", o, len(acks))
		}
		storetest.Balanced(t, s.DB())
	}, "COAGENT_TURNS_MAX_ATTEMPTS=20", "COAGENT_TURNS_SWEEP=500ms")
}

// posted posts a message until it is acknowledged.
func posted(t *testing.T, p *proctest.Person, room, text string) proctest.Ack {
	t.Helper()
	id := uuid.NewString()
	for ctx := within(t, time.Minute); ; pause(ctx, 100*time.Millisecond) {
		ack, a, err := p.Post(ctx, room, id, text)
		if ack != nil {
			return *ack
		}
		if ctx.Err() != nil {
			t.Fatalf("%q was not taken: %+v (%v)", text, a, err)
		}
	}
}

// lastTurn is the n-th turn of a room, and nil as long as there is none.
func lastTurn(t *testing.T, s *proctest.Site, room string, n int) *store.Turn {
	t.Helper()
	turns, err := s.DB().Turns(t.Context(), room, store.Page{Limit: store.MaxLimit})
	if err != nil {
		t.Fatal(err)
	}
	if len(turns) > n {
		t.Fatalf("got %d turns for %d messages", len(turns), n)
	}
	var newest *store.Turn
	for i := range turns {
		if newest == nil || turns[i].ID > newest.ID {
			newest = &turns[i]
		}
	}
	if len(turns) < n {
		return nil
	}
	return newest
}

// wantTurn waits until the n-th turn of a room is as it is to be.
func wantTurn(t *testing.T, s *proctest.Site, room string, n int, is func(*store.Turn) bool) {
	t.Helper()
	var last *store.Turn
	for ctx := within(t, 90*time.Second); ctx.Err() == nil; pause(ctx, 10*time.Millisecond) {
		if last = lastTurn(t, s, room, n); last != nil && is(last) {
			return
		}
	}
	t.Fatalf("the turn did not come so far: %+v", last)
}

// noticesOf counts the notices of a room that a budget is empty.
func noticesOf(t *testing.T, s *proctest.Site, room, budget string) (n int) {
	t.Helper()
	events, err := s.DB().Events(context.WithoutCancel(t.Context()), room, 0, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		var b struct {
			State    string
			BudgetID string `json:"budget_id"`
		}
		if e.Type == "budget" && json.Unmarshal([]byte(e.Body), &b) == nil && b.State == "empty" && b.BudgetID == budget {
			n++
		}
	}
	return n
}
