package merge_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/coagent-studio/coagent/app/merge"
)

func doc(texts ...string) string {
	nodes := make([]string, len(texts))
	for i, text := range texts {
		nodes[i] = fmt.Sprintf(`{"type":"paragraph","content":[{"type":"text","text":%q}]}`, text)
	}
	return `{"type":"doc","content":[` + strings.Join(nodes, ",") + `]}`
}

// merged merges a whole state.
func merged(base merge.Outline, theirs, mine merge.State) (merge.State, []merge.Conflict) {
	return merge.Merge(base, theirs, merge.Change{Title: &mine.Title, Content: &mine.Content})
}

func TestMerge(t *testing.T) {
	t.Parallel()
	wrap := func(d string) string { return `{"type":"doc","content":` + d + `}` }
	for name, c := range map[string]struct{ kind, base, theirs, mine, want string }{
		"two paragraphs side by side": {"doc", doc("a", "b"), doc("A", "b"), doc("a", "B"), doc("A", "B")},
		"inserted and changed":        {"doc", doc("a", "b", "c"), doc("a", "x", "b", "c"), doc("a", "b", "C"), doc("a", "x", "b", "C")},
		"both inserted":               {"doc", doc("a"), doc("a", "x"), doc("a", "y"), doc("a", "x", "y")},
		"both inserted the same":      {"doc", doc("a"), doc("a", "x", "z"), doc("a", "x"), doc("a", "x", "z")},
		"both deleted":                {"doc", doc("a", "b", "c"), doc("a", "c"), doc("a"), doc("a")},
		"deleted what is as it was":   {"doc", doc("a", "b"), doc("a", "b", "c"), doc("a"), doc("a", "c")},
		"wrapped meanwhile":           {"doc", doc("a", "b"), doc("A", "b"), wrap(doc("a", "B")), wrap(doc("A", "B"))},
		"from nothing":                {"doc", `{"type":"doc","content":[]}`, doc("x"), doc("y"), doc("x", "y")},
		"members": {"task", `{"status":"todo","order":1}`, `{"status":"done","order":1}`, `{"status":"todo","order":2,"due":"x"}`,
			`{"status":"done","order":2,"due":"x"}`},
		"nodes": {"process", `{"nodes":[{"id":"1"},{"id":"2"}],"edges":[]}`, `{"nodes":[{"id":"1","x":1},{"id":"2"},{"id":"t"}],"edges":[]}`,
			`{"nodes":[{"id":"1"},{"id":"2","x":2},{"id":"m"}],"edges":[{"source":"m","target":"1"}]}`,
			`{"nodes":[{"id":"1","x":1},{"id":"2","x":2},{"id":"t"},{"id":"m"}],"edges":[{"source":"m","target":"1"}]}`},
		"moved": {"process", `{"nodes":[{"id":1},{"id":2},{"id":3}]}`, `{"nodes":[{"id":1,"x":1},{"id":2},{"id":3}]}`,
			`{"nodes":[{"id":3},{"id":1},{"id":2}]}`, `{"nodes":[{"id":3},{"id":1,"x":1},{"id":2}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state := func(s string) merge.State { return merge.State{Kind: c.kind, Title: "T", Content: s} }
			got, conflicts := merged(merge.OutlineOf(state(c.base)), state(c.theirs), state(c.mine))
			if got.Content != c.want || got.Title != "T" || conflicts != nil {
				t.Errorf("got %s, %v\nwant %s", got.Content, conflicts, c.want)
			}
		})
	}
}

func TestConflicts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ kind, base, theirs, mine, want string }{
		"a paragraph":         {"doc", doc("a", "b"), doc("a", "t"), doc("a", "m"), `content.content/1: theirs "t", mine "m"`},
		"deleted and changed": {"doc", doc("a", "b"), doc("a"), doc("a", "m"), `content.content/1: theirs nil, mine "m"`},
		"split and changed":   {"doc", doc("a"), doc("t", "u"), doc("m"), `content.content/0: theirs "t\nu", mine "m"`},
		"a member":            {"task", `{"status":"todo"}`, `{"status":"done"}`, `{"status":"review"}`, `content.status: theirs "done", mine "review"`},
		"a node": {"process", `{"nodes":[{"id":"1"}]}`, `{"nodes":[{"id":"1","x":1}]}`, `{"nodes":[]}`,
			`content.nodes/1: theirs "{\"id\":\"1\",\"x\":1}", mine nil`},
		"an edge to a deleted node": {"process", `{"nodes":[{"id":"1"},{"id":"2"}],"edges":[]}`,
			`{"nodes":[{"id":"1"},{"id":"2"}],"edges":[{"id":"e","source":"1","target":"2"}]}`, `{"nodes":[{"id":"1"}],"edges":[]}`,
			`content.edges/e: theirs "{\"id\":\"e\",\"source\":\"1\",\"target\":\"2\"}", mine nil`},
		"no list any more": {"doc", doc("a"), doc("t"), `{"type":"doc","content":"m"}`, `content.content: theirs "[{\"type\":\"paragraph\",\"content\":[{\"type\":\"text\",\"text\":\"t\"}]}]", mine "m"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state := func(s string) merge.State { return merge.State{Kind: c.kind, Content: s} }
			got, conflicts := merged(merge.OutlineOf(state(c.base)), state(c.theirs), state(c.mine))
			if len(conflicts) != 1 || shown(conflicts[0]) != c.want || got != (merge.State{}) {
				t.Errorf("got %v, %v\nwant %s", got, conflicts, c.want)
			}
		})
	}
	a, b := merge.State{Title: "a"}, merge.State{Title: "b"}
	if _, got := merged(merge.OutlineOf(merge.State{Title: "c"}), a, b); len(got) != 1 || shown(got[0]) != `title: theirs "a", mine "b"` {
		t.Errorf("titles: got %v", got)
	}
}

