package web

import (
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func TestReports(t *testing.T) {
	eachWorld(t, map[string]func(*testing.T, *world){
		"OK": func(t *testing.T, w *world) {
			w.analyst(t)
			course, room := w.newRoom(t, owner)
			w.as(owner).must(t, 201, post, v1+"/rooms/"+room+"/messages", body{"text": "What is a cell?"})
			at := v1 + "/analytics/" + course
			made := w.as(owner).must(t, 200, post, at+"/generate").object(t)
			wantMembers(t, made, "id", "course_id", "room_id", "report_type", "title", "content", "state", "reason", "rooms_total", "rooms_done",
				"rooms_failed", "created_by", "created_at", "updated_at", "ended_at")
			for member, want := range map[string]any{"course_id": course, "room_id": nil, "report_type": "course_summary", "title": "Course", "state": "done",
				"reason": nil, "rooms_total": 1.0, "rooms_done": 1.0, "rooms_failed": 0.0, "created_by": w.users[owner].ID} {
				if made[member] != want {
					t.Errorf("%s: got %v, want %v", member, made[member], want)
				}
			}
			wantTime(t, made["created_at"])
			if !strings.HasPrefix(made["content"].(string), "# Course\n\n## Room\n\n") {
				t.Errorf("got the content %q", made["content"])
			}
			second := w.as(owner).must(t, 200, post, at+"/generate").object(t)
			if list := w.as(owner).must(t, 200, get, at).list(t); len(list) != 2 || list[0]["id"] != second["id"] || list[1]["content"] != made["content"] {
				t.Errorf("got %v, want two, the newest first", list)
			}
			if list := w.as(owner).must(t, 200, get, at+"?skip=1&limit=1").list(t); len(list) != 1 || list[0]["id"] != made["id"] {
				t.Errorf("got %v, want the older one", list)
			}
			one := at + "/reports/" + made["id"].(string)
			if got := w.as(owner).must(t, 200, get, one).object(t); got["content"] != made["content"] {
				t.Errorf("got %v", got)
			}
			if got := w.as(owner).must(t, 200, put, one, body{"content": "Mine."}).object(t); got["title"] != "Course" || got["content"] != "Mine." {
				t.Errorf("got %v", got)
			}
			wantProblem(t, w.as(owner).do(t, put, one, body{"title": nil}), 422, "title: must not be null, leave it out to keep what is stored")
			if counts := w.as(owner).must(t, 200, del, v1+"/courses/"+course+"?dry_run=true").object(t)["counts"].(map[string]any); counts["reports"] != 2.0 {
				t.Errorf("got the counts %v, want two reports", counts)
			}
			w.as(owner).must(t, 204, del, one)
			wantProblem(t, w.as(owner).do(t, get, one), 404, "Report not found")
			wantProblem(t, w.as(owner).do(t, del, one), 404, "Report not found")
			wantProblem(t, w.as(owner).do(t, put, one, body{}), 404, "Report not found")
		},
		"unknown": func(t *testing.T, w *world) {
			w.analyst(t)
			at := v1 + "/analytics/" + store.NewID()
			wantProblem(t, w.as(owner).do(t, post, at+"/generate"), 404, "Course not found")
			wantProblem(t, w.as(owner).do(t, get, at), 404, "Course not found")
			wantProblem(t, w.as(otherTeacher).do(t, post, v1+"/analytics/"+w.course+"/generate"), 403, "Not enough permissions")
		},
	})
}

func TestReportWithoutAnalyst(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	at := v1 + "/analytics/" + w.course + "/generate"
	wantProblem(t, w.as(owner).do(t, post, at), 400, "Analytics Agent not configured (Missing API Key)")
	w.as(admin).must(t, 200, put, v1+"/agents/system/analytics", body{"type": "analytics", "model_provider": "openai"})
	wantProblem(t, w.as(owner).do(t, post, at), 400, "Analytics Agent not configured (Missing API Key)")
}

func TestReportProgressIsReadable(t *testing.T) {
	t.Parallel()
	model, gate := llmtest.New(t), llmtest.NewGate(0)
	model.Script(llmtest.Always(llmtest.Response{Text: "All is well.", Gate: gate}))
	w := newWorldOf(t, storetest.SQLite(t), func(c *config.Config) { c.LLM.OpenAI.BaseURL = model.URL + "/v1" })
	w.as(admin).must(t, 200, put, v1+"/agents/system/analytics", body{"type": "analytics", "model_provider": "openai", "api_key": "sk-analytics"})
	w.as(owner).must(t, 201, post, v1+"/rooms/"+w.room+"/messages", body{"text": "What is a cell?"})
	at := v1 + "/analytics/" + w.course
	made := make(chan answer, 1)
	go func() { made <- w.as(owner).do(t, post, at+"/generate") }()
	var running map[string]any
	apptest.Await(t, "the report to run", func() bool {
		if list := w.as(ta).must(t, 200, get, at).list(t); len(list) == 1 {
			running = list[0]
		}
		return running["state"] == store.ReportRunning
	})
	if running["content"] != "The report is being written: 0 of 1 rooms are done. Look again in a moment." || running["ended_at"] != nil {
		t.Errorf("got %v", running)
	}
	one := at + "/reports/" + running["id"].(string)
	wantProblem(t, w.as(owner).do(t, put, one, body{"title": "x"}), 409, "Only a finished report can be changed")
	gate.Release()
	if got := (<-made).object(t); got["id"] != running["id"] || got["state"] != "done" || !strings.Contains(got["content"].(string), "All is well.") {
		t.Errorf("got %v, want the finished report", got)
	}
}
