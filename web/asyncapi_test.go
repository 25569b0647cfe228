package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf16"

	"github.com/danielgtaylor/huma/v2"

	"github.com/coagent-studio/coagent/store/storetest"
)

// The frames are a promise as the routes are: see TestOpenAPI.
func TestAsyncAPI(t *testing.T) {
	t.Parallel()
	r := start(t, storetest.SQLite(t))
	a := r.anon().must(t, 200, get, "/asyncapi.json")
	var got bytes.Buffer
	if err := json.Indent(&got, []byte(a.body), "", "  "); err != nil {
		t.Fatal(err)
	}
	got.WriteByte('\n')
	wantGolden(t, "asyncapi.json", got.Bytes())
	if refs := regexp.MustCompile(`"\$ref": "#/components/schemas/(\w+)"`).FindAllStringSubmatch(got.String(), -1); len(refs) < 10 {
		t.Errorf("got %d references to schemas, want the frames", len(refs))
	} else {
		doc, _ := a.object(t)["components"].(map[string]any)
		schemas, _ := doc["schemas"].(map[string]any)
		for _, ref := range refs {
			if schemas[ref[1]] == nil {
				t.Errorf("the schema %s is named but not there", ref[1])
			}
		}
	}
}

// strictFrames are the schemas of frames without room for members that they
// do not list.
var strictFrames = sync.OnceValues(func() (map[string]*huma.Schema, huma.Registry) {
	r := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	return frameSchemas(r), r
})

// frameProblems are what is wrong with a frame that the server sent.
func frameProblems(protocol string, frame map[string]any) (problems []string) {
	schemas, registry := strictFrames()
	for _, f := range socketFrames() {
		if !f.isOf(protocol) || f.fromClient || f.kind != frame["type"] {
			continue
		}
		found := new(huma.ValidateResult)
		huma.Validate(registry, schemas[f.name], huma.NewPathBuffer(nil, 0), huma.ModeReadFromServer, frame, found)
		for _, err := range found.Errors {
			problems = append(problems, fmt.Sprintf("%s: %v", f.name, err))
		}
		return problems
	}
	return []string{fmt.Sprintf("no frame of %s has the type %v", protocol, frame["type"])}
}

// Every example fits its own description.
func TestFrameExamples(t *testing.T) {
	t.Parallel()
	schemas, registry := strictFrames()
	for _, f := range socketFrames() {
		for _, example := range append([]any{f.example}, thenOf(f.name)...) {
			text, err := json.Marshal(example)
			if err != nil {
				t.Fatal(err)
			}
			var v any
			if err := json.Unmarshal(text, &v); err != nil {
				t.Fatal(err)
			}
			found := new(huma.ValidateResult)
			huma.Validate(registry, schemas[f.name], huma.NewPathBuffer(nil, 0), huma.ModeReadFromServer, v, found)
			for _, err := range found.Errors {
				t.Errorf("%s: the example does not fit: %v", f.name, err)
			}
		}
	}
}

// The document's stream of deltas, put together by the rule that it states.
func TestDeltasByTheDocument(t *testing.T) {
	t.Parallel()
	document, err := asyncAPI("test")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Components struct {
			Messages map[string]struct {
				Examples []struct {
					Payload json.RawMessage
				}
			}
			Schemas map[string]struct {
				Properties map[string]struct{ Description string }
			}
		}
	}
	if err := json.Unmarshal(document, &doc); err != nil {
		t.Fatal(err)
	}
	var said []uint16
	for _, e := range doc.Components.Messages["Delta"].Examples {
		var d struct {
			Offset int
			Text   string
		}
		if err := json.Unmarshal(e.Payload, &d); err != nil || d.Offset != len(said) {
			t.Errorf("%s: want the offset %d (%v)", e.Payload, len(said), err)
		}
		said = append(said, utf16.Encode([]rune(d.Text))...)
	}
	if got, want := string(utf16.Decode(said)), "Look, 🌍👩‍🏫: 天空是藍色的。"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	rules := 0
	for _, s := range doc.Components.Schemas {
		if strings.Contains(s.Properties["offset"].Description, "UTF-16 code units") {
			rules++
		}
	}
	if rules == 0 {
		t.Error("no description of offset says what it counts")
	}
}

// What app can show to a room's members is described, in both protocols unless
// it is meant for one: an event that is added there fails this test until
// frames.go has it.
func TestEveryEventIsDescribed(t *testing.T) {
	t.Parallel()
	// left is a system line of the plain protocol, and a presence frame.
	notShown := []string{"left"}
	described := map[string]bool{}
	for _, f := range socketFrames() {
		if !f.fromClient {
			described[f.protocol+" "+f.kind] = true
		}
	}
	events := eventTypes(t)
	if len(events) < 5 {
		t.Fatalf("found only the events %q in app/event", events)
	}
	for _, kind := range events {
		if !described[chanV2+" "+kind] && !slices.Contains(notShown, kind) {
			t.Errorf("app/event has the event %q, which no frame of coagent.v2 in frames.go describes", kind)
		}
	}
}

// eventTypes are the values of the constants TypeX and SignalX of app/event.
func eventTypes(t *testing.T) (kinds []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "app", "event", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`^(Type|Signal)[A-Z]`)
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != len(spec.Names) {
				return true
			}
			for i, name := range spec.Names {
				value, ok := spec.Values[i].(*ast.BasicLit)
				if ok && value.Kind == token.STRING && named.MatchString(name.Name) {
					kind, _ := strconv.Unquote(value.Value)
					kinds = append(kinds, kind)
				}
			}
			return true
		})
	}
	return kinds
}

// wantGolden compares with a file in testdata, or writes it with -update.
func wantGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	golden := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the document is not %s; if the change is meant, run the test with -update", golden)
	}
}
