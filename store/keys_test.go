package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func TestUserKeys(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		add := func(userID, alias string) (string, error) {
			k := &store.UserKey{ID: store.NewID(), UserID: userID, Provider: "openai", Alias: alias, EncryptedKey: "sealed", CreatedAt: at, UpdatedAt: at}
			return k.ID, w.try(func(ctx context.Context, tx *store.Tx) error { return tx.CreateUserKey(ctx, k) })
		}
		b, err1 := add(w.pupil.ID, "b")
		a, err2 := add(w.pupil.ID, "a")
		others, err3 := add(w.owner.ID, "a")
		mustBe(t, "three keys", errors.Join(err1, err2, err3), nil)
		_, err := add(w.pupil.ID, "a")
		mustBe(t, "an alias twice", err, store.ErrExists)

		keys, err := storetest.All(db.UserKeys(t.Context(), w.pupil.ID))
		if err != nil || len(keys) != 2 || keys[0].ID != a || keys[1].ID != b || keys[0].EncryptedKey != "sealed" {
			t.Errorf("UserKeys: got %+v (%v)", keys, err)
		}
		keys, err = db.UserKeysByID(t.Context(), w.pupil.ID, []string{b, others, store.NewID()})
		if err != nil || len(keys) != 1 || keys[0].ID != b {
			t.Errorf("UserKeysByID finds another's key: got %+v (%v)", keys, err)
		}
		if keys, err := db.UserKeysByID(t.Context(), w.pupil.ID, nil); err != nil || len(keys) != 0 {
			t.Errorf("UserKeysByID of none: got %+v (%v)", keys, err)
		}
		remove := func(id string) error {
			return w.try(func(ctx context.Context, tx *store.Tx) error {
				_, err := tx.DeleteUserKey(ctx, w.pupil.ID, id)
				return err
			})
		}
		mustBe(t, "deleting one's own", remove(a), nil)
		mustBe(t, "deleting it again", remove(a), store.ErrNotFound)
		mustBe(t, "deleting another's", remove(others), store.ErrNotFound)
	})
}

func TestAgentKeys(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		set := func(kind, sealed string) {
			w.tx(func(ctx context.Context, tx *store.Tx) error {
				return tx.SetAgentKey(ctx, &store.AgentKey{AgentID: w.agent.ID, KeyType: kind, EncryptedKey: sealed, CreatedAt: at})
			})
		}
		set("room", "old")
		set("global", "other")
		set("room", "new")
		keys, err := db.AgentKeys(t.Context(), w.agent.ID)
		if err != nil || len(keys) != 2 || keys[0].EncryptedKey != "other" || keys[1].EncryptedKey != "new" {
			t.Errorf("got %+v (%v)", keys, err)
		}
		for range 2 {
			w.tx(func(ctx context.Context, tx *store.Tx) error { return tx.DeleteAgentKey(ctx, w.agent.ID, "room") })
		}
		if keys, err := db.AgentKeys(t.Context(), w.agent.ID); err != nil || len(keys) != 1 {
			t.Errorf("after the deletion: got %+v (%v)", keys, err)
		}
	})
}

func TestSigninFailures(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		for i := range 5 {
			w.tx(func(ctx context.Context, tx *store.Tx) error {
				return tx.AddSigninFailures(ctx, []string{"account", "address"}, at.Add(time.Duration(i)*time.Second))
			})
		}
		want := func(what string, since time.Time, account, address int) {
			t.Helper()
			got, err := db.SigninFailures(t.Context(), []string{"account", "address", "nobody"}, since, 10)
			if err != nil || got["account"].Count != account || got["address"].Count != address || got["nobody"].Count != 0 {
				t.Errorf("%s: got %+v (%v), want %d and %d", what, got, err, account, address)
			}
			if c := got["address"]; c.Count > 0 && !c.First.Equal(at.Add(time.Duration(5-c.Count)*time.Second)) {
				t.Errorf("%s: the first was %v", what, c.First)
			}
		}
		want("all", at.Add(-time.Second), 5, 5)
		want("later ones", at.Add(time.Second), 3, 3)
		w.tx(func(ctx context.Context, tx *store.Tx) error { return tx.ForgiveSignin(ctx, "account") })
		want("forgiven", at.Add(-time.Second), 0, 5)
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			for _, left := range []int64{2, 1, 0} {
				n, err := tx.DeleteSigninFailuresBefore(ctx, at.Add(3*time.Second), 2)
				if err != nil || n != left {
					t.Errorf("deleted %d (%v), want %d", n, err, left)
				}
			}
			return nil
		})
		want("the rest", at.Add(-time.Second), 0, 2)
	})
}
