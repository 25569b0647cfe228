package app_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func reply(t *testing.T, r *apptest.Rig, who *app.Actor, to *store.Message, content string) *store.Message {
	t.Helper()
	p, err := r.PostMessage(t.Context(), who, to.RoomID, content, store.NewID(), app.PostWith{ReplyTo: to.ID})
	must(t, err)
	return p.Message
}

// messageNow is a message as it is now.
func messageNow(t *testing.T, r *apptest.Rig, m *store.Message) *store.Message {
	t.Helper()
	row, err := r.DB.MessageInRoom(t.Context(), m.RoomID, m.ID)
	must(t, err)
	return row
}

// quotedRoot is what somebody sees of the root in a reply: in the row, and in its event.
func quotedRoot(t *testing.T, r *apptest.Rig, m *store.Message, staff bool) string {
	t.Helper()
	row := messageNow(t, r, m)
	event.Redact(row, staff)
	e, err := r.DB.Events(t.Context(), m.RoomID, m.Seq-1, 1)
	must(t, err)
	var frame struct {
		ReplyTo *event.ReplyTo `json:"reply_to"`
	}
	must(t, json.Unmarshal(event.Frame(event.Live(&e[0]), event.VariantFor(true, staff)), &frame))
	got := event.ReplyToOf(row)
	if got == nil || frame.ReplyTo == nil || *got != *frame.ReplyTo {
		t.Errorf("the row says %+v, the event %+v", got, frame.ReplyTo)
		return ""
	}
	return fmt.Sprintf("%s:%s:%s", got.Sender, got.Excerpt, got.State)
}

// threadState is how many replies a message has, and who replied last, by their names.
func threadState(t *testing.T, r *apptest.Rig, root *store.Message, who ...*app.Actor) string {
	t.Helper()
	row := messageNow(t, r, root)
	var names []string
	for _, it := range store.RepliersOf(row) {
		i := slices.IndexFunc(who, func(a *app.Actor) bool { return a.User.ID == it.UserID })
		if i < 0 {
			names = append(names, "agent "+it.AgentID)
		} else {
			names = append(names, who[i].User.Name())
		}
	}
	if row.LastReplyAt.IsZero() != (row.ReplyCount == 0) {
		t.Errorf("%d replies, the last at %v", row.ReplyCount, row.LastReplyAt)
	}
	return fmt.Sprintf("%d %s", row.ReplyCount, strings.Join(names, ","))
}

