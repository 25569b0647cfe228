package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// ledgerStarts is a period of tests.
var ledgerStarts = store.PeriodStarts{store.PeriodDay: "2026-03-02", store.PeriodWeek: "2026-03-02", store.PeriodMonth: "2026-03-01", store.PeriodTotal: ""}

// ledgerScopes are a course and a key that all calls share, and things that some share.
func ledgerScopes(r *rand.Rand) []store.Scope {
	scopes := []store.Scope{{Kind: store.ScopeCourse, ID: "course"}, {Kind: store.ScopeKey, ID: "key"},
		{Kind: store.ScopeRoom, ID: fmt.Sprint("room", r.IntN(3))}, {Kind: store.ScopeAgent, ID: fmt.Sprint("agent", r.IntN(3))},
		{Kind: store.ScopePerson, ID: fmt.Sprint("person", r.IntN(4))}}
	r.Shuffle(len(scopes), func(i, j int) { scopes[i], scopes[j] = scopes[j], scopes[i] })
	return scopes
}

// makeLedger makes budgets that do not allow all that is asked for.
func makeLedger(t testing.TB, db *store.DB) {
	t.Helper()
	now := time.Now().UTC().Truncate(time.Microsecond)
	add := func(kind, id, period, unit string, most int64) {
		b := store.Budget{ID: store.NewID(), ScopeKind: kind, ScopeID: id, Period: period, Unit: unit, Cap: most, CreatedAt: now, UpdatedAt: now, Version: 1}
		if err := db.InTx(t.Context(), func(tx *store.Tx) error { return tx.CreateBudget(t.Context(), &b) }); err != nil {
			t.Fatal(err)
		}
	}
	add(store.ScopeCourse, "course", store.PeriodMonth, "USD", 40_000_000_007)
	add(store.ScopeCourse, "course", store.PeriodTotal, store.UnitTokens, 60_000)
	add(store.ScopeKey, "key", store.PeriodDay, "USD", 50_000_000_003)
	for i := range 3 {
		add(store.ScopeRoom, fmt.Sprint("room", i), store.PeriodDay, store.UnitTokens, 25_000)
		add(store.ScopeAgent, fmt.Sprint("agent", i), store.PeriodWeek, "USD", 20_000_000_001)
		add(store.ScopePerson, fmt.Sprint("person", i), store.PeriodTotal, "USD", 15_000_000_009)
	}
}

// heldCall reserves a call with a random worst case; nil when a budget has too little left.
func heldCall(ctx context.Context, db *store.DB, r *rand.Rand) (*store.Usage, error) {
	budgets, err := db.Budgets(ctx, ledgerScopes(r), ledgerStarts)
	if err != nil {
		return nil, err
	}
	r.Shuffle(len(budgets), func(i, j int) { budgets[i], budgets[j] = budgets[j], budgets[i] })
	now := time.Now().UTC().Truncate(time.Microsecond)
	u := &store.Usage{ID: store.NewID(), Origin: "test", Provider: "p", Model: "m", State: store.UsageHeld, Basis: store.BasisWorst, Currency: "USD", Day: "2026-03-02",
		StartedAt: now, ExpiresAt: now.Add(time.Hour), InputTokens: 1 + r.Int64N(1000), OutputTokens: r.Int64N(500), WorstCost: 1 + r.Int64N(1_000_000_000)}
	u.WorstTokens, u.Cost = u.InputTokens+u.OutputTokens, u.WorstCost
	err = db.InTx(ctx, func(tx *store.Tx) error { return tx.Reserve(ctx, u, budgets) })
	if errors.Is(err, store.ErrShort) {
		return nil, nil //nolint:nilnil // it is refused
	}
	return u, err
}

// endCall settles a call with less than its worst case, or frees it.
func endCall(ctx context.Context, db *store.DB, r *rand.Rand, u *store.Usage) (late bool, err error) {
	u.State, u.Outcome, u.ExpiresAt = store.UsageSettled, "ok", time.Time{}
	u.InputTokens, u.OutputTokens, u.Cost = r.Int64N(u.InputTokens+1), r.Int64N(u.OutputTokens+1), r.Int64N(u.WorstCost+1)
	err = db.InTx(ctx, func(tx *store.Tx) (err error) {
		if r.IntN(10) == 0 {
			late, err = tx.Unreserve(ctx, u)
		} else {
			late, err = tx.Settle(ctx, u)
		}
		return err
	})
	return late, err
}

// expireAll charges all calls that are under way.
func expireAll(ctx context.Context, db *store.DB, limit int) (n int, err error) {
	far := time.Now().Add(24 * time.Hour)
	ids, err := db.OverdueUsage(ctx, far, limit)
	for _, id := range ids {
		var u *store.Usage
		if err := db.InTx(ctx, func(tx *store.Tx) (err error) { u, err = tx.Expire(ctx, id, far); return err }); err != nil {
			return n, err
		}
		if u != nil {
			n++
		}
	}
	return n, err
}

