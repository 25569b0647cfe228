package ledger_test

import (
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/ledger"
	"github.com/coagent-studio/coagent/store"
)

// Every instant is in exactly one period of each kind: the one that began last and renews
// next, also where clocks change.
func TestPeriods(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"UTC", "Asia/Taipei", "Europe/Berlin", "America/New_York", "Africa/Cairo", "America/Santiago", "Asia/Beirut", "Pacific/Apia"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		for at := time.Date(2025, 12, 20, 0, 30, 0, 0, time.UTC); at.Year() < 2027; at = at.Add(7 * time.Hour) {
			starts := ledger.Starts(at, zone)
			for _, period := range []string{store.PeriodDay, store.PeriodWeek, store.PeriodMonth} {
				renews := ledger.RenewsAt(period, at, zone)
				if !renews.After(at) {
					t.Fatalf("%s: the %s of %v renews at %v", name, period, at, renews)
				}
				if before := ledger.Starts(renews.Add(-time.Second), zone)[period]; before != starts[period] {
					t.Fatalf("%s: the %s of %v is %s, and %s before it renews at %v", name, period, at, starts[period], before, renews)
				}
				if after := ledger.Starts(renews, zone)[period]; after <= starts[period] || after != renews.In(zone).Format(time.DateOnly) {
					t.Fatalf("%s: the %s after %s begins %s, at %v", name, period, starts[period], after, renews.In(zone))
				}
			}
			if monday, err := time.Parse(time.DateOnly, starts[store.PeriodWeek]); err != nil || monday.Weekday() != time.Monday {
				t.Fatalf("the week of %v begins on %s", at, starts[store.PeriodWeek])
			}
		}
	}
	if at := ledger.RenewsAt(store.PeriodTotal, time.Now(), time.UTC); !at.IsZero() {
		t.Errorf("a budget in all renews at %v", at)
	}
}
