package app_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// An agent moves cards between neighbours as people do, those of people with staff's leave.
func TestAgentsMoveCards(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		s := set(t, r)
		c, ctx := s.c, t.Context()
		made := func(title string, order float64) *store.Artifact {
			t.Helper()
			s.play(t, manage(obj{"action": "create", "artifact_type": "task", "title": title, "content": obj{"status": "todo", "order": order}}), say("Made."))
			return artifactIn(t, r, c)
		}
		one, two, three := made("One", 1), made("Two", 2), made("Three", 3)
		move := func(f *store.Artifact, more obj) llmtest.Response {
			args := obj{"action": "move", "artifact_id": strings.ToUpper(f.ID)}
			for name, v := range more {
				args[name] = v
			}
			return manage(args)
		}
		stored := func(f *store.Artifact) *store.Artifact {
			t.Helper()
			f, err := r.Artifact(ctx, c.Teacher, f.ID)
			must(t, err)
			return f
		}
		last := func() string { return result(t, r, r.Model.Count()) }
		t.Run("between two others", func(t *testing.T) {
			s.play(t, move(three, obj{"after": one.ID, "before": two.ID}), say("Moved."))
			f := stored(three)
			if string(f.Content) != `{"order":1.5,"status":"todo"}` || f.Version != 2 || f.ModifiedByAgent != c.TeacherAgent.ID {
				t.Errorf("got %+v, told %s", f, last())
			}
			for _, other := range []*store.Artifact{one, two} {
				if got := stored(other); got.Version != 1 {
					t.Errorf("%s was changed too: %+v", got.Title, got)
				}
			}
			if _, err := r.RestoreArtifactVersion(ctx, c.Teacher, three.ID, 1); err != nil {
				t.Errorf("it cannot be undone: %v", err)
			}
		})
		t.Run("into another column, and what is refused", func(t *testing.T) {
			s.play(t, move(two, obj{"column": "done"}), say("Moved."))
			if f := stored(two); !strings.Contains(string(f.Content), `"status":"done"`) {
				t.Errorf("got %s", f.Content)
			}
			was := stored(two).Version
			s.play(t, move(two, obj{}), say("It stands there."))
			if got := last(); !strings.Contains(got, `"done":"move"`) || stored(two).Version != was {
				t.Errorf("where it stands already: got %s", got)
			}
			other := put(t, r, silentClass(t, r), "task", "Elsewhere", `{"status":"todo"}`)
			for told, call := range map[string]llmtest.Response{
				"Only tasks stand on the board":  manage(obj{"action": "move", "artifact_id": s.doc, "column": "done"}),
				"is no task of this room":        move(one, obj{"after": other.ID}),
				"was moved meanwhile":            move(one, obj{"before": two.ID}),
				"must be another task":           move(one, obj{"before": one.ID}),
				"there is no artifact with this": move(other, obj{"column": "done"}),
			} {
				s.play(t, call, say("Well."))
				if got := last(); !strings.Contains(got, told) {
					t.Errorf("got %s, want %q", got, told)
				}
			}
			if f := stored(one); f.Version != 1 {
				t.Errorf("got version %d after refusals", f.Version)
			}
		})
		t.Run("what a person has made waits for staff", func(t *testing.T) {
			f := put(t, r, c, "task", "Homework", `{"status":"todo","order":9}`)
			s.play(t, move(f, obj{"column": "done"}), say("Moved."))
			if a := waiting(t, r, c); a.Summary != `move the task "Homework", which people have worked on, to "done"` {
				t.Errorf("got %q", a.Summary)
			}
			if got := stored(f); got.Version != 1 {
				t.Errorf("it was moved before the decision: %+v", got)
			}
			approveAll(t, r, c)
			if got := stored(f); got.Version != 2 || !strings.Contains(string(got.Content), `"status":"done"`) {
				t.Errorf("got %+v", got)
			}
		})
		t.Run("no number left between two gives some of them new ones", func(t *testing.T) {
			a, b, d := made("A", 5), made("B", 5), made("D", 7)
			s.play(t, move(d, obj{"after": b.ID, "before": a.ID}), say("Moved."))
			all := artifacts(t, r, c)
			var order []string
			slices.SortFunc(all, func(x, y store.Artifact) int { return strings.Compare(orderText(&x), orderText(&y)) })
			for _, f := range all {
				if f.ID == a.ID || f.ID == b.ID || f.ID == d.ID {
					order = append(order, f.Title)
				}
			}
			if fmt.Sprint(order) != "[B D A]" {
				t.Errorf("got %v: %s", order, last())
			}
		})
	})
}

