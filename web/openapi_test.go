package web

import (
	"bytes"
	"encoding/json"
	"flag"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/coagent-studio/coagent/store/storetest"
)

//nolint:gochecknoglobals // flags are
var update = flag.Bool("update", false, "write the golden files anew")

// The wire format is a promise: a change of it has to show in the review of
// this file. `go test ./web -run TestOpenAPI -update` writes it anew.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	r := start(t, storetest.SQLite(t))
	a := r.anon().must(t, 200, get, "/openapi.json")
	if again := r.anon().must(t, 200, get, v1+"/openapi.json"); again.body != a.body {
		t.Error("the two addresses of the document differ")
	}
	var got bytes.Buffer
	if err := json.Indent(&got, []byte(a.body), "", "  "); err != nil {
		t.Fatal(err)
	}
	got.WriteByte('\n')
	wantGolden(t, "openapi.json", got.Bytes())
}

// Every documented operation has what a generated client needs.
func TestOperations(t *testing.T) {
	t.Parallel()
	r := start(t, storetest.SQLite(t))
	doc := r.server.api.OpenAPI()
	if !strings.HasPrefix(doc.OpenAPI, "3.1") {
		t.Errorf("got version %s, want 3.1", doc.OpenAPI)
	}
	seen := map[string]bool{}
	for _, route := range r.server.table {
		item := doc.Paths[route.path]
		if item == nil {
			continue
		}
		op := operationAt(item, route.method)
		if op == nil {
			continue
		}
		if op.Summary == "" || op.Description == "" || len(op.Tags) != 1 || seen[op.OperationID] {
			t.Errorf("%s %s lacks a summary, a description, a tag or an id of its own", route.method, route.path)
		}
		seen[op.OperationID] = true
		if route.public == (len(op.Security) > 0) {
			t.Errorf("%s %s: security %v does not fit a public=%v route", route.method, route.path, op.Security, route.public)
		}
		if !route.public && op.Responses["401"] == nil {
			t.Errorf("%s %s does not list 401", route.method, route.path)
		}
		if op.Responses["422"] == nil || op.Responses["503"] == nil {
			t.Errorf("%s %s does not list its errors", route.method, route.path)
		}
		checkExamples(t, doc, route.method+" "+route.path, op)
	}
	if len(seen) < 30 {
		t.Errorf("got %d operations, want the whole API", len(seen))
	}
}

// checkExamples fails unless every JSON body of a request has an example that fits its
// schema.
func checkExamples(t *testing.T, doc *huma.OpenAPI, at string, op *huma.Operation) {
	t.Helper()
	if op.RequestBody == nil || op.RequestBody.Content["application/json"] == nil {
		return
	}
	content := op.RequestBody.Content["application/json"]
	text, err := json.Marshal(content.Example)
	if err != nil || content.Example == nil {
		t.Errorf("%s: the body has no example (%v)", at, err)
		return
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	found := new(huma.ValidateResult)
	huma.Validate(doc.Components.Schemas, content.Schema, huma.NewPathBuffer(nil, 0), huma.ModeWriteToServer, v, found)
	for _, err := range found.Errors {
		t.Errorf("%s: the example does not fit: %v in %s", at, err, text)
	}
}
