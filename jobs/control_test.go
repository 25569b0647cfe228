package jobs_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// What people do on the page of the queue in one process reaches the workers of
// another, though new jobs are not notified.
func TestControl(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		b := newBench(t, storetest.Open(t, store.Options{URL: url}))
		begun, ended := make(chan struct{}), make(chan error)
		b.work = func(ctx context.Context, roomID string) error {
			if roomID != "long" {
				return nil
			}
			close(begun)
			<-ctx.Done()
			ended <- context.Cause(ctx)
			return errWork
		}
		b.fate = jobs.FailureOutcome{Cancel: true}
		if err := b.workers.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = b.workers.Stop(context.WithoutCancel(t.Context()), patience) }()
		press := page(t, url)

		press(http.MethodPut, "/api/queues/quick/pause", "")
		name := waiting(b)
		b.mustAdd(jobs.RunTurn{TurnID: "the other queue", Attempt: 1})
		b.wantNext("the other queue")
		press(http.MethodPut, "/api/queues/quick/resume", "")
		b.wantNext(name)

		b.mustAdd(jobs.DecideInRoom{RoomID: "long"})
		b.wantNext("long")
		<-begun
		press(http.MethodPost, "/api/jobs/cancel", `{"ids":["`+b.newest()+`"]}`)
		if err := wait(t, "end of the cancelled job", ended); err == nil || !strings.Contains(err.Error(), "cancelled") {
			t.Errorf("the cancelled job ended with %v", err)
		}
	})
}

// page opens the page of the queue in a process that works on nothing. press makes one
// of its calls.
func page(t *testing.T, url string) (press func(method, path, body string)) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	q, err := jobs.New(storetest.Open(t, store.Options{URL: url}), jobs.Options{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	ui, err := q.UI("", log)
	if err != nil {
		t.Fatal(err)
	}
	return func(method, path, body string) {
		t.Helper()
		w := httptest.NewRecorder()
		ui.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body)))
		if w.Code != http.StatusOK {
			t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
	}
}

// waiting adds jobs until one stays where it is, and returns its name.
func waiting(b *bench) (name string) {
	b.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		name = store.NewID()
		b.mustAdd(jobs.DecideInRoom{RoomID: name})
		select {
		case <-b.ran:
		case <-time.After(300 * time.Millisecond):
			return name
		}
	}
	b.Fatal("the queue was not paused")
	return ""
}
