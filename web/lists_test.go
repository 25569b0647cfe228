package web

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// former is the body that a list had when it was encoded whole.
func former[R, O any](t *testing.T, rows []R, form func(*R) O) string {
	t.Helper()
	var b bytes.Buffer
	if err := huma.DefaultJSONFormat.Marshal(&b, listOf(rows, form)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// actor is a caller of a world as the rules see it.
func (w *world) actor(t *testing.T, who string) *app.Actor {
	t.Helper()
	a, err := w.App.Authenticate(t.Context(), w.callers[who].token)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// heavy fills a world with long things of every sort.
func (w *world) heavy(t *testing.T) (thread string) {
	t.Helper()
	c, word := w.as(owner), strings.Repeat(`"長い" <text> `, 600)
	for i := range 60 {
		c.must(t, 201, post, v1+"/workspaces/"+w.room+"/artifacts", body{"type": "doc", "title": fmt.Sprint("Doc ", i), "content": body{"z": word, "a": i}})
		c.must(t, 201, post, v1+"/rooms/"+w.room+"/messages", body{"text": fmt.Sprint(i, word)})
		c.must(t, 200, post, v1+"/announcements/", body{"title": fmt.Sprint("News ", i), "content": word, "course_id": w.course})
		if i < 12 {
			c.must(t, 200, post, v1+"/agents/global", body{"type": "teacher", "name": fmt.Sprint("Mine ", i), "system_prompt": word, "model_provider": "offline"})
			c.must(t, 200, post, v1+"/agents/"+w.project, body{"type": "student", "name": fmt.Sprint("Ours ", i), "system_prompt": word, "model_provider": "offline"})
			c.must(t, 200, post, v1+"/agent-config/"+w.agent+"/versions", body{"version_label": fmt.Sprint("v", i)})
			c.must(t, 200, post, v1+"/courses/", body{"title": fmt.Sprint("Course ", i), "description": word})
			c.must(t, 200, post, v1+"/rooms/", body{"name": fmt.Sprint("Room ", i), "description": word, "course_id": w.course})
			org := c.must(t, 200, post, v1+"/organizations", body{"name": fmt.Sprint("School ", i), "description": word}).text(t, "id")
			c.must(t, 200, post, v1+"/projects", body{"name": fmt.Sprint("Project ", i), "description": word, "organization_id": org})
			c.must(t, 200, post, v1+"/users/keys", body{"provider": "openai", "alias": fmt.Sprint("key ", i), "api_key": "key", "description": word})
			w.newMember(t)
		}
	}
	thread = c.must(t, 200, post, v1+"/threads/", body{"project_id": w.project, "agent_id": w.agent}).text(t, "id")
	if err := w.opened.DB.InTx(t.Context(), func(tx *store.Tx) error {
		for range 20 {
			m := &store.Message{ID: store.NewID(), RoomID: thread, SenderID: w.users[owner].ID, Content: word,
				CreatedAt: time.Now().UTC().Truncate(time.Microsecond)}
			if _, _, err := tx.AddMessage(t.Context(), m, event.OfMessage(m), store.Heard{Unheard: true}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return thread
}

// A list that is sent row by row is byte for byte what it was when it was sent
// as a whole.
func TestListsAreWhatTheyWere(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorldOf(t, url, func(c *config.Config) { c.Limits.PostsBurst = 1000 })
		thread, by, ctx, s := w.heavy(t), w.actor(t, owner), t.Context(), w.server
		lists := map[string]string{}
		add := func(path, text string) { lists[path] = text }
		must := func(err error) {
			if err != nil {
				t.Helper()
				t.Fatal(err)
			}
		}
		lines, err := w.opened.DB.Messages(ctx, w.room, 0, store.MaxLimit)
		must(err)
		add("/chat/messages/"+w.room, former(t, lines, messageForm))
		older := slices.DeleteFunc(slices.Clone(lines), func(m store.Message) bool { return m.Seq >= 20 })
		add("/chat/messages/"+w.room+"?limit=7&before=20", former(t, older[len(older)-7:], messageForm))
		said, err := w.opened.DB.ThreadMessages(ctx, thread, 0, store.MaxLimit)
		must(err)
		add("/threads/"+thread+"/messages", former(t, said, threadMessageForm))
		docs, err := storetest.All(w.App.Artifacts(ctx, by, w.room, ""))
		must(err)
		add("/workspaces/"+w.room+"/artifacts", former(t, docs, artifactForm))
		add("/workspaces/"+w.room+"/artifacts?artifact_type=task", "[]\n")
		mine, err := storetest.All(w.App.Templates(ctx, by, everything))
		must(err)
		add("/agents/global/list", former(t, mine, s.agentForm))
		ours, err := storetest.All(w.App.Agents(ctx, by, w.project, everything))
		must(err)
		add("/agents/"+w.project, former(t, ours, s.agentForm))
		add("/agent-config/"+w.project, former(t, ours, s.agentUnmasked))
		kept, err := storetest.All(w.App.Versions(ctx, by, w.agent, store.Page{}))
		must(err)
		add("/agent-config/"+w.agent+"/versions", former(t, kept, versionForm))
		news, err := storetest.All(w.App.Announcements(ctx, by, w.course, everything))
		must(err)
		add("/announcements/?course_id="+w.course, former(t, news, announcementForm))
		courses, err := storetest.All(w.App.Courses(ctx, by, false, store.Page{}))
		must(err)
		ids := func(n int, id func(i int) string) (all []string) {
			for i := range n {
				all = append(all, id(i))
			}
			return all
		}
		inCourses, err := w.App.MyCourses(ctx, by, ids(len(courses), func(i int) string { return courses[i].ID }))
		must(err)
		add("/courses/", former(t, courses, func(c *store.Course) courseOut { return myCourseForm(c, inCourses) }))
		rooms, err := storetest.All(w.App.Rooms(ctx, by, w.course, everything))
		must(err)
		inRooms, err := w.App.RoomStandings(ctx, by, ids(len(rooms), func(i int) string { return rooms[i].ID }))
		must(err)
		add("/rooms/?course_id="+w.course, former(t, rooms, func(r *store.Room) roomOut { return roomFormOf(r, inRooms) }))
		orgs, err := storetest.All(w.App.Organizations(ctx, by, store.Page{}))
		must(err)
		add("/organizations", former(t, orgs, organizationForm))
		projects, err := storetest.All(w.App.Projects(ctx, by, "", store.Page{Skip: 1, Limit: 5}))
		must(err)
		add("/projects?skip=1&limit=5", former(t, projects, projectForm))
		keys, err := storetest.All(w.App.UserKeys(ctx, by))
		must(err)
		add("/users/keys", former(t, keys, s.userKeyForm))
		if len(lines) != 60 || len(docs) != 60 || len(mine) != 12 || len(ours) < 13 || len(kept) != 12 || len(news) != 60 || len(said) != 20 ||
			len(courses) < 13 || len(rooms) != 13 || len(orgs) != 13 || len(projects) != 5 || len(keys) != 12 {
			t.Errorf("the lists have %d %d %d %d %d %d %d %d %d %d %d %d rows", len(lines), len(docs), len(mine), len(ours), len(kept), len(news), len(said),
				len(courses), len(rooms), len(orgs), len(projects), len(keys))
		}
		for path, want := range lists {
			a := w.as(owner).must(t, http.StatusOK, get, v1+path)
			if a.body != want {
				t.Errorf("%s: got %d bytes, want %d", path, len(a.body), len(want))
			}
			if short := len(want) < listStep; short != (a.header.Get("Content-Length") != "") {
				t.Errorf("%s: %d bytes with the length %q", path, len(want), a.header.Get("Content-Length"))
			}
		}
		members := w.as(owner).must(t, http.StatusOK, get, v1+"/courses/"+w.course+"/members").list(t)
		if len(members) != 16 || members[0]["user_id"] != w.users[owner].ID || members[0]["role"] != "teacher" {
			t.Errorf("got %d members, the first %v", len(members), members[0])
		}
		apptest.Await(t, "all to be given back", w.server.answers.empty)
	})
}

// ask sends a request and does not read its answer.
func (w *world) ask(t *testing.T, who, path string) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", w.Addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	// As small as it gets, so that little of the answer leaves the server.
	if err := conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nCookie: %s=%s\r\n\r\n", path, w.Addr, cookieAccess, w.callers[who].token); err != nil {
		t.Fatal(err)
	}
	return conn
}

func (a *answers) held() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.used
}

// Somebody asks for much and reads nothing: there is a bound on what that
// holds, everybody else is answered, and all of it comes back.
func TestUnreadAnswers(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorldOf(t, url, func(c *config.Config) {
			c.Limits.AnswersPerPerson, c.Limits.AnswersAtOnce = 1<<20, 4<<20
		})
		w.server.answers.patience = 200 * time.Millisecond
		db, big := w.opened.DB, `{"a":"`+strings.Repeat("x", 500_000)+`"}`
		now := time.Now().UTC().Truncate(time.Microsecond)
		if err := db.InTx(t.Context(), func(tx *store.Tx) error {
			for range 20 {
				if err := tx.CreateArtifact(t.Context(), &store.Artifact{ID: store.NewID(), RoomID: w.room, Type: app.ArtifactDoc, Title: "Big", Version: 1,
					CreatedAt: now, UpdatedAt: now, Content: store.JSON(big), ContentBytes: int64(len(big))}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		path := v1 + "/workspaces/" + w.room + "/artifacts"
		var conns []net.Conn
		for range 20 {
			conns = append(conns, w.ask(t, student, path))
		}
		apptest.Await(t, "the student to have all that one may have", func() bool { return w.server.answers.held() == 1<<20 })
		refused := 0
		for _, conn := range conns {
			_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode == http.StatusServiceUnavailable {
				var p problem
				if err := json.NewDecoder(res.Body).Decode(&p); err != nil || p.Code != "answers_under_way" || res.Header.Get("Retry-After") == "" {
					t.Errorf("got %+v with %v, %v", p, res.Header, err)
				}
				refused++
			}
		}
		if refused != 19 {
			t.Errorf("%d of 20 were refused, want all but one", refused)
		}
		if a := w.as(ta).must(t, http.StatusOK, get, path); len(a.body) < 20*len(big) {
			t.Errorf("somebody else got %d bytes", len(a.body))
		}
		w.as(student).must(t, http.StatusOK, get, v1+"/users/me") // what is small is no matter
		for _, conn := range conns {
			_ = conn.Close()
		}
		apptest.Await(t, "all to be given back", w.server.answers.empty)
		w.as(student).must(t, http.StatusOK, get, path)
	})
}

// follow reads a list page by page, by its links alone.
func (w *world) follow(t *testing.T, who, path string) (ids []string, pages int) {
	t.Helper()
	for next := path; next != ""; pages++ {
		a := w.as(who).must(t, http.StatusOK, get, next)
		if len(a.body) > pageBytes {
			t.Errorf("%s: a page of %d bytes", next, len(a.body))
		}
		for _, row := range a.list(t) {
			ids = append(ids, row["id"].(string))
		}
		query, ok := strings.CutPrefix(a.header.Get("Link"), "<?")
		if next = ""; ok {
			query, _, _ = strings.Cut(query, ">")
			base, _, _ := strings.Cut(path, "?")
			next = base + "?" + query
		}
	}
	return ids, pages
}

// Whatever ends a page, its link leads to what comes behind it, and to the end.
func TestPagesLeadOn(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorldOf(t, url)
		rows := make([]store.Decision, 30)
		var want []string
		for i := range rows {
			rows[i] = store.Decision{ID: store.NewID(), RoomID: w.room, Cause: "message", FromSeq: int64(i), Seq: int64(i + 1), CreatedAt: time.Now().UTC().Truncate(time.Microsecond),
				Candidates: store.JSON(`[{"agent_id":"` + w.agent + `","detail":"` + strings.Repeat("x", 100_000) + `"}]`)}
			want = slices.Insert(want, 0, rows[i].ID)
		}
		if err := w.opened.DB.InTx(t.Context(), func(tx *store.Tx) error { return tx.CreateDecisions(t.Context(), rows) }); err != nil {
			t.Fatal(err)
		}
		if got, pages := w.follow(t, owner, v1+"/rooms/"+w.room+"/decisions"); !slices.Equal(got, want) || pages != 3 {
			t.Errorf("by size: got %d rows on %d pages, want 30 on 3", len(got), pages)
		}
		if got, pages := w.follow(t, owner, v1+"/rooms/"+w.room+"/decisions?limit=7"); !slices.Equal(got, want) || pages != 5 {
			t.Errorf("by count: got %d rows on %d pages, want 30 on 5", len(got), pages)
		}
		all, _ := w.follow(t, admin, v1+"/admin/audit?limit=200")
		if got, pages := w.follow(t, admin, v1+"/admin/audit?limit=3"); !slices.Equal(got, all) || pages < 2 {
			t.Errorf("the audit log: got %d rows on %d pages, want %d", len(got), pages, len(all))
		}
	})
}

// A list of the contract of which a client asks for a part says where to go on.
func TestPartsOfListsLink(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		for range 3 {
			w.newRoom(t, owner)
			org := w.as(owner).must(t, 200, post, v1+"/organizations", body{"name": "More"}).text(t, "id")
			w.as(owner).must(t, 200, post, v1+"/projects", body{"name": "More", "organization_id": org})
			w.as(owner).must(t, 200, post, v1+"/agent-config/"+w.agent+"/versions", body{"version_label": ""})
		}
		for path, who := range map[string]string{"/courses/": owner, "/organizations": owner, "/projects": owner, "/users/": admin, "/agent-config/" + w.agent + "/versions": owner} {
			all := w.as(who).must(t, 200, get, v1+path)
			if link := all.header.Get("Link"); link != "" {
				t.Errorf("%s: the whole list has the link %s", path, link)
			}
			var ids []any
			for next := "?limit=2"; next != ""; {
				part := w.as(who).must(t, 200, get, v1+path+next)
				for _, row := range part.list(t) {
					ids = append(ids, row["id"])
				}
				next, _, _ = strings.Cut(strings.TrimPrefix(part.header.Get("Link"), "<"), ">")
			}
			var want []any
			for _, row := range all.list(t) {
				want = append(want, row["id"])
			}
			if !slices.Equal(ids, want) || len(want) < 3 {
				t.Errorf("%s: the parts have %v, the whole %v", path, ids, want)
			}
		}
	})
}
