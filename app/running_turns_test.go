package app_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store/storetest"
)

// preview puts a turn's text together by the documented rule.
type preview struct {
	t     *testing.T
	units []uint16
}

func (p *preview) add(f apptest.Frame) {
	p.t.Helper()
	offset, _ := f.Fields["offset"].(float64)
	text, _ := f.Fields["text"].(string)
	if int(offset) != len(p.units) {
		p.t.Errorf("after %d units: got %s", len(p.units), f.Text)
	}
	p.units = append(p.units, utf16.Encode([]rune(text))...)
}

func TestJoinInTheMiddle(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		const whole = "Grüße, 世界 🎓! 👩‍🏫 老師說：天空是藍色的。 one two three four five six"
		gate := llmtest.NewGate(8)
		defer gate.Release()
		nodes := []*apptest.Rig{apptest.New(t, url)}
		if strings.HasPrefix(url, "postgres") {
			// The agent's key goes to the one model alone.
			nodes = append(nodes, apptest.New(t, url, func(c *config.Config) { c.LLM.OpenAI.BaseURL = nodes[0].Model.URL }))
		}
		c := nodes[0].Class(t)
		var first, late []*apptest.Socket
		nodes[0].Model.Script(llmtest.Always(llmtest.Response{Text: whole, ChunkRunes: 4, Delay: 30 * time.Millisecond, Gate: gate}))
		for _, r := range nodes {
			first = append(first, r.Join(t, c.Teacher, c.Room.ID, true, -1))
		}
		plain := nodes[0].Join(t, c.Teacher, c.Room.ID, false, -1)
		post(t, nodes[0], c.Student, c.Room.ID, "@teacher go")
		reached(t, gate)
		for _, s := range first {
			s.Await(t, "the first words", func(f apptest.Frame) bool { return f.Is("delta") && strings.Contains(f.Text, "🏫") })
		}
		for _, r := range nodes {
			late = append(late, r.Join(t, c.Student, c.Room.ID, true, -1))
		}
		turn := turns(t, nodes[0], c.Room.ID)[0]
		for _, s := range late {
			f := s.Await(t, "the turn", func(f apptest.Frame) bool { return f.Is("turn") })
			if f.Fields["turn_id"] != turn.ID || f.Fields["agent_id"] != turn.AgentID || f.Fields["agent_name"] == "" || f.Fields["state"] != "started" ||
				f.Fields["attempt"] != 1.0 || f.Fields["text"] == "" {
				t.Errorf("got %s", f.Text)
			}
		}
		frames, err := nodes[0].RunningTurns(t.Context(), c.Student, c.Room.ID)
		var f struct{ Text string }
		if err != nil || len(frames) != 1 || json.Unmarshal(frames[0], &f) != nil || f.Text == "" || !strings.HasPrefix(whole, f.Text) {
			t.Errorf("for a stream of events: got %q, %v", frames, err)
		}
		gate.Release()
		for i, s := range append(late, first...) {
			s.Await(t, "the message", func(f apptest.Frame) bool { return f.Is("message") && f.Fields["turn_id"] == turn.ID })
			got := &preview{t: t}
			if i < len(late) {
				got.add(s.Frames("turn")[0])
			}
			for _, f := range s.Frames("delta") {
				got.add(f)
			}
			// What the model says in the last moment comes with the message alone.
			if text := string(utf16.Decode(got.units)); !strings.HasPrefix(whole, text) || !strings.HasPrefix(text, "Grüße, 世界 🎓") {
				t.Errorf("socket %d: got %q", i, text)
			}
		}
		plain.Await(t, "the message", func(f apptest.Frame) bool {
			return f.Is("message") && strings.HasPrefix(whole, f.Fields["content"].(string))
		})
		if got := plain.Frames("turn"); len(got) != 0 {
			t.Errorf("the plain protocol: got %v", got)
		}
		nodes[0].Idle(t, c.Room.ID)
		after := nodes[0].Join(t, c.Student, c.Room.ID, true, -1)
		after.Await(t, "presence", func(f apptest.Frame) bool { return f.Is("presence") })
		for _, f := range after.Frames("turn") {
			// Another node's word that it has finished may come late.
			if f.Fields["state"] != "finished" {
				t.Errorf("after the end: got %s", f.Text)
			}
		}
	})
}

// A process that has heard nothing of an answer says whose it is.
func TestJoinWhereNothingWasHeard(t *testing.T) {
	t.Parallel()
	r := apptest.New(t, storetest.Postgres(t))
	c := r.Class(t)
	turn, gate, _ := speaking(t, r, c, "@teacher go")
	defer gate.Release()
	other := apptest.NewStopped(t, r.Config.Database.URL.Reveal())
	f := other.Join(t, c.Student, c.Room.ID, true, -1).Await(t, "the turn", func(f apptest.Frame) bool { return f.Is("turn") })
	if f.Fields["turn_id"] != turn.ID || f.Fields["agent_name"] == "" || f.Fields["text"] != "" {
		t.Errorf("got %s", f.Text)
	}
}
