package web

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/signon/signontest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// Every example of a request in /openapi.json is accepted, by the first who may send it.
// Its ids and one-time words are those of a world in which it makes sense.
func TestExamplesAreAccepted(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, dbURL string) {
		w := newWorld(t, dbURL)
		w.addNamed(t, "ada")
		total, accepted := 0, 0
		paths := publishedOf(t, w.rig)["paths"].(object)
		for _, path := range slices.Sorted(maps.Keys(paths)) {
			item := paths[path].(object)
			for _, method := range slices.Sorted(maps.Keys(item)) {
				op, _ := item[method].(object)
				example := exampleIn(op)
				if example == nil {
					continue
				}
				method := strings.ToUpper(method)
				t.Run(method+" "+path, func(t *testing.T) {
					total++
					a := w.sendExample(t, method, path, example)
					if a.status >= http.StatusMultipleChoices {
						t.Errorf("got %d %s for %s", a.status, a.body, jsonOf(example))
						return
					}
					accepted++
				})
			}
		}
		if accepted != total || total < 60 {
			t.Errorf("%d of %d examples are accepted", accepted, total)
		}
	})
}

func exampleIn(op object) object {
	body, _ := op["requestBody"].(object)
	content, _ := body["content"].(object)
	if list, ok := content[mimeCSV].(object); ok {
		return object{"csv": list["example"]}
	}
	media, _ := content["application/json"].(object)
	example, _ := media["example"].(object)
	return example
}

// addNamed adds a person with the name and the address that examples have.
func (w *world) addNamed(t testing.TB, name string) {
	t.Helper()
	u := apptest.NewUser(app.RoleStudent, "Ada Lovelace")
	u.Email, u.Username, u.IsActive = name+"@example.org", &name, true
	if err := w.opened.DB.InTx(t.Context(), func(tx *store.Tx) error { return tx.CreateUser(t.Context(), u) }); err != nil {
		t.Fatal(err)
	}
}

// sendExample sends an example as the access table sends its own sample.
func (w *world) sendExample(t *testing.T, method, path string, example object) answer {
	t.Helper()
	switch path {
	case v1 + "/setup":
		fresh := start(t, storetest.SQLite(t))
		example["token"] = fresh.SetupToken
		return fresh.anon().do(t, method, path, example)
	case v1 + "/login/password-link":
		example["token"] = w.as(admin).must(t, 200, post, v1+"/users/"+w.newPupil(t)+"/password-link").text(t, "token")
		return w.anon().do(t, method, path, example)
	case pathCode:
		u := w.addUser(t, app.RoleTeacher, "coded", true)
		apptest.SetTwoFactor(t, w.opened.DB, w.cfg, u.ID)
		example["code"] = apptest.Code(t, apptest.AppKey, time.Now())
		b := w.browser(t)
		b.do(t, post, signInPath, form(u.Email, testPassword))
		return b.do(t, method, path, example)
	case v1 + "/users/me/identities":
		fake := signontest.New(t)
		r := start(t, storetest.SQLite(t), func(c *config.Config) {
			c.Auth.SignOn = []config.SignOn{{ID: "school", Name: "School", Issuer: fake.URL, ClientID: signontest.ClientID}}
		})
		example["password"] = testPassword
		return r.session(t, r.addUser(t, app.RoleTeacher, "linker", true).ID).do(t, method, path, example)
	case twoFactorPath:
		example["password"] = testPassword
	case twoFactorPath + "/confirm":
		them := w.session(t, w.addUser(t, app.RoleTeacher, "beginner", true).ID)
		key := them.must(t, http.StatusOK, post, twoFactorPath, body{"password": testPassword}).text(t, "secret")
		example["code"] = apptest.Code(t, key, time.Now())
		return them.do(t, method, path, example)
	case twoFactorPath + "/recovery-codes":
		example["password"] = testPassword
		return w.enrolled(t).do(t, method, path, example)
	case twoFactorPath + "/remove":
		example["code"] = apptest.Code(t, apptest.AppKey, time.Now())
		return w.enrolled(t).do(t, method, path, example)
	case v1 + "/courses/{course_id}/members/import":
		return w.as(owner).with("Content-Type", mimeCSV).do(t, method, strings.Replace(path, "{course_id}", w.course, 1), example["csv"])
	case v1 + "/a2a/webhook":
		made := w.as(admin).must(t, 200, post, v1+"/agents/external/create", external).object(t)
		id, _ := made["id"].(string)
		token, _ := made["external_config"].(object)["callback_token"].(string)
		w.as(admin).must(t, 200, post, v1+"/rooms/"+w.room+"/agents/"+id)
		example["metadata"] = object{"room_id": w.room}
		return w.anon().with("X-Agent-ID", id).with("X-Agent-Token", token).do(t, method, path, example)
	}
	at := slices.IndexFunc(accessTable, func(r row) bool { return r.route == method+" "+path })
	if at < 0 {
		t.Fatal("the access table has no such row")
	}
	r := accessTable[at]
	values, sample := r.request(t, w)
	who := owner
	if may := strings.Fields(r.want); may[slices.Index(columns, owner)][0] != '2' {
		who = columns[slices.IndexFunc(may, func(status string) bool { return status[0] == '2' })]
	}
	here := object{"course_id": w.course, "scope_id": w.course, "project_id": w.project, "agent_id": w.agent, "organization_id": w.organization(t)}
	if of, ok := sample.(body); ok {
		for _, member := range []string{"user_id", "code", "token"} {
			here[member] = of[member]
		}
	}
	if strings.HasSuffix(path, "/test-connection") {
		here["webhook_url"] = external["webhook_url"] // an address of this machine: a test calls no other
	}
	for member := range example {
		if v := here[member]; v != nil {
			example[member] = v
		}
	}
	return w.as(who).do(t, method, fill(path, values), example)
}

// Every example of a parameter is accepted too.
func TestParameterExamplesAreAccepted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	found := 0
	for path, item := range w.server.api.OpenAPI().Paths {
		op := item.Get
		if op == nil {
			continue
		}
		query, to := url.Values{}, path
		for _, p := range op.Parameters {
			if len(p.Schema.Examples) == 0 {
				continue
			}
			found++
			value, ok := p.Schema.Examples[0].(string)
			if !ok {
				t.Fatalf("%s: the example of %s is no text", path, p.Name)
			}
			if p.In == "path" {
				to = strings.ReplaceAll(to, "{"+p.Name+"}", value)
			} else {
				query.Set(p.Name, value)
			}
		}
		if to != path || len(query) > 0 {
			w.as(superAdmin).must(t, http.StatusOK, get, to+"?"+query.Encode())
		}
	}
	if found == 0 {
		t.Error("no parameter has an example")
	}
}
