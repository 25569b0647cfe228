package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// partsOfRooms are the values of include, with the routes that give the same alone.
var partsOfRooms = map[string]string{"agents": "/rooms/%s/agents", "me": "/users/me/rooms?room_id=%s", "running": "/rooms/%s/messages", "pins": "/rooms/%s/pins"}

// mostReadsOfOpening is the most statements that opening a room with all its parts takes.
const mostReadsOfOpening = 9

// One request opens a room: each part is what its own route gives, to the same people.
func TestOpenRoom(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorldOf(t, url, func(c *config.Config) { c.Limits.PostsBurst = 1000 })
		at := v1 + "/rooms/" + w.room
		w.as(owner).must(t, 200, post, at+"/agents/"+w.agent)
		said := w.say(t, owner, "@"+*w.users[student].FullName+" look")["id"].(string)
		w.as(owner).must(t, 204, put, at+"/messages/"+said+"/pin")
		turn := w.newTurn(t, student)
		all := at + "?include=me,running,pins,agents"
		for _, who := range []string{student, owner} {
			t.Run("the parts of "+who, func(t *testing.T) {
				room, one := w.as(who).must(t, 200, get, all).object(t), w.as(who)
				mine := one.must(t, 200, get, v1+"/users/me/rooms?room_id="+w.room).list(t)[0]
				for member, got := range room["me"].(map[string]any) {
					if fmt.Sprint(got) != fmt.Sprint(mine[member]) {
						t.Errorf("me.%s: got %v, want %v", member, got, mine[member])
					}
				}
				if me := room["me"].(map[string]any); who == student && (me["unread"] != 1.0 || me["mentions"] != 1.0) {
					t.Errorf("got %v", me)
				}
				for part, want := range map[string]string{"agents": one.must(t, 200, get, at+"/agents").body, "pins": one.must(t, 200, get, at+"/pins").body} {
					if got := fmt.Sprint(room[part]); got != fmt.Sprint(answer{body: want}.json(t)) {
						t.Errorf("%s: got %s, want %s", part, got, want)
					}
				}
				running := room["running"].([]any)
				if len(running) != 1 {
					t.Fatalf("got %v", running)
				}
				frame := running[0].(map[string]any)
				if frame["type"] != "turn" || frame["turn_id"] != turn || frame["state"] != "parked" || frame["agent_id"] != w.agent {
					t.Errorf("got %v", frame)
				}
				for _, problem := range frameProblems(chanV2, frame) {
					t.Error(problem)
				}
				bare := one.must(t, 200, get, at).object(t)
				for part := range partsOfRooms {
					if _, there := bare[part]; there {
						t.Errorf("%s is there without being asked for", part)
					}
					delete(room, part)
				}
				if fmt.Sprint(room) != fmt.Sprint(bare) {
					t.Errorf("got %v, want %v", room, bare)
				}
			})
		}
		t.Run("a room in which nothing is has empty lists", func(t *testing.T) {
			_, empty := w.newRoom(t, owner)
			room := w.as(owner).must(t, 200, get, v1+"/rooms/"+empty+"?include=agents,running,pins").object(t)
			for _, part := range []string{"agents", "running", "pins"} {
				if list, ok := room[part].([]any); !ok || len(list) != 0 {
					t.Errorf("%s: got %v", part, room[part])
				}
			}
		})
		t.Run("rights are those of the single routes", func(t *testing.T) {
			w.callers["bot"] = w.watcher(t)
			_, secret := w.newToken(t, student, "write")
			w.callers["writer"] = w.bearer(secret)
			for _, who := range append(slices.Clone(columns), anonymous, inactive, endedSession, "bot", "writer") {
				plain := w.as(who).do(t, get, at).status
				for part, route := range partsOfRooms {
					alone := w.as(who).do(t, get, v1+fmt.Sprintf(route, w.room)).status
					want := plain
					if plain == http.StatusOK {
						want = alone
					}
					if got := w.as(who).do(t, get, at+"?include="+part).status; got != want {
						t.Errorf("%s, %s: got %d, want %d", who, part, got, want)
					}
				}
			}
		})
		t.Run("other values are refused, and named", func(t *testing.T) {
			for _, value := range []string{"people", "me,people", "Me", "me%00", "me%20", "agents,,me"} {
				a := w.as(owner).do(t, get, at+"?include="+value)
				if a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "agents, me, running, pins") {
					t.Errorf("%s: got %d %s", value, a.status, a.body)
				}
			}
			w.as(owner).must(t, 200, get, at+"?include=me,me")
			w.as(owner).must(t, 200, get, at+"?include=")
		})
		t.Run("statements do not grow with what is there", func(t *testing.T) {
			reads := func() int {
				name := strings.ReplaceAll(store.NewID(), "-", "")
				w.as(owner).with(requestIDHeader, name).must(t, 200, get, all)
				return w.readsOf(t, name)
			}
			few := reads()
			w.fillUp(t, 10)
			w.newTurn(t, student)
			if many := reads(); many > few+2 || many > mostReadsOfOpening {
				t.Errorf("%d queries, then %d with more, want at most %d", few, many, mostReadsOfOpening)
			}
		})
	})
}