// orderText is the order of a task in digits that sort as it does.
func orderText(f *store.Artifact) string {
	_, text, _ := strings.Cut(string(f.Content), `"order":`)
	var n float64
	_, _ = fmt.Sscan(strings.TrimRight(strings.SplitN(text, ",", 2)[0], "}"), &n)
	return fmt.Sprintf("%020.9f", n+1e6)
}

// An agent reads a long content in parts, and replaces it only when it has seen all of them.
func TestAgentsReadInParts(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url, func(cfg *config.Config) { cfg.Turns.MaxTurnTokens, cfg.Turns.MaxSteps = 1e7, 20 })
		s := set(t, r)
		c := s.c
		long := paragraphs(strings.Repeat("長い文章。", 5000), "the end")
		s.play(t, manage(obj{"action": "create", "artifact_type": "doc", "title": "Long", "content": json.RawMessage(long)}), say("Made."))
		f := artifactIn(t, r, c)
		read := func(from int) llmtest.Response {
			return use("read_artifact", fmt.Sprintf(`{"artifact_id":%q,"from":%d}`, f.ID, from))
		}
		shorter := manage(obj{"action": "update", "artifact_id": f.ID, "content": json.RawMessage(paragraphs("short"))})
		type part struct {
			Begins  string `json:"content_begins"`
			Part    string `json:"content_part"`
			Next    int    `json:"next_from"`
			Note    string `json:"note"`
			Version int    `json:"version"`
		}
		// readOn reads one part after the other, most of them at most, and then gives these answers.
		readOn := func(most int, then ...llmtest.Response) (parts []part) {
			t.Helper()
			before, given := r.Model.Count(), 0
			ask(t, r, c, func(req llmtest.Request) llmtest.Response {
				if req.Number == before+1 {
					return read(0)
				}
				if given == 0 {
					var p part
					m := req.Messages[len(req.Messages)-1]
					_, text, _ := strings.Cut(unfenced(m.Text), ": ")
					if err := json.Unmarshal([]byte(text), &p); err != nil {
						t.Errorf("%v: %.200s", err, text)
					}
					if parts = append(parts, p); p.Next != 0 && len(parts) < most {
						return read(p.Next)
					}
				}
				given++
				return then[min(given, len(then))-1]
			})
			return parts
		}
		last := func() string { return result(t, r, r.Model.Count()) }
		now := func() *store.Artifact {
			t.Helper()
			f, err := r.Artifact(t.Context(), c.Teacher, f.ID)
			must(t, err)
			return f
		}
		t.Run("the parts are the content", func(t *testing.T) {
			var whole strings.Builder
			parts := readOn(10, say("Read."))
			for _, p := range parts {
				whole.WriteString(p.Begins + p.Part)
			}
			if whole.String() != string(now().Content) || len(parts) != 3 {
				t.Fatalf("got %d parts, together of %d bytes, want %d", len(parts), whole.Len(), len(now().Content))
			}
			if want := fmt.Sprintf("%d of %d bytes are left: read on with from %d", whole.Len()-parts[0].Next, whole.Len(), parts[0].Next); parts[0].Note != want {
				t.Errorf("got the note %q, want %q", parts[0].Note, want)
			}
			if parts[2].Note != "this is the last part" || parts[2].Next != 0 {
				t.Errorf("got the last part with %q", parts[2].Note)
			}
		})
		t.Run("behind the end there is nothing", func(t *testing.T) {
			s.play(t, read(1e6), say("Well."))
			if got := last(); !strings.Contains(got, "so there is nothing from there on") {
				t.Errorf("got %s", got)
			}
			s.play(t, read(-1), say("Well."))
			if got := last(); !strings.Contains(got, "from") || now().Version != 1 {
				t.Errorf("got %s", got)
			}
		})
		t.Run("an update wants all parts of one version", func(t *testing.T) {
			readOn(2, shorter, say("Well."))
			if got := last(); !strings.Contains(got, "you have seen only a part") || now().Version != 1 {
				t.Errorf("got %s", got)
			}
			readOn(10, shorter, say("Done."))
			wantContent(t, now(), paragraphs("short"))
		})
	})
}