// Whatever many workers do at once with calls that share budgets in any order, no budget is
// overspent, and each has spent what its calls used to the last billionth.
func TestBudgetsAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		makeLedger(t, db)
		var wg sync.WaitGroup
		var mu sync.Mutex
		granted, refused, expired, late, twice := 0, 0, 0, 0, 0
		for worker := range 8 {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(uint64(worker), 13))
				fail := func(err error) bool {
					if err != nil {
						t.Error(err)
					}
					return err != nil
				}
				for range 40 {
					u, err := heldCall(t.Context(), db, r)
					if fail(err) {
						return
					}
					mu.Lock()
					if u == nil {
						refused++
					} else {
						granted++
					}
					mu.Unlock()
					if r.IntN(8) == 0 {
						n, err := expireAll(t.Context(), db, 1+r.IntN(3))
						if fail(err) {
							return
						}
						mu.Lock()
						expired += n
						mu.Unlock()
					}
					if u == nil || r.IntN(20) == 0 {
						continue // refused, or its worker died
					}
					was, err := endCall(t.Context(), db, r, u)
					if fail(err) {
						return
					}
					again := *u
					second, err := endCall(t.Context(), db, r, &again)
					if fail(err) {
						return
					}
					mu.Lock()
					if was {
						late++
					}
					if second {
						twice++
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		storetest.Balanced(t, db)
		n, err := expireAll(t.Context(), db, 1000)
		if err != nil {
			t.Fatal(err)
		}
		storetest.Balanced(t, db)
		t.Logf("%d granted, %d refused, %d expired, %d settled late", granted, refused, expired+n, late)
		if granted == 0 || refused == 0 || expired+n == 0 || twice > 0 {
			t.Errorf("granted %d, refused %d, expired %d, settled twice %d", granted, refused, expired+n, twice)
		}
		for id, row := range storetest.BudgetRows(t, db) {
			if row.Held != 0 {
				t.Errorf("row %s still holds %d", id, row.Held)
			}
		}
	})
}

// A cap that changes and a budget that is deleted while calls are reserved take effect as a
// whole.
func TestBudgetChangesAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		makeLedger(t, db)
		course := []store.Scope{{Kind: store.ScopeCourse, ID: "course"}}
		all, err := db.Budgets(t.Context(), course, ledgerStarts)
		if err != nil || len(all) != 2 {
			t.Fatalf("got %+v, %v", all, err)
		}
		var wg sync.WaitGroup
		for worker := range 4 {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(uint64(worker), 7))
				for range 20 {
					u, err := heldCall(t.Context(), db, r)
					if err != nil && !errors.Is(err, store.ErrReferenced) {
						t.Error(err)
					}
					if err == nil && u != nil {
						if _, err := endCall(t.Context(), db, r, u); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		wg.Go(func() {
			b := all[0].Budget
			for i := range 10 {
				b.Cap, b.UpdatedAt = b.Cap+int64(i), time.Now().UTC()
				if err := db.InTx(t.Context(), func(tx *store.Tx) error { return tx.UpdateBudget(t.Context(), &b) }); err != nil {
					t.Error(err)
				}
			}
			if err := db.InTx(t.Context(), func(tx *store.Tx) error { return tx.DeleteBudget(t.Context(), all[1].ID) }); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		now, err := db.Budgets(t.Context(), course, ledgerStarts)
		if err != nil || len(now) != 1 || now[0].Cap != all[0].Cap+45 {
			t.Errorf("got %+v, %v", now, err)
		}
		for _, row := range storetest.BudgetRows(t, db) {
			if row.BudgetID == all[0].ID && row.Cap != all[0].Cap+45 {
				t.Errorf("the row has the cap %d, the budget %d", row.Cap, all[0].Cap+45)
			}
		}
		storetest.Balanced(t, db)
	})
}

// budgetWorker is the variable with the database of a process that TestBudgetWorker is.
const budgetWorker = "COAGENT_BUDGET_WORKER"

// TestBudgetWorker is no test: it is the process that TestBudgetsOverKills kills. It tells
// each reservation in a line.
func TestBudgetWorker(t *testing.T) {
	url := os.Getenv(budgetWorker)
	if url == "" {
		t.Skip("TestBudgetsOverKills starts it")
	}
	db := storetest.Open(t, store.Options{URL: url, Pool: 4})
	r := rand.New(rand.NewPCG(uint64(os.Getpid()), uint64(time.Now().UnixNano())))
	var wg sync.WaitGroup
	var seeds sync.Mutex
	for range 4 {
		wg.Go(func() {
			seeds.Lock()
			mine := rand.New(rand.NewPCG(r.Uint64(), r.Uint64()))
			seeds.Unlock()
			for {
				u, err := heldCall(t.Context(), db, mine)
				if err != nil {
					t.Error(err)
					return
				}
				fmt.Println("reserved", u != nil)
				if u == nil {
					continue
				}
				if _, err := endCall(t.Context(), db, mine, u); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// Processes that are killed in the midst of their calls leave no budget overspent and none
// with a sum that is not that of its calls.
func TestBudgetsOverKills(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		db := storetest.Open(t, store.Options{URL: url})
		makeLedger(t, db)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				for range 4 {
					killWorker(t, url, 15)
				}
			})
		}
		wg.Wait()
		storetest.Balanced(t, db)
		n, err := expireAll(t.Context(), db, 1000)
		if err != nil {
			t.Fatal(err)
		}
		storetest.Balanced(t, db)
		t.Logf("%d calls were left behind, of %d", n, len(storetest.Usage(t, db)))
	})
}

// killWorker starts a worker and kills it after so many reservations.
func killWorker(t *testing.T, url string, after int) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestBudgetWorker$", "-test.v")
	cmd.Env = append(os.Environ(), budgetWorker+"="+url)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Error(err)
		return
	}
	lines, seen := bufio.NewScanner(out), 0
	for seen < after && lines.Scan() {
		if strings.HasPrefix(lines.Text(), "reserved") {
			seen++
		} else if strings.Contains(lines.Text(), "FAIL") {
			t.Errorf("a worker failed: %s", lines.Text())
		}
	}
	if err := cmd.Process.Kill(); err != nil { // SIGKILL
		t.Error(err)
	}
	_, _ = io.Copy(io.Discard, out)
	_ = cmd.Wait() // it was killed
	if seen < after {
		t.Errorf("a worker made %d reservations, want %d", seen, after)
	}
}
