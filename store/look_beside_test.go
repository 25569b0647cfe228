package store_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// holdAfter stops whoever runs the first statement with this text, once it is armed. It
// returns a channel that tells that somebody has stopped, and what lets them go on.
func holdAfter(r *apptest.Rig, text string) (arm func(), stopped <-chan struct{}, release func()) {
	var mu sync.Mutex
	armed := false
	reached, goOn := make(chan struct{}), make(chan struct{})
	r.DB.OnQuery(func(query string) {
		mu.Lock()
		hit := armed && strings.Contains(query, text)
		armed = armed && !hit
		mu.Unlock()
		if hit {
			close(reached)
			<-goOn
		}
	})
	return func() { mu.Lock(); armed = true; mu.Unlock() }, reached, sync.OnceFunc(func() { close(goOn) })
}

// besideClass is a room that no sweep visits, so that only jobs go on in it.
func besideClass(t *testing.T, url string) (*apptest.Rig, func() *apptest.Class) {
	t.Helper()
	r := apptest.NewStopped(t, url, func(c *config.Config) { c.Turns.Sweep, c.Turns.Due = time.Hour, time.Hour })
	r.Model.Script(llmtest.Say("an answer"))
	return r, func() *apptest.Class {
		c := r.Class(t, func(s *app.RoomSettings) { s.AIFrequency = app.Some(0.0) })
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		return c
	}
}

func say(t *testing.T, r *apptest.Rig, c *apptest.Class, text string) *store.Message {
	t.Helper()
	p, err := r.PostMessage(t.Context(), c.Student, c.Room.ID, text, "")
	if err != nil {
		t.Fatal(err)
	}
	return p.Message
}

// A post between what a decision has read and its commit has no job of its own, and is
// decided about all the same.
func TestPostBesideALook(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r, start := besideClass(t, url)
		arm, stopped, release := holdAfter(r, ") AS live")
		defer release()
		c := start()
		arm()
		say(t, r, c, "@nobody")
		<-stopped
		say(t, r, c, "beside it")
		say(t, r, c, "@teacher")
		if got := strings.Count(r.Dump(t), "look_at_room"); got != 1 {
			t.Errorf("%d jobs while the first is at work, want 1", got)
		}
		release()
		if got := r.Messages(t, c.Room.ID, 4); got[3].Content != "an answer" {
			t.Errorf("got %+v", got)
		}
	})
}

// A change of who may speak that is committed between the verdict about a post and the
// post makes the agents decide.
func TestChangeBesideAPost(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r, start := besideClass(t, url)
		arm, stopped, release := holdAfter(r, "AS is_member")
		defer release()
		c := start()
		if m := say(t, r, c, "before"); !m.Silent {
			t.Errorf("got %+v", m)
		}
		arm()
		posted := make(chan *store.Message, 1)
		go func() {
			p, err := r.PostMessage(t.Context(), c.Student, c.Room.ID, "after", "")
			if err != nil {
				t.Error(err)
			}
			posted <- p.Message
		}()
		<-stopped
		trigger := app.AgentSettings{TriggerConfig: app.Some(json.RawMessage(`{"type":"message_count","value":1}`))}
		if _, err := r.UpdateAgent(t.Context(), c.Teacher, c.TeacherAgent.ID, trigger); err != nil {
			t.Fatal(err)
		}
		release()
		if m := <-posted; m.Silent {
			t.Error("the post is silent, by what was true before the change")
		}
		if got := r.Messages(t, c.Room.ID, 3); got[2].Content != "an answer" {
			t.Errorf("got %+v", got)
		}
	})
}
