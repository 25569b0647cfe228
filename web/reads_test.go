package web

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// mostReads is the most queries that any reading route may take.
const mostReads = 5

// moreReads are the routes that may take more: pages about one thing that staff
// look at now and then, and that tell of many tables.
var moreReads = map[string]int{
	v1 + "/rooms/{room_id}/agents/{agent_id}/state": 11,
	// These are counted before they are read, a portion at a time.
	v1 + "/runs/{run_id}":                   7,
	v1 + "/rooms/{room_id}/turns/{turn_id}": 6,
	// Whether the person may change the agent takes as many as in all routes of agents.
	v1 + "/threads/{thread_id}/turns/{turn_id}": 10,
	v1 + "/rooms/{room_id}/a2a":                 6,
	v1 + "/admin/keys":                          10, // one for each column that may hold secrets
	// Sums, each by another index, and what agents cost.
	v1 + "/courses/{course_id}/figures": 8,
	// What takes a request for each room otherwise.
	v1 + "/courses/{course_id}/overview": 7,
	v1 + "/courses/{course_id}/agents":   6,
	// Budgets are asked for with the rooms.
	v1 + "/users/me/agents": 6,
}

// A list takes as many queries for thirty rows as for one: what it shows of
// other tables comes with it. Every reading route of the table of access is
// asked, so that new ones are too.
func TestReadsPerRequest(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorldOf(t, url, func(c *config.Config) { c.Limits.PostsBurst = 1000 })
		w.fillUp(t, 1)
		few := w.readsOfRoutes(t)
		w.fillUp(t, 30)
		many := w.readsOfRoutes(t)
		sum := 0
		for _, n := range many {
			sum += n
		}
		if len(few) < 25 || sum < len(many) {
			t.Errorf("only %d routes were asked, with %d queries", len(few), sum)
		}
		for at, n := range few {
			// One more or less is a limit that asks for its next share, another a caller
			// who is not known any more.
			if many[at] > n+2 || many[at] < n-2 {
				t.Errorf("%s: %d queries with one row, %d with thirty", at, n, many[at])
			}
			path, _, _ := strings.Cut(at, " as ")
			if most := max(mostReads, moreReads[path]); many[at] > most {
				t.Errorf("%s: %d queries, want at most %d", at, many[at], most)
			}
		}
	})
}

// fillUp adds n of everything that lists show.
func (w *world) fillUp(t testing.TB, n int) {
	t.Helper()
	c, at := w.as(owner), func(path string) string { return v1 + path }
	for range n {
		word := store.NewID()
		u := w.addUser(t, app.RoleStudent, "reader", true)
		c.must(t, 200, post, at("/courses/"+w.course+"/enroll"), body{"user_id": u.ID})
		c.must(t, 200, post, at("/rooms/"+w.room+"/assign"), body{"user_id": u.ID})
		c.must(t, 200, post, at("/courses/"), body{"title": word})
		c.must(t, 200, post, at("/rooms/"), body{"name": word, "course_id": w.course, "ai_mode": "off"})
		c.must(t, 200, post, at("/rooms/"+w.room+"/agents/"+w.newAgent(t)))
		said := c.must(t, 201, post, at("/rooms/"+w.room+"/messages"), body{"text": word}).text(t, "id")
		w.as(ta).must(t, 201, post, at("/rooms/"+w.room+"/messages"), body{"text": "A reply", "reply_to": said})
		w.as(ta).must(t, 200, put, at("/rooms/"+w.room+"/messages/"+said+"/reactions"), body{"emoji": "👍"})
		c.must(t, 204, put, at("/users/me/bookmarks/"+said), body{"note": word})
		c.must(t, 204, put, at("/rooms/"+w.room+"/messages/"+said+"/pin"))
		w.as(ta).must(t, 201, post, at("/rooms/"+w.room+"/messages"), body{"text": "@Full owner " + word})
		c.must(t, 200, post, at("/announcements/"), body{"title": word, "content": word, "course_id": w.course})
		w.postedFile(t)
		w.newRun(t, w.room)
		w.newWorkflow(t)
		c.must(t, 201, post, at("/workspaces/"+w.room+"/artifacts"), body{"type": "doc", "title": word, "content": body{}})
		org := c.must(t, 200, post, at("/organizations"), body{"name": word}).text(t, "id")
		c.must(t, 200, post, at("/projects"), body{"name": word, "organization_id": org})
		for _, who := range []string{owner, superAdmin} {
			w.as(who).must(t, 200, post, at("/users/keys"), body{"provider": "openai", "alias": word, "api_key": "key"})
			w.session(t, w.users[who].ID)
		}
	}
}

// readsOfRoutes is how many queries each reading route takes, as two callers.
func (w *world) readsOfRoutes(t testing.TB) map[string]int {
	t.Helper()
	got := map[string]int{}
	for _, r := range accessTable {
		path, ok := strings.CutPrefix(r.route, "GET ")
		if !ok || strings.HasPrefix(path, pathQueue) {
			continue
		}
		values, _ := r.request(t, w)
		for _, who := range []string{owner, superAdmin} {
			// Callers are known for some seconds only. A slow machine needs longer for these
			// requests, so a caller is looked up anew in one of them: the next is without it.
			for range 2 {
				name := strings.ReplaceAll(store.NewID(), "-", "")
				a := w.as(who).with(requestIDHeader, name).do(t, get, fill(path, values))
				if a.status >= 300 {
					break
				}
				at, reads := path+" as "+who, w.readsOf(t, name)
				if before, ok := got[at]; !ok || reads < before {
					got[at] = reads
				}
				if reads <= max(mostReads, moreReads[path]) {
					break
				}
			}
		}
	}
	return got
}

// readsOf is what the log says of a request.
func (w *world) readsOf(t testing.TB, requestID string) (reads int) {
	t.Helper()
	apptest.Await(t, "the line of the request "+requestID, func() bool {
		log := w.log.String()
		from := strings.LastIndex(log, fmt.Sprintf(`"request_id":%q`, requestID))
		if from < 0 {
			return false
		}
		start, end := strings.LastIndexByte(log[:from], '\n')+1, strings.IndexByte(log[from:], '\n')
		var line struct {
			Msg   string `json:"msg"`
			Reads int    `json:"reads"`
		}
		if end < 0 || json.Unmarshal([]byte(log[start:from+end]), &line) != nil || line.Msg != "request" {
			return false
		}
		reads = line.Reads
		return true
	})
	return reads
}
