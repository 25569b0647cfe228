package app_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// waitOf is how long an error tells to wait; zero for none.
func waitOf(t *testing.T, err error) time.Duration {
	t.Helper()
	var e *app.Error
	if err == nil {
		return 0
	}
	if !errors.As(err, &e) || e.Kind != app.KindLimited || e.RetryAfter <= 0 || !strings.Contains(e.Message, "Try again in ") {
		t.Fatalf("got %v, want rate_limited with a wait", err)
	}
	return e.RetryAfter
}

// Several nodes on one database let pass together what one of them would.
func TestNodesShareLimits(t *testing.T) {
	t.Parallel()
	const perMinute, burst = 60, 20
	slow := func(c *config.Config) { c.Limits.PostsPerMinute, c.Limits.PostsBurst = perMinute, burst }
	url := storetest.Postgres(t)
	nodes := []*apptest.Rig{apptest.NewStopped(t, url, slow), apptest.NewStopped(t, url, slow)}
	c := nodes[0].Class(t)
	say := func(node *apptest.Rig, who *app.Actor) error {
		_, err := node.PostMessage(t.Context(), who, c.Room.ID, "hello", store.NewID())
		return err
	}
	t.Run("TheSumIsBounded", func(t *testing.T) {
		begin := time.Now()
		var passed, refused atomic.Int64
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() {
				for range 20 {
					if err := say(nodes[i%2], c.Student); err == nil {
						passed.Add(1)
					} else if app.KindOf(err) == app.KindLimited {
						refused.Add(1)
					} else {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		most := int64(burst + perMinute*time.Since(begin).Minutes() + 1)
		if got := passed.Load(); got < burst || got > most || got+refused.Load() != 120 {
			t.Errorf("%d posts passed two nodes and %d did not, want %d to %d of 120", got, refused.Load(), burst, most)
		}
	})
	t.Run("TheWaitIsRight", func(t *testing.T) {
		var wait time.Duration
		for _, node := range nodes {
			for wait = 0; wait == 0; {
				wait = waitOf(t, say(node, c.Teacher))
			}
			if wait > time.Second {
				t.Errorf("told to wait %s, want a second at most at one post a second", wait)
			}
		}
		for _, node := range nodes {
			node.Advance(time.Second)
		}
		if err := say(nodes[0], c.Teacher); err != nil {
			t.Errorf("after the wait: %v", err)
		}
		begin, passed := time.Now(), 0
		for range 5 {
			if waitOf(t, say(nodes[1], c.Teacher)) == 0 {
				passed++
			}
		}
		// What flowed in besides the one second is the time that the test took.
		if most := 1 + int(time.Since(begin).Seconds()); passed > most {
			t.Errorf("one second gave one node a post and the other %d, want %d at most", passed, most)
		}
	})
	t.Run("SteadyAtTheRate", func(t *testing.T) {
		for range 90 {
			for _, node := range nodes {
				node.Advance(time.Second)
			}
			if err := say(nodes[0], c.TA); err != nil {
				t.Fatal(err)
			}
		}
	})
	t.Run("MostPostsDoNotAsk", func(t *testing.T) {
		var draws atomic.Int64
		who := c.Admin
		before := drawn(t, nodes[0], who)
		for range burst {
			if err := say(nodes[0], who); err != nil {
				t.Fatal(err)
			}
			if now := drawn(t, nodes[0], who); now != before {
				draws.Add(1)
				before = now
			}
		}
		if draws.Load() != 4 {
			t.Errorf("%d posts asked the database %d times, want 4", burst, draws.Load())
		}
	})
	t.Run("EveryKeyHasItsOwn", func(t *testing.T) {
		if err := say(nodes[1], nodes[0].User(t, app.RoleAdmin, "Fresh")); err != nil {
			t.Error(err)
		}
	})
	t.Run("OldBucketsGo", func(t *testing.T) {
		if err := nodes[0].DB.InTx(t.Context(), func(tx *store.Tx) error {
			n, err := tx.DeleteRateBucketsBefore(t.Context(), time.Now().Add(24*time.Hour), 1000)
			if err == nil && n == 0 {
				t.Error("deleted none")
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	})
}

// drawn is the row of a person's bucket, as text.
func drawn(t *testing.T, r *apptest.Rig, who *app.Actor) string {
	t.Helper()
	var row string
	_ = r.DB.Pool().QueryRow(t.Context(), "SELECT level || ' ' || filled_at FROM rate_buckets WHERE key = $1", "posts:"+who.User.ID).Scan(&row)
	return row
}

func TestRequestLimits(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url, func(c *config.Config) {
			c.Limits.RequestsPerMinute, c.Limits.RequestsBurst = 60, 8
			c.Limits.AddressRequestsPerMinute, c.Limits.AddressRequestsBurst = 60, 8
		})
		ctx := t.Context()
		t.Run("OfAPerson", func(t *testing.T) {
			_, secret, _ := token(t, r, r.User(t, app.RoleStudent, "Sue"), app.ScopeRead) // one request
			var err error
			for range 7 {
				if _, err = r.Authenticate(ctx, secret.Reveal()); err != nil {
					t.Fatal(err)
				}
			}
			_, err = r.Authenticate(ctx, secret.Reveal())
			refused(t, err, app.KindLimited, "rate_limited", "You send very many requests. Try again in 1 s.")
			r.Advance(waitOf(t, err))
			_, err = r.Authenticate(ctx, secret.Reveal())
			must(t, err)
		})
		t.Run("OfAnAddress", func(t *testing.T) {
			for range 8 {
				must(t, r.AdmitAddress(ctx, "192.0.2.1"))
			}
			refused(t, r.AdmitAddress(ctx, "192.0.2.1"), app.KindLimited, "rate_limited", "Very many requests come from your address. Try again in 1 s.")
			must(t, r.AdmitAddress(ctx, "192.0.2.2"))
		})
		t.Run("AnIPv6NetworkIsOneAddress", func(t *testing.T) {
			for _, address := range strings.Fields("2001:db8::1 2001:db8::2 2001:db8::3 2001:db8::4 2001:db8::5 2001:db8::6 2001:db8::7 2001:db8::8") {
				must(t, r.AdmitAddress(ctx, address))
			}
			waitOf(t, r.AdmitAddress(ctx, "2001:db8::9"))
			must(t, r.AdmitAddress(ctx, "2001:db8:0:1::9"))
		})
	})
}
