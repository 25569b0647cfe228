//go:build unix

package movein

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/store/storetest"
	"github.com/coagent-studio/coagent/web/proctest"
)

// TestMoveIn imports each school on each database and compares it with its source through
// the API.
func TestMoveIn(t *testing.T) {
	t.Parallel()
	for name, one := range schools() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proctest.Each(t, func(t *testing.T, s *proctest.Site) { moveIn(t, s, one) }, "COAGENT_TIMEZONE=Asia/Taipei")
		})
	}
}

func moveIn(t *testing.T, s *proctest.Site, one school) {
	said := dryRun(t, s, one)
	run := func(args ...string) string {
		t.Helper()
		out, code := s.RunEnv([]string{legacyKey}, one.args(t, args...)...)
		if code != 0 {
			t.Fatalf("exited with %d: %s", code, out)
		}
		said += out
		return out
	}
	if out := run("--report", "report.jsonl"); !strings.Contains(out, "The school is here.") || !strings.Contains(out, "legacy-leftovers.jsonl") {
		t.Fatalf("got %s", out)
	}
	before := content(t, s)
	if out := run(); !strings.Contains(out, "nothing was changed") {
		t.Errorf("a second run says %s", out)
	}
	if after := content(t, s); after != before {
		t.Error("a second run has changed the database")
	}
	serve := s.Serve()
	nodes := proctest.To(false, serve)
	signIns(t, nodes)
	root := person(t, nodes, "root@school.example")
	comparePeople(t, root, one)
	compareMessages(t, root, one)
	nothingStarts(t, s, serve, nodes, one)
	clientCalls(t, nodes, one)
	noSecret(t, s, said)
}

// dryRun says what the import will do, and makes nothing.
func dryRun(t *testing.T, s *proctest.Site, one school) string {
	t.Helper()
	out, code := s.RunEnv([]string{legacyKey}, one.args(t, "--dry-run")...)
	for _, want := range []string{"A dry run: nothing was written", "its file is missing", "signs in as \"Ann_2\"", "belongs to no turn"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("exited with %d, want %q in %s", code, want, out)
		}
	}
	if files, err := os.ReadDir(s.Dir); err != nil || len(files) > 0 {
		t.Errorf("a dry run has made %v (%v)", files, err)
	}
	if s.Postgres() {
		if n := storetest.Count(t, s.DB(), "SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM settings)"); n != 0 {
			t.Errorf("a dry run has made %d rows", n)
		}
	}
	return out
}

