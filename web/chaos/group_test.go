//go:build unix

package chaos

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/coagent-studio/coagent/web/proctest"
)

// TestKillBetweenCommitAndAnswers: on SQLite the posts that come together share a commit.
// The process is killed when a commit shows in the file, before it has answered. Nothing
// that was answered is lost, and who sends again doubles nothing.
func TestKillBetweenCommitAndAnswers(t *testing.T) {
	t.Parallel()
	s := proctest.New(t, "")
	serve := s.Serve()
	w := s.Populate(proctest.To(false, serve), proctest.Plan{Students: 2, Rooms: 8})
	db, posted, between := s.DB(), 0, 0
	for round := 0; between == 0 || round < 5; round++ {
		if round == 50 {
			t.Fatal("no kill came between a commit and its answers")
		}
		before := heads(t, s, w.Rooms)
		texts, acked := make([]string, len(w.Rooms)*2), make([]bool, len(w.Rooms)*2)
		send := func(i int) (bool, error) {
			ack, _, err := w.Students[i%2].Post(t.Context(), w.Rooms[i/2], texts[i], "Message "+texts[i])
			return ack != nil, err
		}
		var wg sync.WaitGroup
		for i := range texts {
			texts[i] = uuid.NewString()
			wg.Go(func() { acked[i], _ = send(i) }) // the kill ends it
		}
		for deadline := time.Now().Add(10 * time.Second); heads(t, s, w.Rooms) == before; {
			if time.Now().After(deadline) {
				t.Fatal("nothing was posted within 10 s")
			}
		}
		if err := serve.Kill9(); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		for i, id := range texts {
			_, err := db.MessageByClientID(t.Context(), w.Rooms[i/2], w.Students[i%2].ID, id)
			if acked[i] && err != nil {
				t.Errorf("a message that was acknowledged: %v", err)
			} else if !acked[i] && err == nil {
				between++
			}
		}
		if _, err := serve.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range texts {
			if ok, err := send(i); !ok || err != nil {
				t.Fatalf("sent again: %v, %v", ok, err)
			}
		}
		if posted += len(texts); heads(t, s, w.Rooms) != int64(posted) {
			t.Fatalf("got %d events, want %d", heads(t, s, w.Rooms), posted)
		}
	}
	for _, room := range w.Rooms {
		rows, err := db.Messages(t.Context(), room, 0, 1000)
		if err != nil || len(rows)*len(w.Rooms) != posted {
			t.Errorf("got %d messages (%v), want %d", len(rows), err, posted/len(w.Rooms))
		}
		for i, m := range rows {
			if m.Seq != int64(i+1) || m.Content != fmt.Sprint("Message ", m.ClientID) {
				t.Errorf("message %d: got seq %d and %q", i, m.Seq, m.Content)
			}
		}
	}
	t.Logf("%d messages were stored and not answered", between)
}

// heads is the sum of the newest seqs of rooms.
func heads(t *testing.T, s *proctest.Site, rooms []string) (sum int64) {
	t.Helper()
	all, err := s.DB().EventHeads(t.Context(), rooms)
	if err != nil {
		t.Fatal(err)
	}
	for _, seq := range all {
		sum += seq
	}
	return sum
}