// What a side has not sent it has not changed.
func TestPartialChanges(t *testing.T) {
	t.Parallel()
	base := merge.OutlineOf(merge.State{Kind: "task", Title: "A", Content: `{"status":"todo","order":1,"due":"x"}`})
	theirs := merge.State{Kind: "task", Title: "B", Content: `{"status":"done","order":1,"due":"y","new":1}`}
	text := func(s string) *string { return &s }
	for name, c := range map[string]struct {
		mine      merge.Change
		want      merge.State
		conflicts int
	}{
		"nothing":              {merge.Change{}, theirs, 0},
		"the old title":        {merge.Change{Title: text("A")}, theirs, 0},
		"another title":        {merge.Change{Title: text("C")}, merge.State{}, 1},
		"a member":             {merge.Change{Content: text(`{"order":2}`), Partial: true}, merge.State{Kind: "task", Title: "B", Content: `{"status":"done","order":2,"due":"y","new":1}`}, 0},
		"a new member":         {merge.Change{Content: text(`{"z":2}`), Partial: true}, merge.State{Kind: "task", Title: "B", Content: `{"status":"done","order":1,"due":"y","new":1,"z":2}`}, 0},
		"a changed member":     {merge.Change{Content: text(`{"status":"review","due":"z"}`), Partial: true}, merge.State{}, 2},
		"the member as it was": {merge.Change{Content: text(`{"status":"todo"}`), Partial: true}, theirs, 0},
		"all of the content":   {merge.Change{Content: text(`{"status":"todo"}`)}, merge.State{}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, conflicts := merge.Merge(base, theirs, c.mine)
			if got != c.want || len(conflicts) != c.conflicts {
				t.Errorf("got %v, %d conflicts, want %v, %d", got, len(conflicts), c.want, c.conflicts)
			}
		})
	}
}

func shown(c merge.Conflict) string {
	text := func(s *string) string {
		if s == nil {
			return "nil"
		}
		return fmt.Sprintf("%q", *s)
	}
	return c.Block + ": theirs " + text(c.Theirs) + ", mine " + text(c.Yours)
}

// content draws a content of some kind. Few different blocks make equal ones likely.
func content(t *rapid.T, kind, label string) merge.State {
	block := rapid.StringMatching(`[a-e]`)
	s := merge.State{Kind: kind, Title: rapid.SampledFrom([]string{"T", "U"}).Draw(t, label+" title")}
	switch kind {
	case "task":
		members := rapid.MapOfN(rapid.SampledFrom([]string{"status", "order", "due", "z"}), block, 0, 4).Draw(t, label)
		raw, _ := json.Marshal(members)
		s.Content = string(raw)
	case "doc":
		s.Content = doc(rapid.SliceOfN(block, 0, 7).Draw(t, label)...)
		if rapid.Bool().Draw(t, label+" wrapped") {
			s.Content = `{"type":"doc","content":` + s.Content + `}`
		}
	default:
		ids := rapid.SliceOfNDistinct(rapid.IntRange(1, 7), 0, 6, rapid.ID).Draw(t, label)
		nodes, edges := []map[string]any{}, []map[string]any{}
		for i, id := range ids {
			nodes = append(nodes, map[string]any{"id": id, "label": block.Draw(t, label+" node")})
			if i > 0 && rapid.Bool().Draw(t, label+" edge") {
				e := map[string]any{"source": ids[i-1], "target": id}
				if rapid.Bool().Draw(t, label+" edge id") {
					e["id"] = fmt.Sprint("e", id)
				}
				edges = append(edges, e)
			}
		}
		raw, _ := json.Marshal(map[string]any{"nodes": nodes, "edges": edges})
		s.Content = string(raw)
	}
	return s
}

