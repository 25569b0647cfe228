package app_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func post(t *testing.T, r *apptest.Rig, who *app.Actor, room, content string) *store.Message {
	t.Helper()
	p, err := r.PostMessage(t.Context(), who, room, content, store.NewID())
	if err != nil {
		t.Fatal(err)
	}
	return p.Message
}

// turns are a room's turns, oldest first.
func turns(t *testing.T, r *apptest.Rig, room string) []store.Turn {
	t.Helper()
	all, err := r.DB.Turns(t.Context(), room, store.Page{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(all)
	return all
}

// contents are a room's lines, once it is idle.
func contents(t *testing.T, r *apptest.Rig, room string) []string {
	t.Helper()
	r.Idle(t, room)
	var out []string
	for _, m := range r.Messages(t, room, 0) {
		out = append(out, m.Content)
	}
	return out
}

func want(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

// reached waits until the model is in the middle of an answer.
func reached(t *testing.T, g *llmtest.Gate) {
	t.Helper()
	select {
	case <-g.Reached():
	case <-time.After(time.Minute):
		t.Fatal("the model was not asked")
	}
}

// streaming posts a line and waits until the room has seen the beginning of the
// answer: what people say from now on does not change it.
func streaming(t *testing.T, r *apptest.Rig, c *apptest.Class, content string, g *llmtest.Gate) {
	t.Helper()
	watch := r.Join(t, c.Teacher, c.Room.ID, true, -1)
	post(t, r, c.Student, c.Room.ID, content)
	reached(t, g)
	watch.Await(t, "the first words", func(f apptest.Frame) bool { return f.Is("delta") })
}

// counted answers the first request with "answer 1", and so on.
func counted(r llmtest.Request) llmtest.Response {
	return llmtest.Response{Text: fmt.Sprintf("answer %d", r.Number)}
}

// gated is counted, with the first answer held in the middle.
func gated(g *llmtest.Gate) llmtest.Script {
	return func(r llmtest.Request) llmtest.Response {
		resp := llmtest.Response{Text: fmt.Sprintf("answer %d", r.Number), ChunkRunes: 3}
		if r.Number == 1 {
			resp.Gate = g
		}
		return resp
	}
}

// fenced is what somebody said as a model is shown it.
var fenced = regexp.MustCompile(`(?s)^<(data-[0-9a-f]{12}) from="([^"]*)">\n(.*)\n</(data-[0-9a-f]{12})>$`)

// spokenLine is what somebody said in one line, as a model is shown it.
var spokenLine = regexp.MustCompile(`^[^\n\r:]+ \([^()\n\r]+\): [^\n\r]*$`)

// unfenced is the name and the text of what somebody said to a model.
func unfenced(text string) string {
	if m := fenced.FindStringSubmatch(text); m != nil && m[1] == m[4] {
		return m[2] + ": " + m[3]
	}
	return text
}

func TestAgentAnswers(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		c := r.Class(t)
		r.Model.Script(llmtest.Say("A cell is the smallest unit of life."))

		post(t, r, c.Student, c.Room.ID, "What is a cell?")
		want(t, "lines", contents(t, r, c.Room.ID), []string{"What is a cell?", "A cell is the smallest unit of life."})

		answer := r.Messages(t, c.Room.ID, 2)[1]
		if answer.AgentID != c.TeacherAgent.ID || answer.AgentType != store.AgentTeacher || answer.AgentName != "Teacher" || answer.SenderID != "" {
			t.Errorf("speaker: got %+v, want the teacher agent", answer)
		}
		req := r.Model.Requests()[0]
		if got := req.LastUser(); !strings.Contains(got, "Sue (student)") || !strings.Contains(got, "What is a cell?") {
			t.Errorf("the model was shown %q, want the speaker's name, role and text", got)
		}
		if !strings.HasPrefix(req.System, c.TeacherAgent.SystemPrompt) || !strings.Contains(req.System, `"Cells"`) || !strings.Contains(req.System, `"Biology"`) {
			t.Errorf("instructions: got %q", req.System)
		}
		if req.Key != apptest.CanaryKey || req.Model != "gpt-4o" {
			t.Errorf("got key %q and model %q", req.Key, req.Model)
		}
		all := turns(t, r, c.Room.ID)
		if len(all) != 1 || all[0].State != store.TurnFinished || all[0].Attempt != 1 || all[0].ID != answer.TurnID {
			t.Errorf("turns: got %+v, want one finished at its first attempt", all)
		}
		if all[0].PromptTokens == 0 || all[0].CompletionTokens == 0 {
			t.Errorf("tokens: got %d and %d", all[0].PromptTokens, all[0].CompletionTokens)
		}
	})
}

func TestConversation(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		c := r.Class(t)
		r.Model.Script(counted)
		post(t, r, c.Student, c.Room.ID, "one")
		r.Idle(t, c.Room.ID)
		post(t, r, c.Teacher, c.Room.ID, "two")
		want(t, "lines", contents(t, r, c.Room.ID), []string{"one", "answer 1", "two", "answer 2"})

		var shown []string
		for _, m := range r.Model.Requests()[1].Messages {
			shown = append(shown, m.Role+"|"+unfenced(m.Text))
		}
		want(t, "the model was shown", shown, []string{"user|Sue (student): one", "assistant|answer 1", "user|Tess (teacher): two"})
	})
}

