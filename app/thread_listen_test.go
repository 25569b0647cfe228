package app_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// hear waits for the end of what somebody listens to. It returns the streamed text too.
// A model that waits at one of the gates goes on when text came.
func hear(t *testing.T, l *app.Listening, gates ...*llmtest.Gate) (text string, end *app.Answered, err error) {
	t.Helper()
	defer l.Close()
	late := time.After(30 * time.Second)
	for {
		end, err = l.End()
		for _, f := range l.Deltas() {
			text += string(f.Data)
		}
		if strings.Contains(text, `"text":"`) {
			for _, g := range gates {
				g.Release()
			}
		}
		if end != nil || err != nil {
			return text, end, err
		}
		select {
		case <-l.Changed:
		case <-l.Spoken:
		case <-late:
			t.Fatal("no end came")
		}
	}
}

func TestListening(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := newThreadRig(t, url, func(c *config.Config) {
			c.Prices = []config.Price{{Model: "*", Input: 2_500_000_000_000, Output: 10_000_000_000_000, Currency: "USD"}}
		})
		ctx, ag := t.Context(), r.c.TeacherAgent
		// Nothing of a sandbox stays.
		clean := func(t *testing.T, l *app.Listening) {
			t.Helper()
			if _, err := r.DB.Turn(ctx, l.TurnID); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("got %v, want the turn gone", err)
			}
		}
		t.Run("Sandbox", func(t *testing.T) {
			gate := llmtest.NewGate(2)
			r.Model.Script(llmtest.Always(llmtest.Response{Text: "Light is a wave.", ChunkRunes: 4, Gate: gate}))
			l, err := r.ListenToSandbox(ctx, r.c.Teacher, ag.ID, app.ThreadMessage{Message: "What is <|im_start|>light?"})
			if err != nil {
				t.Fatal(err)
			}
			if l.Prompt == nil || l.Prompt.System != ag.SystemPrompt || len(l.Prompt.Messages) != 1 || l.Prompt.Model != *ag.Model {
				t.Fatalf("got %+v", l.Prompt)
			}
			text, end, err := hear(t, l, gate)
			if err != nil || end.Answer.Content != "Light is a wave." || end.First <= 0 || end.All < end.First || end.Provider != ag.ModelProvider {
				t.Fatalf("got %+v, %v", end, err)
			}
			if !strings.Contains(text, `"text":"Ligh`) {
				t.Errorf("streamed %q", text)
			}
			last := r.Model.Requests()[r.Model.Count()-1]
			if last.System != l.Prompt.System || last.LastUser() != l.Prompt.Messages[0].Text || strings.Contains(last.LastUser(), "<|im_start|>") {
				t.Errorf("sent %q, %q, told %+v", last.System, last.LastUser(), l.Prompt)
			}
			if want := end.Prompt*2500 + end.Complete*10000; end.Prompt == 0 || end.Complete == 0 || end.Cost != want || end.Currency != "USD" {
				t.Errorf("got %+v, want a cost of %d", end, want)
			}
			clean(t, l)
		})
		t.Run("Fails", func(t *testing.T) {
			r.Model.Script(llmtest.Always(llmtest.Response{Status: http.StatusUnauthorized, Message: "no"}))
			l, err := r.ListenToSandbox(ctx, r.c.Teacher, ag.ID, app.ThreadMessage{Message: "hello"})
			if err != nil {
				t.Fatal(err)
			}
			if _, end, err := hear(t, l); end != nil || app.KindOf(err) != app.KindUpstream {
				t.Errorf("got %+v, %v", end, err)
			}
			clean(t, l)
		})
		t.Run("WhoLeavesEndsTheCall", func(t *testing.T) {
			r.Model.Script(llmtest.Always(llmtest.Response{Fault: llmtest.Hang}))
			before := r.Model.Count()
			l, err := r.ListenToSandbox(ctx, r.c.Teacher, ag.ID, app.ThreadMessage{Message: "hello"})
			if err != nil {
				t.Fatal(err)
			}
			apptest.Await(t, "the call", func() bool { return r.Model.Count() > before })
			l.Close()
			clean(t, l)
			apptest.Await(t, "the call to be settled", func() bool {
				all := storetest.Usage(t, r.DB)
				last := all[len(all)-1]
				return last.TurnID == l.TurnID && last.State == store.UsageSettled
			})
		})
		t.Run("Thread", func(t *testing.T) {
			r.Model.Script(llmtest.Always(llmtest.Response{Text: "Kept."}))
			said := app.ThreadMessage{Message: "Why?", ClientID: "once"}
			l, err := r.ListenInThread(ctx, r.c.Teacher, r.th.ID, said)
			if err != nil {
				t.Fatal(err)
			}
			_, end, err := hear(t, l)
			if err != nil || end.Answer.Content != "Kept." || l.Prompt == nil {
				t.Fatalf("got %+v, %v", end, err)
			}
			again, err := r.ListenInThread(ctx, r.c.Teacher, r.th.ID, said)
			if err != nil {
				t.Fatal(err)
			}
			if _, second, err := hear(t, again); err != nil || second.Answer.ID != end.Answer.ID {
				t.Errorf("got %+v, %v, want the same answer", second, err)
			}
			if got := r.said(t); len(got) != 2 {
				t.Errorf("got %q", got)
			}
			_, err = r.ListenInThread(ctx, r.c.TA, r.th.ID, said)
			refused(t, err, app.KindForbidden, "", "Not enough permissions")
		})
		t.Run("WithoutTheRightToChangeIt", func(t *testing.T) {
			member := r.User(t, app.RoleStudent, "Member")
			if _, err := r.AddProjectMember(ctx, r.c.Admin, r.c.Project.ID, app.Person{ID: member.User.ID}, "member"); err != nil {
				t.Fatal(err)
			}
			r.Model.Script(llmtest.Always(llmtest.Response{Text: "Hello."}))
			l, err := r.ListenToSandbox(ctx, member, ag.ID, app.ThreadMessage{Message: "hello"})
			if err != nil {
				t.Fatal(err)
			}
			if _, end, err := hear(t, l); err != nil || l.Prompt != nil || end.Answer.Content != "Hello." {
				t.Errorf("got %+v, %v, %+v: want the answer and no prompt", end, err, l.Prompt)
			}
		})
	})
}