// What Merge promises for all contents.
func TestMergeProperties(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"task", "doc", "process"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				b, x, y := content(t, kind, "base"), content(t, kind, "theirs"), content(t, kind, "mine")
				base := merge.OutlineOf(b)
				for name, c := range map[string]struct{ theirs, mine, want merge.State }{
					"the same twice": {x, x, x}, "theirs alone": {x, b, x}, "mine alone": {b, x, x},
				} {
					if got, conflicts := merged(base, c.theirs, c.mine); got != c.want || conflicts != nil {
						t.Fatalf("%s: got %v, %v, want %v", name, got, conflicts, c.want)
					}
				}
				got, conflicts := merged(base, x, y)
				if _, other := merged(base, y, x); (conflicts == nil) != (other == nil) {
					t.Fatalf("conflicts of one order %v, of the other %v", conflicts, other)
				}
				if conflicts != nil {
					return
				}
				if again, _ := merged(base, x, y); again != got {
					t.Fatalf("another result: %v, %v", got, again)
				}
				var v map[string]any
				if err := json.Unmarshal([]byte(got.Content), &v); err != nil {
					t.Fatalf("no object: %s", got.Content)
				}
				blocksKept(t, base, merge.OutlineOf(x), merge.OutlineOf(y), merge.OutlineOf(got))
				// The change that is sent again, after the answer was lost, changes nothing.
				if twice, conflicts := merged(base, got, y); kind != "doc" && (conflicts != nil || !slices.Equal(merge.OutlineOf(twice), merge.OutlineOf(got))) {
					t.Fatalf("sent again: got %v, %v, want %v", twice, conflicts, got)
				}
			})
		})
	}
}

// blocksKept: a block that a side has added or changed is in the result, and one that is not
// there was deleted by a side.
func blocksKept(t *rapid.T, base, theirs, mine, got merge.Outline) {
	count := func(o merge.Outline, e merge.Entry) (n int) {
		for _, other := range o {
			if other == e {
				n++
			}
		}
		return n
	}
	for _, e := range slices.Concat(base, theirs, mine) {
		b, x, y, g := count(base, e), count(theirs, e), count(mine, e), count(got, e)
		if least := min(x, y); b <= 1 && g < least || b == 0 && g < max(x, y) {
			t.Fatalf("%v: %d in the base, %d in theirs, %d in mine, but %d in the result", e, b, x, y, g)
		}
		if g > 0 && x == 0 && y == 0 {
			t.Fatalf("%v is from nowhere", e)
		}
	}
}

// Changes of different blocks always both count, and sent again they change nothing.
func TestDisjointChanges(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "paragraphs")
		base, theirs, mine, want := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
		for i := range n {
			base[i] = fmt.Sprint("b", i)
			theirs[i], mine[i], want[i] = base[i], base[i], base[i]
			switch rapid.IntRange(0, 2).Draw(t, "who") {
			case 1:
				theirs[i] = fmt.Sprint("t", i)
				want[i] = theirs[i]
			case 2:
				mine[i] = fmt.Sprint("m", i)
				want[i] = mine[i]
			}
		}
		state := func(texts []string) merge.State { return merge.State{Kind: "doc", Content: doc(texts...)} }
		got, conflicts := merged(merge.OutlineOf(state(base)), state(theirs), state(mine))
		if conflicts != nil || got != state(want) {
			t.Fatalf("got %v, %v, want %v", got, conflicts, want)
		}
		if again, conflicts := merged(merge.OutlineOf(state(base)), got, state(mine)); again != got || conflicts != nil {
			t.Fatalf("sent again: got %v, %v, want %v", again, conflicts, got)
		}
	})
}

func TestDelta(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]string{"task", "doc", "process"}).Draw(t, "kind")
		a, b := content(t, kind, "from"), content(t, kind, "to")
		from, to := merge.OutlineOf(a), merge.OutlineOf(b)
		raw, err := json.Marshal(merge.DeltaOf(a, b))
		if err != nil {
			t.Fatal(err)
		}
		var d merge.Delta
		if err := json.Unmarshal(raw, &d); err != nil {
			t.Fatal(err)
		}
		if got, ok := d.Apply(from); !ok || !slices.Equal(got, to) {
			t.Fatalf("got %v, want %v", got, to)
		}
	})
}

// A large document is merged in bounded time, even one of equal nodes.
func TestLargeDocuments(t *testing.T) {
	t.Parallel()
	texts := func(change func(i int) string) merge.State {
		all := make([]string, 5_000)
		for i := range all {
			all[i] = change(i)
		}
		return merge.State{Kind: "doc", Content: doc(all...)}
	}
	at := func(every, add int, to string) func(i int) string {
		return func(i int) string {
			if i%every == add {
				return to
			}
			return fmt.Sprint(i)
		}
	}
	base := merge.OutlineOf(texts(func(i int) string { return fmt.Sprint(i) }))
	got, conflicts := merged(base, texts(at(100, 1, "t")), texts(at(100, 50, "m")))
	if conflicts != nil || strings.Count(got.Content, `"t"`) != 50 || strings.Count(got.Content, `"m"`) != 50 {
		t.Errorf("got %d bytes and %d conflicts", len(got.Content), len(conflicts))
	}
	same := merge.OutlineOf(texts(func(int) string { return "" }))
	if _, conflicts := merged(same, texts(at(2, 0, "t")), texts(at(2, 1, "m"))); len(conflicts) == 0 {
		t.Error("equal nodes: got no conflict")
	}
}