func TestReplies(t *testing.T) {
	t.Parallel()
	unlimited := func(cfg *config.Config) {
		cfg.Limits.PostsBurst, cfg.Limits.PostsPerMinute, cfg.Limits.EditsPerMinute = 1000, 1000, 1000
	}
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url, unlimited)
		ctx := t.Context()
		t.Run("OneLevel", func(t *testing.T) {
			c := r.Class(t, silentRoom)
			all := []*app.Actor{c.Student, c.TA, c.Teacher, c.Admin}
			root := post(t, r, c.Student, c.Room.ID, "What is   light?")
			first := reply(t, r, c.Teacher, root, "A wave")
			second := reply(t, r, c.TA, first, "And a particle")
			if first.RootID != root.ID || second.RootID != root.ID || second.Seq != root.Seq+2 {
				t.Errorf("got %+v", second)
			}
			if got := quotedRoot(t, r, second, false); got != "Sue:What is light?:" {
				t.Errorf("the reply shows %q", got)
			}
			reply(t, r, c.Student, second, "Thanks")
			reply(t, r, c.Teacher, root, "Welcome")
			if got := threadState(t, r, root, all...); got != "4 Tess,Sue,Tom" {
				t.Errorf("got %q", got)
			}
			reply(t, r, c.Admin, root, "Good")
			if got := threadState(t, r, root, all...); got != "5 Ada,Tess,Sue" {
				t.Errorf("got %q", got)
			}
			page, err := r.Replies(ctx, c.Student, c.Room.ID, second.ID, first.Seq, 0, 2)
			must(t, err)
			rows, err := storetest.All(page, nil)
			must(t, err)
			if len(rows) != 2 || rows[0].ID != second.ID || rows[1].Content != "Thanks" {
				t.Errorf("got %+v", rows)
			}
			if _, err := r.Replies(ctx, c.Outsider, c.Room.ID, root.ID, 0, 0, 2); err == nil {
				t.Error("somebody outside the course reads the replies")
			}
			for before, want := range map[int64][]string{rows[1].Seq: {"A wave", "And a particle"}, 1 << 53: {"Welcome", "Good"}} {
				page, err := r.Replies(ctx, c.Student, c.Room.ID, root.ID, 0, before, 2)
				must(t, err)
				rows, err := storetest.All(page, nil)
				must(t, err)
				if len(rows) != 2 || rows[0].Content != want[0] || rows[1].Content != want[1] {
					t.Errorf("before %d: got %+v, want %q", before, rows, want)
				}
			}
		})
		t.Run("Inbox", func(t *testing.T) {
			c := r.Class(t, silentRoom)
			root := post(t, r, c.Student, c.Room.ID, "one")
			first := reply(t, r, c.Teacher, root, "@Sue two")
			reply(t, r, c.TA, first, "three @everyone @Sue")
			reply(t, r, c.Student, root, "four")
			kinds := func(who *app.Actor) (got []string) {
				rows, err := r.Mentions(ctx, who, store.MentionSearch{Limit: 50})
				must(t, err)
				for _, m := range rows {
					if m.RootID != root.ID {
						t.Errorf("the root of %q is %q", m.Excerpt, m.RootID)
					}
					got = append(got, m.Kind+" "+m.Excerpt)
				}
				return got
			}
			want(t, "Sue", kinds(c.Student), []string{"reply three @everyone @Sue", "reply @Sue two"})
			want(t, "Tess", kinds(c.Teacher), []string{"reply three @everyone @Sue"})
			want(t, "Tom", kinds(c.TA), nil)
			must(t, second(r.EditMessage(ctx, c.Teacher, c.Room.ID, first.ID, "two")))
			want(t, "Sue, not called any more", kinds(c.Student), []string{"reply three @everyone @Sue", "reply two"})
			if n, err := r.ReadMentions(ctx, c.Student, []string{first.ID}, ""); n != 1 || err != nil {
				t.Errorf("got %d, %v", n, err)
			}
		})
		t.Run("WhatBecomesOfTheRoot", func(t *testing.T) {
			c := r.Class(t, silentRoom)
			root := post(t, r, c.Student, c.Room.ID, "secret")
			m := reply(t, r, c.Teacher, root, "hush")
			seen := func(what, others, staff string) {
				t.Helper()
				if got := quotedRoot(t, r, m, false); got != others {
					t.Errorf("%s: got %q, want %q", what, got, others)
				}
				if got := quotedRoot(t, r, m, true); got != staff {
					t.Errorf("%s, for staff: got %q, want %q", what, got, staff)
				}
			}
			must(t, second(r.EditMessage(ctx, c.Student, c.Room.ID, root.ID, "secret <2>")))
			seen("edited", "Sue:secret <2>:", "Sue:secret <2>:")
			must(t, second(r.HideMessage(ctx, c.TA, c.Room.ID, root.ID)))
			seen("hidden", "Sue::hidden", "Sue:secret <2>:hidden")
			_, err := r.PostMessage(ctx, c.Teacher, c.Room.ID, "x", "", app.PostWith{ReplyTo: root.ID})
			refused(t, err, app.KindConflict, "deleted", "")
			later := reply(t, r, c.TA, m, "the thread goes on")
			if got := quotedRoot(t, r, later, false); got != "Sue::hidden" {
				t.Errorf("a later reply shows %q", got)
			}
			must(t, second(r.ShowMessage(ctx, c.TA, c.Room.ID, root.ID)))
			seen("shown", "Sue:secret <2>:", "Sue:secret <2>:")
			must(t, r.DeleteMessage(ctx, c.Student, c.Room.ID, root.ID))
			seen("deleted", "Sue::deleted", "Sue::deleted")
			if dump := r.Dump(t); strings.Contains(dump, `"excerpt":"secret <2>"`) || strings.Contains(dump, `"excerpt": "secret <2>"`) {
				t.Error("the deleted text is kept somewhere")
			}
			must(t, second(r.RestoreMessage(ctx, c.Student, c.Room.ID, root.ID)))
			seen("restored", "Sue:secret <2>:", "Sue:secret <2>:")
			if got := threadState(t, r, root, c.Teacher, c.TA); got != "2 Tom,Tess" {
				t.Errorf("got %q", got)
			}
		})
		t.Run("WhatBecomesOfReplies", func(t *testing.T) {
			c := r.Class(t, silentRoom)
			root := post(t, r, c.Student, c.Room.ID, "one")
			two, three := reply(t, r, c.Teacher, root, "two"), reply(t, r, c.Student, root, "three")
			state := func(what, want string) {
				t.Helper()
				if got := threadState(t, r, root, c.Student, c.Teacher); got != want {
					t.Errorf("%s: got %q, want %q", what, got, want)
				}
			}
			must(t, r.DeleteMessage(ctx, c.Student, c.Room.ID, three.ID))
			state("deleted", "1 Tess")
			must(t, second(r.HideMessage(ctx, c.TA, c.Room.ID, two.ID)))
			state("hidden", "0 ")
			var last event.MessageState
			events, err := r.DB.Events(ctx, c.Room.ID, three.Seq, 10)
			must(t, err)
			must(t, json.Unmarshal([]byte(events[len(events)-1].Body), &last))
			if last.RootID != root.ID || last.Replies == nil || *last.Replies != 0 {
				t.Errorf("the event says %+v", last)
			}
			must(t, second(r.ShowMessage(ctx, c.TA, c.Room.ID, two.ID)))
			must(t, second(r.RestoreMessage(ctx, c.Student, c.Room.ID, three.ID)))
			state("shown again", "2 Sue,Tess")
			_, err = r.PostMessage(ctx, c.Teacher, c.Room.ID, "x", "", app.PostWith{ReplyTo: store.NewID()})
			refused(t, err, app.KindInvalid, "invalid", "reply_to: must be the id of a message in this room")
			other := r.Class(t, silentRoom)
			_, err = r.PostMessage(ctx, other.Teacher, other.Room.ID, "x", "", app.PostWith{ReplyTo: root.ID})
			refused(t, err, app.KindInvalid, "invalid", "reply_to: must be the id of a message in this room")
			_, err = r.PostMessage(ctx, c.Teacher, c.Room.ID, "x", "", app.PostWith{ReplyTo: "7"})
			refused(t, err, app.KindInvalid, "invalid", "reply_to: must be the id of a message in this room")
			state("refused", "2 Sue,Tess")
		})
		t.Run("SentAgain", func(t *testing.T) {
			c := r.Class(t, silentRoom)
			root := post(t, r, c.Student, c.Room.ID, "one")
			send := func() (*app.Posted, error) {
				return r.PostMessage(ctx, c.Teacher, c.Room.ID, "two", "again", app.PostWith{ReplyTo: root.ID})
			}
			first, err := send()
			must(t, err)
			p, err := send()
			must(t, err)
			must(t, r.DeleteMessage(ctx, c.Student, c.Room.ID, root.ID))
			gone, err := send() // it was stored while that was possible
			must(t, err)
			if !p.Dup || !gone.Dup || gone.Message.ID != first.Message.ID || threadState(t, r, root, c.Teacher) != "1 Tess" {
				t.Errorf("got %+v, %+v", p, gone)
			}
		})
		t.Run("Full", func(t *testing.T) {
			c := r.Class(t, silentRoom)
			root := post(t, r, c.Student, c.Room.ID, "one")
			r.Exec(t, fmt.Sprintf("UPDATE messages SET reply_count = %d WHERE id = '%s'", turn.MaxReplies, root.ID))
			_, err := r.PostMessage(ctx, c.Teacher, c.Room.ID, "x", "", app.PostWith{ReplyTo: root.ID})
			refused(t, err, app.KindConflict, "too_many", "")
		})
		t.Run("DeletedAccount", func(t *testing.T) {
			c := r.Class(t, silentRoom)
			root := post(t, r, c.Student, c.Room.ID, "one")
			m := reply(t, r, c.Teacher, root, "two")
			_, _, err := r.DeleteUser(ctx, c.Admin, c.Student.User.ID, false)
			must(t, err)
			if got := quotedRoot(t, r, m, false); got != event.DeletedName+":one:" {
				t.Errorf("got %q", got)
			}
		})
	})
}

