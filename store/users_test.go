package store_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func TestUsersAreUniqueInAnyCase(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		create := func(email, username string) error {
			u := newUser("x")
			u.Email, u.Username = email, &username
			if username == "" {
				u.Username = nil
			}
			return db.InTx(t.Context(), func(tx *store.Tx) error { return tx.CreateUser(t.Context(), u) })
		}
		for _, rule := range []struct {
			email, username string
			want            error
		}{
			{"Ann@Example.com", "Ann", nil},
			{"ann@example.COM", "other", store.ErrExists},
			{"other@example.com", "aNN", store.ErrExists},
			{"noname1@example.com", "", nil},
			{"noname2@example.com", "", nil},
			{"ann@example.com ", "ann2", store.ErrExists},
			{"ANN@ｅｘａｍｐｌｅ.com", "ann2", store.ErrExists},
			{"other@example.com", "\u212bnn", nil},
			{"third@example.com", "a\u030ann", store.ErrExists},
		} {
			mustBe(t, rule.email+" "+rule.username, create(rule.email, rule.username), rule.want)
		}
	})
}

func TestUsersAreUniqueInARace(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var wg sync.WaitGroup
		var made, refused atomic.Int32
		for i := range 12 {
			wg.Go(func() {
				u := newUser("x")
				u.Email = "ann@example.com"
				if i%2 == 0 {
					u.Email = strings.ToUpper(u.Email)
				}
				switch err := db.InTx(t.Context(), func(tx *store.Tx) error { return tx.CreateUser(t.Context(), u) }); {
				case err == nil:
					made.Add(1)
				case errors.Is(err, store.ErrExists):
					refused.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if made.Load() != 1 || refused.Load() != 11 {
			t.Errorf("got %d made and %d refused, want 1 and 11", made.Load(), refused.Load())
		}
	})
}

func TestUserByLogin(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		victim, thief := newUser("victim"), newUser("thief")
		victim.Email, thief.Username = "Victim@example.com", new("victim@example.com")
		// The thief is there first, and so would be found first.
		for _, u := range []*store.User{thief, victim} {
			if err := db.InTx(t.Context(), func(tx *store.Tx) error { return tx.CreateUser(t.Context(), u) }); err != nil {
				t.Fatal(err)
			}
		}
		for login, want := range map[string]*store.User{
			"victim@EXAMPLE.com":              victim,
			strings.ToUpper(*victim.Username): victim,
			thief.Email:                       thief,
		} {
			got, err := db.UserByLogin(t.Context(), login)
			if err != nil || got.ID != want.ID {
				t.Errorf("%s: got %v (%v), want %s", login, got, err, want.Email)
			}
		}
		for _, login := range []string{"", "%", "victim", "victim@example.org"} {
			_, err := db.UserByLogin(t.Context(), login)
			mustBe(t, login, err, store.ErrNotFound)
		}
	})
}

func TestSetPasswordHash(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			return tx.SetPasswordHash(ctx, w.pupil.ID, "$argon2id$x")
		})
		got, err := db.UserByEmail(t.Context(), strings.ToUpper(w.pupil.Email))
		if err != nil {
			t.Fatal(err)
		}
		if got.PasswordHash != "$argon2id$x" || got.Version != 2 {
			t.Errorf("got %q at version %d", got.PasswordHash, got.Version)
		}
		if other, err := db.User(t.Context(), w.owner.ID); err != nil || other.PasswordHash != "" {
			t.Errorf("another account: got %+v (%v)", other, err)
		}
	})
}

func TestHasSuperAdmin(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		newWorld(t, db)
		for _, want := range []bool{false, true} {
			if got, err := db.HasSuperAdmin(t.Context()); got != want || err != nil {
				t.Errorf("got %v (%v), want %v", got, err, want)
			}
			u := newUser("root")
			u.Role = "super_admin"
			if err := db.InTx(t.Context(), func(tx *store.Tx) error { return tx.CreateUser(t.Context(), u) }); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestUserName(t *testing.T) {
	t.Parallel()
	for want, u := range map[string]store.User{
		"Full": {Email: "e", Username: new("u"), FullName: new("Full")},
		"u":    {Email: "e", Username: new("u"), FullName: new("")},
		"e":    {Email: "e", Username: new("")},
	} {
		if got := u.Name(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// One of two who spend a one-time value at once gets it, one of two who set
// the first value at once wins.
func TestSettings(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		var wg sync.WaitGroup
		var mu sync.Mutex
		stored := map[string]bool{}
		for range 8 {
			wg.Go(func() {
				err := db.InTx(t.Context(), func(tx *store.Tx) error {
					got, err := tx.InitSetting(t.Context(), "secret", store.NewID())
					mu.Lock()
					defer mu.Unlock()
					stored[got] = true
					return err
				})
				mustBe(t, "InitSetting", err, nil)
			})
		}
		wg.Wait()
		if len(stored) != 1 {
			t.Errorf("InitSetting returned %d values, want 1", len(stored))
		}
		var spent atomic.Int32
		for range 8 {
			wg.Go(func() {
				err := db.InTx(t.Context(), func(tx *store.Tx) error { return tx.DeleteSetting(t.Context(), "secret") })
				if err == nil {
					spent.Add(1)
				} else {
					mustBe(t, "DeleteSetting", err, store.ErrNotFound)
				}
			})
		}
		wg.Wait()
		if got := spent.Load(); got != 1 {
			t.Errorf("spent %d times, want once", got)
		}
		for _, want := range []string{"one", "two"} {
			w.tx(func(ctx context.Context, tx *store.Tx) error { return tx.SetSetting(ctx, "key", want) })
			if got, err := db.Setting(t.Context(), "key"); got != want || err != nil {
				t.Errorf("got %q (%v), want %q", got, err, want)
			}
		}
	})
}
