package app_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// TestStandingMetrics asks the running program, on each database, what it tells of the
// queue and of backups.
func TestStandingMetrics(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		now := r.Now().UTC().Truncate(time.Microsecond)
		for state, ago := range map[string]time.Duration{store.BackupDone: 3 * time.Hour, store.BackupFailed: time.Hour} {
			err := r.DB.InTx(t.Context(), func(tx *store.Tx) error {
				b := &store.Backup{ID: store.NewID(), State: store.BackupQueued, Name: state, Place: "p", CreatedAt: now.Add(-ago)}
				if err := tx.CreateBackup(t.Context(), b); err != nil {
					return err
				}
				b, err := tx.ClaimBackup(t.Context(), b.ID, b.Attempt, b.Place, now)
				if err != nil {
					return err
				}
				b.State, b.EndedAt = state, now.Add(-ago)
				return tx.EndBackup(t.Context(), b)
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		w := httptest.NewRecorder()
		r.Telemetry().Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		got := w.Body.String()
		for _, state := range store.JobStates() {
			if !strings.Contains(got, `coagent_jobs{state="`+state+`"} `) {
				t.Errorf("nothing is told of jobs that are %s", state)
			}
		}
		for name, want := range map[string]float64{"backup_age_seconds": 3 * 3600, "backup_failure_age_seconds": 3600} {
			found := regexp.MustCompile(`(?m)^coagent_` + name + ` (\S+)$`).FindStringSubmatch(got)
			if found == nil {
				t.Errorf("no %s", name)
				continue
			}
			if age, err := strconv.ParseFloat(found[1], 64); err != nil || age < want || age > want+600 {
				t.Errorf("%s: got %s, want %v", name, found[1], want)
			}
		}
	})
}
