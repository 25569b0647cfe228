package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/store"
)

const tokensPath = v1 + "/users/me/tokens"

// newToken makes a personal access token of a caller.
func (w *world) newToken(t testing.TB, who string, scopes ...string) (id, secret string) {
	t.Helper()
	a := w.as(who).must(t, http.StatusCreated, post, tokensPath, body{"name": "test", "scopes": scopes, "expires_in_days": 1})
	return a.text(t, "id"), a.text(t, "token")
}

// bearer is a caller who sends a token in the Authorization header.
func (r *rig) bearer(secret string) *caller { return r.anon().with("Authorization", "Bearer "+secret) }

func TestTokens(t *testing.T) {
	eachWorld(t, map[string]func(*testing.T, *world){
		"OK": func(t *testing.T, w *world) {
			a := w.as(viewer).must(t, 201, post, tokensPath, body{"name": " CI ", "scopes": []string{"write", "read"}, "expires_in_days": 90}).object(t)
			wantMembers(t, a, "id", "name", "scopes", "created_at", "expires_at", "last_used_at", "token")
			wantTime(t, a["expires_at"])
			if a["name"] != "CI" || text(a["scopes"]) != `["read","write"]` || a["last_used_at"] != nil || !strings.HasPrefix(a["token"].(string), "coa_") {
				t.Errorf("got %v", a)
			}
			list := w.as(viewer).must(t, 200, get, tokensPath).list(t)
			if len(list) != 1 || list[0]["id"] != a["id"] {
				t.Errorf("got %v", list)
			}
			wantMembers(t, list[0], "id", "name", "scopes", "created_at", "expires_at", "last_used_at")
			me := w.bearer(a["token"].(string)).must(t, 200, get, v1+"/users/me").object(t)
			if me["id"] != w.users[viewer].ID {
				t.Errorf("got %v", me)
			}
			w.as(viewer).must(t, 204, del, tokensPath+"/"+strings.ToUpper(a["id"].(string)))
			wantProblem(t, w.bearer(a["token"].(string)).do(t, get, v1+"/users/me"), 401, "Could not validate credentials")
		},
		"invalid": func(t *testing.T, w *world) {
			wantProblem(t, w.as(viewer).do(t, post, tokensPath, body{"name": "", "scopes": []string{"root"}, "expires_in_days": 0}), 422,
				"name: must not be empty; expires_in_days: must be between 1 and 365; scopes: must be one of read, write, admin")
			wantProblem(t, w.as(viewer).do(t, post, tokensPath, body{"name": "x"}), 422, "expires_in_days: is missing; scopes: is missing")
			wantProblem(t, w.as(viewer).do(t, del, tokensPath+"/"+store.NewID()), 404, "Token not found")
		},
		"in the header alone": func(t *testing.T, w *world) {
			_, secret := w.newToken(t, editor, "read")
			const path = v1 + "/users/me"
			for name, c := range map[string]*caller{
				"cookie":             {r: w.rig, token: secret},
				"bare":               w.anon().with("Authorization", secret),
				"of basic":           w.anon().with("Authorization", "Basic "+secret),
				"cookie of original": w.anon().with("Cookie", cookieOriginal+"="+secret),
			} {
				if a := c.do(t, get, path); a.status != 401 {
					t.Errorf("%s: got %d %s, want 401", name, a.status, a.body)
				}
			}
			wantProblem(t, w.anon().do(t, get, path+"?token="+secret+"&access_token="+secret), 401, "Not authenticated")
			w.anon().with("Authorization", "bearer  "+secret).must(t, 200, get, path)
			if c, status := w.dial(t, anonymous, w.room, "?token="+secret, true); c != nil || status != 401 {
				t.Errorf("a socket with the token in its address: got %d, want 401", status)
			}
		},
		"a scope that lacks is told": func(t *testing.T, w *world) {
			_, secret := w.newToken(t, owner, "read")
			a := w.bearer(secret).do(t, post, v1+"/courses/", body{"title": "Mine"})
			wantProblem(t, a, 403, `This token lacks the scope "write"`)
			if a.text(t, "code") != "scope" {
				t.Errorf("got code %q", a.text(t, "code"))
			}
			wantProblem(t, w.bearer(secret).do(t, get, tokensPath), 403, "A token cannot do this; sign in instead")
		},
		"socket": func(t *testing.T, w *world) {
			id, secret := w.newToken(t, student, "read")
			for _, v2 := range []bool{false, true} {
				c, status := w.dial(t, anonymous, w.room, "", v2, "Authorization", "Bearer "+secret)
				if c == nil {
					t.Fatalf("the handshake was answered with %d", status)
				}
				if v2 {
					c.send(`{"type":"post","client_id":"1","text":"not mine to say"}`)
					if f := c.next("error"); f["code"] != "scope" || f["client_id"] != "1" {
						t.Errorf("got %v", f)
					}
					defer func() {
						if code := c.closed(); code != realtime.CloseSessionEnded {
							t.Errorf("closed with %d, want %d", code, realtime.CloseSessionEnded)
						}
					}()
				} else {
					c.send("not mine to say")
					c.notice("scope")
				}
			}
			w.as(student).must(t, 204, del, tokensPath+"/"+id)
		},
		"event stream": func(t *testing.T, w *world) {
			id, secret := w.newToken(t, student, "read")
			events, status := w.stream(t, anonymous, "", "Authorization", "Bearer "+secret)
			if status != 200 {
				t.Fatalf("got %d", status)
			}
			w.say(t, student, "anybody?")
			if _, ok := wait(t, events); !ok {
				t.Fatal("the stream ended")
			}
			w.as(student).must(t, 204, del, tokensPath+"/"+id)
			for begin := time.Now(); ; {
				if _, ok := wait(t, events); !ok {
					break
				}
				if time.Since(begin) > 10*time.Second {
					t.Fatal("the stream outlives its token")
				}
			}
		},
		"admins list and revoke": func(t *testing.T, w *world) {
			_, secret := w.newToken(t, otherStudent, "read")
			path := v1 + "/users/" + w.users[otherStudent].ID + "/tokens"
			if list := w.as(admin).must(t, 200, get, path).list(t); len(list) != 1 || list[0]["token"] != nil {
				t.Errorf("got %v", list)
			}
			w.as(admin).must(t, 204, del, path)
			wantProblem(t, w.bearer(secret).do(t, get, v1+"/users/me"), 401, "Could not validate credentials")
			wantProblem(t, w.as(admin).do(t, get, v1+"/users/"+w.users[superAdmin].ID+"/tokens"), 403, "Only Super Admins can modify other Admins")
			wantProblem(t, w.as(admin).do(t, del, v1+"/users/"+store.NewID()+"/tokens"), 404, "User not found")
		},
	})
}

