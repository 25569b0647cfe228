package web

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/store/storetest"
)

// What the document says of members is said of members that exist.
func TestSaidLimits(t *testing.T) {
	t.Parallel()
	r := start(t, storetest.SQLite(t))
	schemas, members := r.server.api.OpenAPI().Components.Schemas.Map(), map[string]bool{}
	for name, schema := range schemas {
		if _, ok := byOne[name]; ok && schema.Extensions == nil {
			t.Errorf("%s does not say by what it names its thing", name)
		}
		for member := range schema.Properties {
			members[member], members[name+"."+member] = true, true
		}
	}
	for member := range r.server.alike() {
		if !members[member] {
			t.Errorf("no body has %s", member)
		}
	}
	for member := range r.server.peculiar() {
		if !members[member] {
			t.Errorf("there is no %s", member)
		}
	}
	for name, kept := range keeps {
		for _, member := range kept {
			if name != "agent" && !members[name+"."+member] {
				t.Errorf("there is no %s.%s", name, member)
			}
		}
	}
	type described struct {
		Type      any    `json:"type"`
		MaxLength int    `json:"maxLength"`
		Enum      []any  `json:"enum"`
		Pattern   string `json:"pattern"`
	}
	for at, want := range map[string]string{
		"CreateCourseInBody.title":          `{"type":"string","maxLength":200,"enum":null,"pattern":"^[^\\x00]*[^\\s\\x00][^\\x00]*$"}`,
		"CreateCourseInBody.description":    `{"type":["string","null"],"maxLength":20000,"enum":null,"pattern":"^[^\\x00]*$"}`,
		"ChangeMemberInBody.role":           `{"type":"string","maxLength":0,"enum":["student","ta","teacher"],"pattern":""}`,
		"AddProjectMemberInBody.role":       `{"type":["string","null"],"maxLength":0,"enum":["owner","admin","editor","member","viewer",null],"pattern":""}`,
		"UpdateAnnouncementInBody.title":    `{"type":"string","maxLength":200,"enum":null,"pattern":"^[^\\x00]*[^\\s\\x00][^\\x00]*$"}`,
		"CreateTokenInBody.scopes":          `{"type":"array","maxLength":0,"enum":null,"pattern":""}`,
		"SetRoomWorkflowInBody.workflow_id": `{"type":["string","null"],"maxLength":0,"enum":null,"pattern":""}`,
	} {
		name, member, _ := strings.Cut(at, ".")
		text, err := json.Marshal(schemas[name].Properties[member])
		if err != nil {
			t.Fatal(err)
		}
		var d described
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatal(err)
		}
		if got, _ := json.Marshal(d); string(got) != want {
			t.Errorf("%s: got %s, want %s", at, got, want)
		}
	}
}

// A whole number may be written as programs write floats; one that is none, or
// that no float tells from its neighbours, may not.
func TestWholeNumbers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	c, at := w.as(superAdmin), v1+"/courses/"+w.course+"/invitations"
	for number, want := range map[string]int{"3": 201, "3.0": 201, "3e0": 201, "0.3e1": 201, "30E-1": 201, "3.5": 422, "1e300": 422, "9007199254740993.0": 422, "-0.0": 422, "\"3.0\"": 422} {
		a := c.do(t, post, at, `{"max_uses":`+number+`}`)
		if a.status/100 != want/100 {
			t.Errorf("max_uses %s: got %d %s, want %d", number, a.status, a.body, want)
		}
	}
	a := c.must(t, http.StatusCreated, post, v1+"/rooms/"+w.room+"/messages", `{"text":"1.0 and \"2.0"}`)
	if a.text(t, "content") != `1.0 and "2.0` {
		t.Errorf("got %s", a.body)
	}
}