// An agent that is called in a thread reads the thread and the room, and answers there.
func TestAgentsInThreads(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url, quick)
		root := func(c *apptest.Class, text string) *store.Message { return post(t, r, c.Student, c.Room.ID, text) }
		// answers are what agents said, with what it hangs under.
		answers := func(c *apptest.Class) (got []string) {
			r.Idle(t, c.Room.ID)
			by := map[string]string{}
			for _, m := range r.Messages(t, c.Room.ID, 0) {
				by[m.ID] = m.Content
				if m.ByAgent() {
					got = append(got, by[m.RootID]+" > "+m.Content)
				}
			}
			return got
		}
		t.Run("Called", func(t *testing.T) {
			asked := make(chan llmtest.Request, 10)
			r.Model.Script(func(q llmtest.Request) llmtest.Response { asked <- q; return say("Because.") })
			c := silentClass(t, r)
			first := root(c, "The sky is blue")
			reply(t, r, c.TA, first, "Is it?")
			for i := range 100 {
				r.Exec(t, fmt.Sprintf("UPDATE rooms SET event_seq = event_seq + 1, looked_seq = looked_seq + 1 WHERE id = '%s'", c.Room.ID))
				inTx(t, r, func(tx *store.Tx) error {
					room, err := tx.Room(t.Context(), c.Room.ID)
					must(t, err)
					_, err = tx.CreateMessage(t.Context(), &store.Message{ID: store.NewID(), RoomID: c.Room.ID, Seq: room.EventSeq, SenderID: c.TA.User.ID,
						Content: fmt.Sprintf("Noise %d", i), CreatedAt: r.Now().UTC()})
					return err
				})
			}
			m := reply(t, r, c.Student, first, "@Teacher why?")
			want(t, "answers", answers(c), []string{"The sky is blue > Because."})
			var all []string
			for _, m := range wire(t, <-asked)[1:] {
				all = append(all, strings.Split(m.Content, "\n\n")...)
			}
			n := len(all)
			want(t, "the end of the prompt", all[n-4:], []string{"Tom (ta): Noise 99", "Sue (student, in this thread): The sky is blue",
				"Tom (ta, in this thread): Is it?", "Sue (student, in this thread): @Teacher why?"})
			one := turns(t, r, c.Room.ID)[0]
			if one.RootID != first.ID || one.TriggerSeq != m.Seq || threadState(t, r, first, c.TA, c.Student) != "3 agent "+c.TeacherAgent.ID+",Sue,Tom" {
				t.Errorf("got %+v, %s", one, threadState(t, r, first, c.TA, c.Student))
			}
			d, err := r.Turn(t.Context(), c.Teacher, c.Room.ID, one.ID)
			must(t, err)
			steps, err := storetest.All(d.Steps, nil)
			must(t, err)
			if got := steps[0].Prompt.Messages; got[len(got)-1].Name != "Sue (student, in this thread)" {
				t.Errorf("staff see %+v", got[len(got)-1])
			}
		})
		t.Run("Uncalled", func(t *testing.T) {
			r.Model.Script(llmtest.Say("Hm."))
			c := silentClass(t, r)
			first := root(c, "one")
			r.Idle(t, c.Room.ID)
			r.SetRoll(0)
			reply(t, r, c.Student, first, "two") // a roll answers that message
			want(t, "answers", answers(c), []string{"one > Hm."})
			post(t, r, c.Student, c.Room.ID, "three")
			want(t, "answers", answers(c), []string{"one > Hm.", " > Hm."})
		})
		t.Run("AgentsCallAgents", func(t *testing.T) {
			r.Model.Script(func(q llmtest.Request) llmtest.Response {
				if strings.Contains(q.Body, "You are \\\"Teacher\\\"") {
					return say("@Student, what do you think?")
				}
				return say("Nothing.")
			})
			c := silentClass(t, r)
			first := root(c, "one")
			reply(t, r, c.Student, first, "@Teacher")
			want(t, "answers", answers(c), []string{"one > @Student, what do you think?", "one > Nothing."})
		})
		t.Run("Workflow", func(t *testing.T) {
			r.Model.Script(func(q llmtest.Request) llmtest.Response {
				if strings.Contains(q.Body, "Judge the draft") {
					return say(`{"approved":true,"score":90,"feedback":""}`)
				}
				return say("Reviewed.")
			})
			c := silentClass(t, r)
			r.UseWorkflow(t, c, "review")
			first := root(c, "one")
			reply(t, r, c.Student, first, "@Teacher")
			want(t, "answers", answers(c), []string{"one > Reviewed."})
		})
		t.Run("WorkerVanished", func(t *testing.T) {
			r.Model.Script(llmtest.Say("Again."))
			c := silentClass(t, r)
			first := root(c, "one")
			reply(t, r, c.Student, first, "two")
			r.Idle(t, c.Room.ID)
			lost := orphanOf(t, r, c, store.TurnRunning, 1, first.ID)
			want(t, "answers", answers(c), []string{"one > Again."})
			oneTurn(t, r, c.Room.ID, store.TurnFinished, 2)
			if lost.RootID != first.ID {
				t.Errorf("got %+v", lost)
			}
		})
		t.Run("RootGone", func(t *testing.T) {
			gate := llmtest.NewGate(0)
			r.Model.Script(llmtest.Always(llmtest.Response{Text: "Late.", Gate: gate}))
			c := silentClass(t, r)
			first := root(c, "one")
			reply(t, r, c.Student, first, "@Teacher")
			reached(t, gate)
			must(t, r.DeleteMessage(t.Context(), c.Student, c.Room.ID, first.ID))
			gate.Release()
			want(t, "answers", answers(c), []string{"one > Late."})
			rows := r.Messages(t, c.Room.ID, 0)
			if got := quotedRoot(t, r, &rows[len(rows)-1], true); got != "Sue::deleted" {
				t.Errorf("got %q", got)
			}
		})
	})
}

// An agent outside the program is told the thread, and answers there, at once or later.
func TestOutsideAgentsInThreads(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := outsideRig(t, url)
		c := newOutsideClass(t, r)
		c.onlyCalled(t)
		first := post(t, r, c.Student, c.Room.ID, "one")
		reply(t, r, c.Student, first, "@Far")
		m := c.said(t, 3)
		asked := c.peer.calls(t, 1)[0]
		if m.Content != "from afar" || m.RootID != first.ID || asked.Metadata.ReplyTo != first.ID || asked.Content != "@Far" || asked.Metadata.History[0].Content != "one" {
			t.Errorf("got %+v, asked %+v", m, asked)
		}
	})
}