func TestBurst(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		c := r.Class(t)
		gate := llmtest.NewGate(2)
		r.Model.Script(gated(gate))
		streaming(t, r, c, "first", gate)

		// Posts that come while the first answer streams: one more turn reads them all.
		var posts sync.WaitGroup
		for i := range 30 {
			posts.Go(func() { post(t, r, []*app.Actor{c.Student, c.Teacher}[i%2], c.Room.ID, fmt.Sprintf("more %d", i)) })
		}
		posts.Wait()
		gate.Release()
		messages := contents(t, r, c.Room.ID)

		if got := len(messages); got != 33 {
			t.Errorf("got %d lines, want 31 posts and 2 answers: %q", got, messages)
		}
		want(t, "the last lines", messages[31:], []string{"answer 1", "answer 2"})
		all := turns(t, r, c.Room.ID)
		if len(all) != 2 || all[1].State != store.TurnFinished {
			t.Errorf("turns: got %+v, want two", all)
		}
		for i, m := range r.Messages(t, c.Room.ID, 33) {
			if m.Seq != int64(i+1) {
				t.Errorf("line %d has seq %d", i, m.Seq)
			}
		}
	})
}

func TestMentions(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		start := func(t *testing.T) (*apptest.Rig, *apptest.Class) {
			r := apptest.New(t, url)
			r.SetRoll(999)
			return r, r.Class(t, func(s *app.RoomSettings) { s.AIFrequency = app.Some(0.5) })
		}
		t.Run("InTheirOrder", func(t *testing.T) {
			r, c := start(t)
			r.Model.Script(counted)
			post(t, r, c.Student, c.Room.ID, "@student and @teacher?")
			want(t, "lines", contents(t, r, c.Room.ID), []string{"@student and @teacher?", "answer 1", "answer 2"})
			messages := r.Messages(t, c.Room.ID, 3)
			if messages[1].AgentID != c.TeacherAgent.ID || messages[2].AgentID != c.StudentAgent.ID {
				t.Errorf("got %s before %s, want the teacher before the student", messages[1].AgentType, messages[2].AgentType)
			}
			if got := unfenced(r.Model.Requests()[1].LastUser()); got != "Teacher (AI teacher): answer 1" {
				t.Errorf("the second was shown %q last, want the first one's answer", got)
			}
		})
		t.Run("DuringATurn", func(t *testing.T) {
			r, c := start(t)
			gate := llmtest.NewGate(2)
			r.Model.Script(gated(gate))
			streaming(t, r, c, "@teacher?", gate)
			post(t, r, c.Student, c.Room.ID, "@student?")
			post(t, r, c.Student, c.Room.ID, "nothing")
			gate.Release()
			want(t, "lines", contents(t, r, c.Room.ID), []string{"@teacher?", "@student?", "nothing", "answer 1", "answer 2"})
			if got := r.Messages(t, c.Room.ID, 5)[4].AgentID; got != c.StudentAgent.ID {
				t.Error("the second answer is not the student's")
			}
		})
		t.Run("BehindTheContextWindow", func(t *testing.T) {
			r, c := start(t)
			gate := llmtest.NewGate(2)
			r.Model.Script(gated(gate))
			streaming(t, r, c, "@teacher", gate)
			// Both the waiting turn and this line would be lost if the next turn counted
			// as having read what lies behind its window of 10 lines.
			post(t, r, c.Student, c.Room.ID, "@teacher again")
			gate.Release()
			r.Idle(t, c.Room.ID)
			held := llmtest.NewGate(0)
			r.Model.Script(llmtest.Always(llmtest.Response{Text: "late", Gate: held}))
			post(t, r, c.Student, c.Room.ID, "@teacher third")
			reached(t, held)
			post(t, r, c.Student, c.Room.ID, "@student hidden")
			for i := range 15 {
				post(t, r, c.Student, c.Room.ID, fmt.Sprintf("noise %d", i))
			}
			held.Release()
			r.Idle(t, c.Room.ID)
			messages := r.Messages(t, c.Room.ID, 0)
			if last := messages[len(messages)-1]; last.AgentID != c.StudentAgent.ID {
				t.Errorf("the last line is %q, want the student's answer", last.Content)
			}
		})
		t.Run("NotWhenSwitchedOff", func(t *testing.T) {
			r, c := start(t)
			for _, s := range []app.RoomSettings{{IsAIActive: app.Some(false)}, {IsAIActive: app.Some(true), AIMode: app.Some(store.ModeOff)}} {
				if _, err := r.UpdateRoom(t.Context(), c.Teacher, c.Room.ID, s); err != nil {
					t.Fatal(err)
				}
				post(t, r, c.Student, c.Room.ID, "@teacher?")
				r.Idle(t, c.Room.ID)
			}
			// What was said before is not answered when the agents come back.
			if _, err := r.UpdateRoom(t.Context(), c.Teacher, c.Room.ID, app.RoomSettings{AIMode: app.Some(store.ModeBoth)}); err != nil {
				t.Fatal(err)
			}
			post(t, r, c.Student, c.Room.ID, "hello")
			want(t, "lines", contents(t, r, c.Room.ID), []string{"@teacher?", "@teacher?", "hello"})
			if got := len(turns(t, r, c.Room.ID)); got != 0 {
				t.Errorf("got %d turns, want none", got)
			}
		})
		t.Run("AtMostThreeInARow", func(t *testing.T) {
			r, c := start(t)
			r.Model.Script(func(req llmtest.Request) llmtest.Response {
				return llmtest.Response{Text: fmt.Sprintf("@teacher @student say %d", req.Number)}
			})
			post(t, r, c.Student, c.Room.ID, "@teacher go")
			want(t, "lines", contents(t, r, c.Room.ID), []string{"@teacher go", "@teacher @student say 1", "@teacher @student say 2", "@teacher @student say 3"})
			post(t, r, c.Student, c.Room.ID, "@teacher once more")
			if got := len(contents(t, r, c.Room.ID)); got != 8 {
				t.Errorf("got %d lines, want a person's line to start a new row of 3", got)
			}
		})
	})
}

