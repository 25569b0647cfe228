package app_test

import (
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/store"
)

// This file has the inlets where a person and an agent talk alone, see TestInjection.

// newThreadHall is a hall in a thread of the teacher. The agent has an artifact there.
func newThreadHall(t *testing.T, r *apptest.Rig, z *zoo, name string) (*hall, *threadRig) {
	t.Helper()
	c := silentClass(t, r)
	h := newHall(t, r, z, c, name)
	th := newThread(t, r, c, c.TeacherAgent.ID)
	h.room, h.fence = th.ID, turn.Fence(&r.Config.Auth, c.TeacherAgent.ID, th.ID)
	tr := &threadRig{r, c, th}
	h.before = func(_ llmtest.Request, results int) *llmtest.Response {
		resp := use("manage_artifact", `{"action":"create","artifact_type":"task","title":"Homework"}`)
		if results > 0 {
			resp = say("Made.")
		}
		return &resp
	}
	_, err := tr.talk(t.Context(), "make it", "")
	must(t, err)
	made := tr.made(t)
	if len(made) != 1 {
		t.Fatalf("got %+v", made)
	}
	// What an agent made itself it may change. Have it be a person's.
	r.Exec(t, "UPDATE artifacts SET created_by = ?, created_by_agent = NULL WHERE id = ?", c.Teacher.User.ID, made[0].ID)
	if h.owned, err = r.DB.Artifact(t.Context(), made[0].ID); err != nil {
		t.Fatal(err)
	}
	h.harmless(t, func() { _, err = tr.talk(t.Context(), "hello", ""); must(t, err) })
	return h, tr
}

// attackThread sends every text to a thread. What waits there waits for its person alone.
func attackThread(t *testing.T, h *hall, tr *threadRig, send func(text string)) {
	for _, a := range injections(t) {
		text, shown := h.begin(&a)
		send(text)
		h.settled(t)
		q, n := h.requests(t, 1)[0], 0
		for _, b := range h.checkRequest(t, q, h.system, true) {
			n += strings.Count(b.text, shown)
		}
		if n != 1 || strings.Count(q.Body, inJSON(shown)) > 1 {
			t.Errorf("%s: the text is there %d times", a.ID, n)
		}
		waits := h.checkEffects(t, &a)
		if len(waits) == 0 {
			t.Fatalf("%s: nothing waits", a.ID)
		}
		h.approval = waits[0].ID
		for _, who := range []*app.Actor{h.Student, h.Admin, h.TA, nil} {
			if _, err := h.r.DecideThreadApproval(t.Context(), who, h.room, h.approval, app.DecisionApprove, ""); err == nil {
				t.Fatalf("%s: somebody without the right has decided", a.ID)
			}
		}
		all, err := h.r.ThreadTurns(t.Context(), h.Teacher, h.room, store.Page{Limit: 1})
		must(t, err)
		_, err = h.r.StopThreadTurn(t.Context(), h.Teacher, h.room, all[0].ID)
		must(t, err)
		tr.become(t, all[0].ID, store.TurnStopped)
	}
	h.triggerStays(t)
}

func injectThread(t *testing.T, r *apptest.Rig, z *zoo) {
	h, tr := newThreadHall(t, r, z, "thread")
	attackThread(t, h, tr, func(text string) {
		_, err := tr.talk(t.Context(), text, "")
		refused(t, err, app.KindConflict, "approval", "The agent waits for your decision; see the approvals of the thread")
	})
}

func injectThreadTurns(t *testing.T, r *apptest.Rig, z *zoo) {
	h, tr := newThreadHall(t, r, z, "thread-turn")
	attackThread(t, h, tr, func(text string) { tr.asks(t, text, store.NewID()) })
}

// injectSandbox tries the texts where nothing is kept. The agent is offered no tool there.
func injectSandbox(t *testing.T, r *apptest.Rig, z *zoo) {
	h := newHall(t, r, z, silentClass(t, r), "sandbox")
	h.system, h.fence = h.TeacherAgent.SystemPrompt, "data-000000000000"
	for _, a := range injections(t) {
		text, _ := h.begin(&a)
		got, _, err := r.Simulate(t.Context(), h.Teacher, h.TeacherAgent.ID, app.ThreadMessage{Message: text})
		if err != nil || got != "Done." {
			t.Fatalf("%s: got %q, %v", a.ID, got, err)
		}
		q := h.requests(t, 2)
		m := wire(t, q[0])
		if len(m) != 2 || m[0].Content != h.system || m[1].Role != "user" || m[1].Content != h.unmarked(text) || len(q[0].Tools) != 0 {
			t.Errorf("%s: got %+v with the tools %v", a.ID, m, q[0].Tools)
		}
	}
	f, err := r.DB.Artifact(t.Context(), h.owned.ID)
	if err != nil || f.Version != h.owned.Version || f.Deleted() {
		t.Errorf("the artifact became %+v (%v)", f, err)
	}
	h.triggerStays(t)
}
