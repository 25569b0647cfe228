package store_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// A warning about a budget goes where people spoke last, of the rooms that it is about.
func TestRoomOfScope(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		other := *w.room
		other.ID, other.Name, other.CreatedAt = store.NewID(), "Other", w.room.CreatedAt.Add(-time.Hour)
		key := store.UserKey{ID: store.NewID(), UserID: w.owner.ID, Provider: "openai", Alias: "a", EncryptedKey: "x",
			CreatedAt: at, UpdatedAt: at}
		mustBe(t, "a second room", w.try(func(ctx context.Context, tx *store.Tx) error {
			if err := tx.CreateRoom(ctx, &other); err != nil {
				return err
			}
			there := store.RoomAgent{RoomID: w.room.ID, AgentID: w.agent.ID, CreatedAt: at, IsActive: true, Version: 1}
			if _, err := tx.AddRoomAgent(ctx, &there); err != nil {
				return err
			}
			return tx.CreateUserKey(ctx, &key)
		}), nil)
		want := func(kind, scope, room string) {
			t.Helper()
			if got, err := db.RoomOfScope(t.Context(), store.Scope{Kind: kind, ID: scope}); err != nil || got != room {
				t.Errorf("%s: got room %q (%v), want %q", kind, got, err, room)
			}
		}
		want(store.ScopeCourse, w.course.ID, w.room.ID)
		want(store.ScopeKey, key.ID, w.room.ID)
		other.ID, other.Name, other.PersonAt = store.NewID(), "Loud", w.room.CreatedAt.Add(time.Minute)
		mustBe(t, "a third room", w.try(func(ctx context.Context, tx *store.Tx) error { return tx.CreateRoom(ctx, &other) }), nil)
		want(store.ScopeCourse, w.course.ID, other.ID)
		want(store.ScopeKey, key.ID, other.ID)
		want(store.ScopeAgent, w.agent.ID, w.room.ID) // it is in this one alone
		want(store.ScopePerson, w.pupil.ID, "")
		for _, kind := range []string{store.ScopeCourse, store.ScopeAgent, store.ScopeKey} {
			want(kind, store.NewID(), "")
		}
	})
}

// The index of messages by agent has those of agents alone, and finds them when an agent is
// deleted.
func TestMessagesOfAgentByIndex(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		mark := "?1"
		if db.Postgres() {
			mark = "$1"
		}
		for _, query := range []string{"UPDATE messages SET agent_id = NULL WHERE agent_id = " + mark,
			"SELECT 1 FROM messages WHERE agent_id = " + mark} {
			if plan := explain(t, db, query); !strings.Contains(plan, "messages_agent") {
				t.Errorf("%s does not use the index:\n%s", query, plan)
			}
		}
	})
}