func TestSessions(t *testing.T) {
	eachWorld(t, map[string]func(*testing.T, *world){
		"list, end one, end the others": func(t *testing.T, w *world) {
			const path = v1 + "/users/me/sessions"
			u := w.addUser(t, "student", "sid", true)
			in := func(agent string) *caller {
				a := w.anon().with("User-Agent", agent).must(t, 200, post, v1+"/login/access-token", url.Values{"username": {u.Email}, "password": {testPassword}})
				return &caller{r: w.rig, token: cookieValue(t, a, cookieAccess)}
			}
			here, phone, lost := in("here"), in("phone"), in("lost")
			list := here.must(t, 200, get, path).list(t)
			if len(list) != 3 || list[0]["device"] != "lost" || list[0]["current"] != false || list[2]["device"] != "here" || list[2]["current"] != true {
				t.Fatalf("got %v", list)
			}
			wantMembers(t, list[0], "id", "device", "address", "created_at", "expires_at", "current", "impersonated")
			wantTime(t, list[0]["expires_at"])
			here.must(t, 204, del, path+"/"+list[0]["id"].(string))
			wantProblem(t, lost.do(t, get, path), 401, "Could not validate credentials")
			wantProblem(t, here.do(t, del, path+"/"+list[0]["id"].(string)), 404, "Session not found")
			here.must(t, 204, del, path)
			wantProblem(t, phone.do(t, get, path), 401, "Could not validate credentials")
			if list := here.must(t, 200, get, path).list(t); len(list) != 1 {
				t.Errorf("got %v", list)
			}
		},
	})
}
