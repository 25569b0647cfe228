package web

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
	golden := filepath.Join("testdata", "openapi.json")
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("the document is not %s; if the change is meant, run the test with -update", golden)
	}
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
		if op.Summary == "" || len(op.Tags) != 1 || seen[op.OperationID] {
			t.Errorf("%s %s lacks a summary, a tag or an id of its own", route.method, route.path)
		}
		seen[op.OperationID] = true
		if route.public == (len(op.Security) > 0) {
			t.Errorf("%s %s: security %v does not fit a public=%v route", route.method, route.path, op.Security, route.public)
		}
		if !route.public && op.Responses["401"] == nil {
			t.Errorf("%s %s does not list 401", route.method, route.path)
		}
	}
	if len(seen) < 30 {
		t.Errorf("got %d operations, want the whole API", len(seen))
	}
}