func TestRollIsNotRepeated(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		c := r.Class(t, func(s *app.RoomSettings) { s.AIFrequency = app.Some(0.5) })
		r.SetRoll(999)
		post(t, r, c.Student, c.Room.ID, "hello")
		r.Idle(t, c.Room.ID)
		// Now every roll would win: a look that is repeated must not roll again.
		r.SetRoll(0)
		r.Exec(t, "UPDATE rooms SET look_at = ? WHERE id = ?", time.Now().UTC().Add(-time.Minute), c.Room.ID)
		awaitColumnPast(t, r, c.Room.ID)
		want(t, "lines", contents(t, r, c.Room.ID), []string{"hello"})
		if got := len(turns(t, r, c.Room.ID)); got != 0 {
			t.Errorf("got %d turns, want none", got)
		}
	})
}

// awaitColumnPast waits until a sweep has seen that the room's look is overdue.
func awaitColumnPast(t *testing.T, r *apptest.Rig, roomID string) {
	t.Helper()
	apptest.Await(t, "the sweep", func() bool {
		room, err := r.DB.Room(t.Context(), roomID)
		if err != nil {
			t.Fatal(err)
		}
		return room.DecideAt.IsZero() || room.DecideAt.After(time.Now())
	})
}

func TestDeltas(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		c := r.Class(t)
		const text = "Hi \U0001F600, 老師! Cells divide."
		r.Model.Script(llmtest.Always(llmtest.Response{Text: text, ChunkRunes: 4}))
		v2 := r.Join(t, c.Student, c.Room.ID, true, -1)
		plain := r.Join(t, c.Teacher, c.Room.ID, false, -1)
		p := post(t, r, c.Student, c.Room.ID, "hello")
		answer := v2.Await(t, "the answer", func(f apptest.Frame) bool { return f.Is("message") && f.Fields["agent_id"] != nil })
		v2.Await(t, "the end of the turn", func(f apptest.Frame) bool { return f.Is("turn") && f.Fields["state"] == "finished" })

		var kinds []string
		var streamed strings.Builder
		for _, f := range v2.Frames("") {
			switch {
			case f.Is("delta"):
				if got, want := int(f.Fields["offset"].(float64)), len(utf16.Encode([]rune(streamed.String()))); got != want {
					t.Errorf("offset: got %d, want %d", got, want)
				}
				if f.Fields["turn_id"] != answer.Fields["turn_id"] || f.Fields["attempt"] != 1.0 {
					t.Errorf("delta of another turn: %s", f.Text)
				}
				streamed.WriteString(f.Fields["text"].(string))
				if kinds[len(kinds)-1] != "delta" {
					kinds = append(kinds, "delta")
				}
			case f.Is("message"):
				kinds = append(kinds, "message")
			case f.Is("turn"):
				kinds = append(kinds, f.Fields["state"].(string))
			}
		}
		want(t, "frames", kinds, []string{"message", "started", "delta", "message", "finished"})
		// The last words may come with the message alone.
		if got := streamed.String(); got == "" || !strings.HasPrefix(text, got) {
			t.Errorf("the deltas say %q, want the beginning of %q", got, text)
		}
		if got := answer.Fields["content"]; got != text {
			t.Errorf("the message says %q, want %q", got, text)
		}
		echo := plain.Await(t, "the answer", func(f apptest.Frame) bool { return f.Fields["sender"] == "[Teacher AI]" })
		if echo.Fields["content"] != text {
			t.Errorf("plain socket: got %s", echo.Text)
		}
		if n := len(plain.Frames("delta")) + len(plain.Frames("turn")) + len(plain.Frames("presence")); n > 0 {
			t.Errorf("a plain socket got %d frames of the other protocol", n)
		}
		if f := v2.Frames("message")[0]; f.Fields["id"] != p.ID || f.Fields["seq"] != 1.0 || f.Fields["client_id"] != p.ClientID {
			t.Errorf("own line: got %s", f.Text)
		}
	})
}
