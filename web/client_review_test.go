package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store/storetest"
)

// TestExistingClientSeesReviews: the existing client's class has a student
// agent whose drafts the teacher agent reviews. Everybody is shown on the plain
// protocol what happens, in the form that this client reads, and the text when
// it is approved; drafts, scores and feedback go to staff alone.
func TestExistingClientSeesReviews(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, dbURL string) {
		model := llmtest.New(t)
		r := start(t, dbURL, func(cfg *config.Config) { cfg.LLM.OpenAI.BaseURL = model.URL + "/v1" })
		d := &clientDay{rig: r, admin: r.spa(t), teacher: r.spa(t)}
		d.admin.signIn(t, r.addUser(t, app.RoleSuperAdmin, "boss", true).Email)
		for _, part := range []func(*testing.T){d.people, d.workspace, d.courseView} {
			part(t)
		}
		for _, ag := range d.teacher.call(t, http.StatusOK, get, "/agents/"+d.project, nil, "id", "type").list(t) {
			ag["model_provider"], ag["model"], ag["api_key"], ag["is_active"], ag["trigger_config"] = "openai", "gpt-4o", "sk-agent-key-1", true, body{"type": "manual"}
			if ag["type"] == "teacher" || ag["type"] == "student" {
				d.teacher.call(t, http.StatusOK, put, "/agents/"+ag["id"].(string), ag)
				d.teacher.call(t, http.StatusOK, post, "/rooms/"+d.room+"/agents/"+ag["id"].(string), nil)
			}
		}
		d.teacher.call(t, http.StatusOK, put, "/rooms/"+d.room, body{"name": "Group 1", "ai_frequency": 1, "ai_mode": "both"})
		d.teacher.call(t, http.StatusOK, post, "/rooms/"+d.room+"/assign", body{"user_email": nil, "user_id": d.studentID, "role": "student"})
		student := d.spa(t)
		student.signIn(t, "stu")
		teacherSocket, studentSocket := d.socket(t, d.teacher), d.socket(t, student)

		for _, round := range []struct {
			name    string
			approve bool
			shown   []string
		}{
			{"approved once revised", true, []string{
				"message|Stu Dent|@student is light a wave?",
				"a2a_trace|[A2A PROPOSAL]|[A2A]|PROPOSAL|Student drafted a contribution",
				"a2a_trace|[A2A EVAL_REQUEST]|[A2A]|EVAL_REQUEST|Student → Teacher: Requesting evaluation",
				"a2a_trace|[A2A REVISION]|[A2A]|REVISION|Student revises the contribution",
				"a2a_trace|[A2A EVAL_REQUEST]|[A2A]|EVAL_REQUEST|Student → Teacher: Requesting evaluation",
				"a2a_trace|[A2A APPROVED]|[A2A]|APPROVED|Teacher approved student's proposal ✓",
				"message|[Student AI]|It is both, says Young.",
			}},
			{"denied", false, []string{
				"message|Stu Dent|@student is light a wave?",
				"a2a_trace|[A2A PROPOSAL]|[A2A]|PROPOSAL|Student drafted a contribution",
				"a2a_trace|[A2A EVAL_REQUEST]|[A2A]|EVAL_REQUEST|Student → Teacher: Requesting evaluation",
				"a2a_trace|[A2A REVISION]|[A2A]|REVISION|Student revises the contribution",
				"a2a_trace|[A2A EVAL_REQUEST]|[A2A]|EVAL_REQUEST|Student → Teacher: Requesting evaluation",
				"a2a_trace|[A2A DENIED]|[A2A]|DENIED|Teacher rejected student's proposal ✗",
			}},
		} {
			drafts := 0
			model.Script(func(req llmtest.Request) llmtest.Response {
				judges := strings.Contains(req.System, "review what others want to say")
				switch {
				case judges && (drafts == 1 || !round.approve):
					return llmtest.Response{Text: `{"approved": false, "score": 17, "feedback": "CANARY-FEEDBACK: who says so?"}`}
				case judges:
					return llmtest.Response{Text: `{"approved": true, "score": 91, "feedback": "CANARY-PRAISE"}`}
				}
				drafts++
				return llmtest.Response{Text: []string{"CANARY-DRAFT: it is both.", "It is both, says Young."}[drafts-1]}
			})
			if err := studentSocket.WriteMessage(websocket.TextMessage, []byte("@student is light a wave?")); err != nil {
				t.Fatal(err)
			}
			for who, conn := range map[string]*websocket.Conn{"teacher": teacherSocket, "student": studentSocket} {
				if got := shown(t, conn, len(round.shown)); !slices.Equal(got, round.shown) {
					t.Errorf("%s: the %s was shown\n%s\nwant\n%s", round.name, who, strings.Join(got, "\n"), strings.Join(round.shown, "\n"))
				}
			}
		}

		said := []string{"@student is light a wave?", "It is both, says Young.", "@student is light a wave?"}
		var history []string
		for _, row := range student.call(t, http.StatusOK, get, "/chat/messages/"+d.room, nil, "sender", "content", "created_at").list(t) {
			history = append(history, fmt.Sprint(row["content"]))
		}
		if !slices.Equal(history, said) {
			t.Errorf("the history says %q, want %q", history, said)
		}
		exchanges := d.teacher.call(t, http.StatusOK, get, "/rooms/"+d.room+"/a2a", nil)
		for _, word := range []string{"CANARY-DRAFT", "CANARY-FEEDBACK", "CANARY-PRAISE"} {
			if !strings.Contains(exchanges.body, word) {
				t.Errorf("staff do not find %s in %.2000s", word, exchanges.body)
			}
		}
		student.call(t, http.StatusForbidden, get, "/rooms/"+d.room+"/a2a", nil)
	})
}

// socket joins the room as the existing client does.
func (d *clientDay) socket(t *testing.T, who *spa) *websocket.Conn {
	t.Helper()
	header := http.Header{"Origin": {"http://" + d.Addr.String()}, "Cookie": {"access_token=" + who.cookie("access_token")}}
	dialer := &websocket.Dialer{HandshakeTimeout: 10 * time.Second}
	conn, res, err := dialer.DialContext(t.Context(), "ws://"+d.Addr.String()+v1+"/chat/ws/"+d.room, header)
	if err != nil {
		t.Fatalf("handshake: %v (%v)", err, res)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// shown reads lines and traces, as "type|sender|content", and fails where a
// frame is not in the form that the client reads or tells what was drafted.
func shown(t *testing.T, conn *websocket.Conn, n int) (frames []string) {
	t.Helper()
	for len(frames) < n {
		_, text, err := conn.ReadMessage()
		if err != nil {
			t.Fatalf("after %q: %v", frames, err)
		}
		if strings.Contains(string(text), "CANARY") {
			t.Errorf("got what staff alone may read: %s", text)
		}
		var f struct {
			Type, Sender, Content, Timestamp string
			Metadata                         map[string]any
		}
		if err := json.Unmarshal(text, &f); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		switch f.Type {
		case "a2a_trace":
			if event, _ := f.Metadata["event_type"].(string); f.Metadata["is_a2a"] != true || f.Sender != "[A2A "+event+"]" || f.Timestamp != "" {
				t.Errorf("got the trace %s", text)
			}
		case "message":
			wantTime(t, f.Timestamp)
		default:
			continue
		}
		frames = append(frames, f.Type+"|"+f.Sender+"|"+f.Content)
	}
	return frames
}