func person(t *testing.T, nodes *proctest.Nodes, login string) *proctest.Person {
	t.Helper()
	p := (&proctest.Person{Email: login, Password: passwords()[login]}).At(nodes)
	if err := p.SignIn(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

// signIns: everybody signs in with the password of the old system, as often as they like;
// who could not then cannot now.
func signIns(t *testing.T, nodes *proctest.Nodes) {
	t.Helper()
	for login, password := range passwords() {
		times := 1
		if login == "mei" || login == "noor" {
			times = 2 // the hash is made anew by the first
		}
		for range times {
			if err := (&proctest.Person{Email: login, Password: password}).At(nodes).SignIn(t.Context()); err != nil {
				t.Errorf("%s: %v", login, err)
			}
		}
	}
	for login, password := range map[string]string{"nopw": "", "nopw@school.example": "Pw-nopw-2026!", "Trailing@school.example": "Pw-off-2026!",
		"ann": "Pw-ANN-2026!", "Ann@School.Example": "Pw-ANN-2026!", "ann@school.example": "Pw-guest-2026!"} {
		err := (&proctest.Person{Email: login, Password: password}).At(nodes).SignIn(t.Context())
		if err == nil || !strings.Contains(err.Error(), "40") && !strings.Contains(err.Error(), "422") {
			t.Errorf("%s: got %v, want a refusal", login, err)
		}
	}
}

type userOut struct {
	ID, Email, Role string
	Username        *string
	FullName        *string `json:"full_name"`
	AvatarURL       *string `json:"avatar_url"`
	IsActive        bool    `json:"is_active"`
}

// comparePeople compares every account with the source.
func comparePeople(t *testing.T, root *proctest.Person, one school) {
	t.Helper()
	var list []userOut
	root.Call(t, http.MethodGet, "/api/v1/users/?limit=1000", nil, &list)
	got := map[string]userOut{}
	for _, u := range list {
		got[u.ID] = u
	}
	src, n := one.source(t), one.names(t)
	people := rows(t, src, "user", "created_at", "id")
	if len(list) != len(people) {
		t.Errorf("got %d accounts, want %d", len(list), len(people))
	}
	odd := map[string]bool{n.Users["ANN"]: true, n.Users["guest"]: true}
	for i, want := range people {
		u := got[want["id"]]
		if list[len(list)-1-i].ID != want["id"] {
			t.Errorf("the newest come first: got %s at %d, want %s", list[len(list)-1-i].ID, i, want["id"])
		}
		if u.Role != strings.ToLower(want["role"]) || u.IsActive != (want["is_active"] == "true") || text(u.FullName) != strings.TrimSpace(want["full_name"]) {
			t.Errorf("got %+v, want %v", u, want)
		}
		if !odd[u.ID] && (u.Email != strings.TrimSpace(want["email"]) || text(u.Username) != strings.TrimSpace(want["username"])) {
			t.Errorf("got %+v, want %v", u, want)
		}
	}
	pictures := 0
	for _, u := range list {
		if address := text(u.AvatarURL); strings.HasPrefix(address, "/static/") {
			pictures++
			if a, err := root.Try(t.Context(), http.MethodGet, address, nil); err != nil || a.Status != http.StatusOK || len(a.Body) < 100 {
				t.Errorf("%s: %v %v", address, a, err)
			}
		}
	}
	if pictures != 5 || text(got[n.Users["ext"]].AvatarURL) != "https://pictures.example/ext.png" || got[n.Users["sean"]].AvatarURL != nil {
		t.Errorf("got %d pictures", pictures)
	}
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// compareMessages compares every message of every room with the source: its order, its
// author, its time and its text.
func compareMessages(t *testing.T, root *proctest.Person, one school) {
	t.Helper()
	byRoom := map[string][]map[string]string{}
	for _, m := range rows(t, one.source(t), "message", "room_id", "created_at", "id") {
		byRoom[m["room_id"]] = append(byRoom[m["room_id"]], m)
	}
	for room, want := range byRoom {
		var got []struct {
			ID, Content, Sender string
			SenderID            *string   `json:"sender_id"`
			AgentType           *string   `json:"agent_type"`
			CreatedAt           time.Time `json:"created_at"`
		}
		root.Call(t, http.MethodGet, "/api/v1/chat/messages/"+room+"?limit=1000", nil, &got)
		if len(got) != len(want) {
			t.Errorf("room %s: got %d messages, want %d", room, len(got), len(want))
			continue
		}
		for i, w := range want {
			at, err := time.Parse("2006-01-02 15:04:05.999999", w["created_at"])
			if err != nil {
				t.Fatal(err)
			}
			kind := w["agent_type"]
			if w["sender_id"] != "" {
				kind = ""
			}
			g := got[i]
			if text(g.SenderID) != w["sender_id"] || text(g.AgentType) != kind || g.Content != event.EscapeTrace(w["content"]) || !g.CreatedAt.Equal(at) {
				t.Errorf("room %s: message %d: got %+v, want %v", room, i+1, g, w)
			}
		}
	}
}

// nothingStarts: no agent speaks because of the import, nobody has anything unread, and a
// socket that goes on below what was imported is told to load the history.
func nothingStarts(t *testing.T, s *proctest.Site, serve *proctest.Process, nodes *proctest.Nodes, one school) {
	t.Helper()
	time.Sleep(cmp.Or(map[bool]time.Duration{true: 2 * time.Minute}[long()], 3*time.Second))
	if n := len(s.Model.Requests()); n != 0 {
		t.Errorf("a model was called %d times", n)
	}
	src := one.source(t)
	lines, _ := src.Count(t.Context(), "message")
	if n := storetest.Count(t, s.DB(), "SELECT count(*) FROM messages AS m JOIN rooms AS r ON r.id = m.room_id WHERE r.course_id IS NOT NULL"); int64(n) != lines {
		t.Errorf("got %d messages, want %d", n, lines)
	}
	for _, query := range []string{"SELECT count(*) FROM agent_turns", "SELECT count(*) FROM agent_decisions", "SELECT count(*) FROM mentions",
		"SELECT count(*) FROM messages WHERE day IS NULL OR word_count IS NULL",
		"SELECT count(*) FROM messages AS m JOIN rooms AS r ON r.id = m.room_id WHERE (m.search_pos IS NULL) <> (r.course_id IS NULL)",
		"SELECT count(*) FROM rooms WHERE looked_seq <> event_seq OR unread_after <> event_seq OR look_at IS NOT NULL"} {
		if n := storetest.Count(t, s.DB(), query); n != 0 {
			t.Errorf("%s: got %d, want none", query, n)
		}
	}
	talk := storetest.Count(t, s.DB(), "SELECT CAST(sum(messages) AS BIGINT) FROM talk_days")
	if all := storetest.Count(t, s.DB(), "SELECT count(*) FROM messages"); talk != all {
		t.Errorf("the figures count %d messages of %d", talk, all)
	}
	ann := person(t, nodes, "ann@school.example")
	room := one.names(t).Rooms["b1"]
	var mine []struct{ Unread, Mentions int }
	ann.Call(t, http.MethodGet, "/api/v1/users/me/rooms", nil, &mine)
	for _, r := range mine {
		if r.Unread != 0 || r.Mentions != 0 {
			t.Errorf("got %+v unread", r)
		}
	}
	conn, _, err := ann.Dial(t.Context(), serve.URL, room, "?after=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	var frames []string
	for range 10 {
		var f struct {
			Type  string
			Seq   int64
			After int64
		}
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		if err := conn.ReadJSON(&f); err != nil {
			break
		}
		if frames = append(frames, fmt.Sprintf("%s %d %d", f.Type, f.Seq, f.After)); f.Type == "resync" {
			return
		}
	}
	t.Errorf("a socket that goes on below: got %q, want a resync", frames)
}

// content is every row of the database, as text, but those that a process writes of itself.
func content(t *testing.T, s *proctest.Site) string {
	t.Helper()
	var all strings.Builder
	for _, table := range tables(t, s) {
		query := "SELECT * FROM " + table
		db := s.DB().Reader()
		rows, err := db.QueryContext(t.Context(), query)
		if err != nil {
			t.Fatalf("%s: %v", table, err)
		}
		columns, _ := rows.Columns()
		var lines []string
		for rows.Next() {
			values, into := make([]any, len(columns)), make([]any, len(columns))
			for i := range values {
				into[i] = &values[i]
			}
			if err := rows.Scan(into...); err != nil {
				t.Fatal(err)
			}
			var line strings.Builder
			for _, v := range values {
				if b, ok := v.([]byte); ok {
					v = string(b)
				}
				fmt.Fprintf(&line, "%v|", v)
			}
			lines = append(lines, line.String())
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		_ = rows.Close()
		slices.Sort(lines)
		fmt.Fprintf(&all, "%s\n%s\n", table, strings.Join(lines, "\n"))
	}
	return all.String()
}

func tables(t *testing.T, s *proctest.Site) (names []string) {
	t.Helper()
	query := "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'message_words%' ORDER BY name"
	if s.Postgres() {
		query = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY table_name"
	}
	rows, err := s.DB().Reader().QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		if name != "nodes" && name != "leases" {
			names = append(names, name)
		}
	}
	return names
}

// noSecret: no clear text of a secret is in the database, in what the commands said and in
// what they wrote.
func noSecret(t *testing.T, s *proctest.Site, said string) {
	t.Helper()
	places := map[string][]byte{"the output": []byte(said), "the rows": []byte(content(t, s))}
	for _, pattern := range []string{"*.jsonl", "coagent-data/coagent.db*"} {
		files, _ := filepath.Glob(filepath.Join(s.Dir, pattern))
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			places[file] = data
		}
	}
	for _, p := range s.Processes() {
		places["a log"] = append(places["a log"], p.Log()...)
	}
	for _, secret := range secrets() {
		if len(secret) < 8 {
			continue
		}
		for place, data := range places {
			if bytes.Contains(data, []byte(secret)) {
				t.Errorf("%s has %s in clear", place, secret)
			}
		}
	}
}
