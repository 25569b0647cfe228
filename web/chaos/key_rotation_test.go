//go:build unix

package chaos

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store/storetest"
	"github.com/coagent-studio/coagent/web/proctest"
)

// rotationKills is how often a rotation is killed.
const rotationKills, rotationKillsLong = 6, 50

// TestKeyRotation changes the encryption key of a school beside its running server. The
// command is killed at random points and run again. Then the old key goes, and the agents
// answer with their stored keys.
func TestKeyRotation(t *testing.T) {
	t.Parallel()
	proctest.Each(t, func(t *testing.T, s *proctest.Site) {
		older, newer := proctest.EncryptionKey(), proctest.EncryptionKey()
		keys := func(all ...string) { s.Set("COAGENT_AUTH_ENCRYPTION_KEYS=" + strings.Join(all, ",")) }
		run := func(want int, says string, args ...string) {
			t.Helper()
			out, code := s.Run(args...)
			if code != want || !strings.Contains(out, says) || innerWords.MatchString(out) || strings.Contains(out, older) || strings.Contains(out, newer) {
				t.Errorf("%v: exited with %d, want %d and %q: %s", args, code, want, says, out)
			}
		}
		const stored = "sk-stored-77a1c0de55"
		keys(older)
		serve := s.Serve()
		w := s.Populate(proctest.To(false, serve), proctest.Plan{Students: 1, Rooms: 1, Agent: stored})
		for i := range 45 {
			w.Teacher.Call(t, http.MethodPost, "/api/v1/users/keys", map[string]string{"provider": "openai", "alias": fmt.Sprint(i), "api_key": "sk-" + fmt.Sprint(i) + "-of-a-person"}, nil)
		}
		keys(newer, older)
		run(0, "run coagent keys rotate", "keys", "status")
		run(1, "another first encryption key", "keys", "rotate") // the server does not know the new key
		if code, _, err := serve.Term(drainLimit); code != 0 || err != nil {
			t.Fatalf("serve exited with %d (%v)", code, err)
		}
		serve = s.Serve()
		if s.Postgres() {
			// The process that has just ended is still taken for alive. A test need not wait.
			storetest.Exec(t, s.DB(), "UPDATE nodes SET seen_at = seen_at - interval '5 minutes' WHERE keys NOT LIKE (SELECT split_part(keys, ' ', 1) FROM nodes ORDER BY started_at DESC LIMIT 1) || '%'")
		}
		for range either(rotationKillsLong, rotationKills) {
			p := s.Command("keys", "rotate")
			if err := p.Launch(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(rand.IntN(400)) * time.Millisecond) // a kill has no signal to wait for
			_ = p.Kill9()                                                // it may have ended by itself
			run(0, "", "keys", "status")
		}
		run(0, "can be taken out", "keys", "rotate")
		run(0, `"unreadable_ids":[]`, "keys", "status", "--json")
		if code, _, err := serve.Term(drainLimit); code != 0 || err != nil {
			t.Fatalf("serve exited with %d (%v)", code, err)
		}
		keys(older)
		run(1, "is not the one this database was made with", "keys", "status")
		keys(newer)
		serve = s.Serve()
		nodes := proctest.To(false, serve)
		s.Model.Script(func(r llmtest.Request) llmtest.Response {
			if r.Key != stored {
				return llmtest.Response{Status: http.StatusUnauthorized, Message: "wrong key"}
			}
			return llmtest.Response{Text: "With the stored key"}
		})
		m := s.Join(w.Students[0].At(nodes), w.Rooms[0])
		if err := m.Say(within(t, 20*time.Second), "Are you there?"); err != nil {
			t.Fatal(err)
		}
		if err := m.Await(within(t, 30*time.Second), "an answer", func() bool { return m.Last() == 2 }); err != nil {
			t.Error(err)
		}
		if strings.Contains(serve.Log(), stored) {
			t.Error("the stored key shows in the log")
		}
	})
}
