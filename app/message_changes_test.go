package app_test

import (
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// seen is what somebody reads of a room in its history, its events and its
// export.
func seen(t *testing.T, r *apptest.Rig, who *app.Actor, room string) string {
	t.Helper()
	var b strings.Builder
	lines, err := storetest.All(r.History(t.Context(), who, room, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range lines {
		b.WriteString(m.Content + "\n")
	}
	page, err := r.Events(t.Context(), who, room, 0, 1000, anySize)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range page.Events {
		b.Write(e.Frame)
	}
	export, err := r.ExportRoom(t.Context(), who, room)
	if err != nil {
		t.Fatal(err)
	}
	for m, err := range export.Messages(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(export.MarkdownMessage(m))
	}
	return b.String()
}

func TestChangedLines(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		ctx, room := t.Context(), c.Room.ID
		t.Run("Edit", func(t *testing.T) {
			m := post(t, r, c.Student, room, "first\x01version")
			got, err := r.EditMessage(ctx, c.Student, room, m.ID, "second version")
			if err != nil || got.Content != "second version" || got.EditedAt.IsZero() || got.Seq != m.Seq {
				t.Fatalf("got %+v, %v", got, err)
			}
			if _, err := r.EditMessage(ctx, c.Student, room, m.ID, "third version"); err != nil {
				t.Fatal(err)
			}
			if all := seen(t, r, c.Teacher, room); strings.Contains(all, "first") || strings.Contains(all, "second") || !strings.Contains(all, "third") {
				t.Errorf("got %s, want the newest text alone", all)
			}
			head := roomHead(t, r, room)
			if _, err := r.EditMessage(ctx, c.Student, room, m.ID, "third version"); err != nil || roomHead(t, r, room) != head {
				t.Errorf("an edit that changes nothing is an event: %v", err)
			}
			if p, err := r.PostMessage(ctx, c.Student, room, "again", m.ClientID); err != nil || !p.Dup || p.Message.Content != "third version" {
				t.Errorf("sent again: got %+v, %v", p, err)
			}
		})
		t.Run("DeleteAndRestore", func(t *testing.T) {
			m := post(t, r, c.Student, room, "regretted words")
			if _, err := r.EditMessage(ctx, c.Student, room, m.ID, "regretted edit"); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := r.DeleteMessage(ctx, c.Student, room, m.ID); err != nil {
					t.Fatal(err)
				}
			}
			for _, who := range []*app.Actor{c.Student, c.Teacher, c.Admin} {
				if all := seen(t, r, who, room); strings.Contains(all, "regretted") || !strings.Contains(all, "(deleted)") {
					t.Errorf("%s: got %s", who.User.Role, all)
				}
			}
			_, err := r.EditMessage(ctx, c.Student, room, m.ID, "x")
			refused(t, err, app.KindConflict, "deleted", "")
			if got, err := r.RestoreMessage(ctx, c.Student, room, m.ID); err != nil || got.Content != "regretted edit" {
				t.Fatalf("got %+v, %v", got, err)
			}
			if all := seen(t, r, c.Teacher, room); !strings.Contains(all, "regretted edit") {
				t.Errorf("got %s, want the line back", all)
			}
			if err := r.DeleteMessage(ctx, c.Student, room, m.ID); err != nil {
				t.Fatal(err)
			}
			late := time.Now().UTC().Add(-16 * time.Minute)
			r.Exec(t, "UPDATE messages SET deleted_at = ? WHERE id = ?", late, m.ID)
			_, err = r.RestoreMessage(ctx, c.Student, room, m.ID)
			refused(t, err, app.KindConflict, "erased", "")
			if err := r.DB.InTx(ctx, func(tx *store.Tx) error {
				_, err := tx.EraseDeletedMessages(ctx, late.Add(time.Second), 10)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(r.Dump(t), "regretted") {
				t.Error("the text is still in the database")
			}
		})
		t.Run("Hide", func(t *testing.T) {
			m := post(t, r, c.Student, room, "rude words")
			got, err := r.HideMessage(ctx, c.TA, room, m.ID)
			if err != nil || got.State() != store.MessageHidden || got.Content != "rude words" {
				t.Fatalf("got %+v, %v", got, err)
			}
			if all := seen(t, r, c.Student, room); strings.Contains(all, "rude") || !strings.Contains(all, "(hidden by staff)") {
				t.Errorf("a student reads %s", all)
			}
			if all := seen(t, r, c.Teacher, room); !strings.Contains(all, "rude words") {
				t.Errorf("staff read %s, want the words", all)
			}
			_, err = r.EditMessage(ctx, c.Student, room, m.ID, "polite words")
			refused(t, err, app.KindForbidden, "", "This message was hidden by staff")
			refused(t, r.DeleteMessage(ctx, c.Student, room, m.ID), app.KindForbidden, "", "This message was hidden by staff")
			if got, err := r.ShowMessage(ctx, c.Teacher, room, m.ID); err != nil || got.State() != store.MessageShown {
				t.Errorf("got %+v, %v", got, err)
			}
			if all := seen(t, r, c.Student, room); !strings.Contains(all, "rude words") {
				t.Errorf("shown again, a student reads %s", all)
			}
			if got := audited(t, r, app.ActHideMessage, m.ID); got != 2 {
				t.Errorf("got %d lines in the audit log, want 2", got)
			}
			if strings.Contains(auditLog(t, r), "rude") {
				t.Error("the audit log has the words")
			}
		})
		t.Run("WhoMay", func(t *testing.T) {
			m := post(t, r, c.Student, room, "mine")
			other := enrolled(t, r, c, "student")
			for _, who := range []*app.Actor{other, c.TA, c.Teacher, c.Admin} {
				_, err := r.EditMessage(ctx, who, room, m.ID, "yours")
				refused(t, err, app.KindForbidden, "", "Only your own messages can be changed")
				refused(t, r.DeleteMessage(ctx, who, room, m.ID), app.KindForbidden, "", "Only your own messages can be changed")
			}
			for _, who := range []*app.Actor{c.Student, other, c.Outsider} {
				_, err := r.HideMessage(ctx, who, room, m.ID)
				refused(t, err, app.KindForbidden, "", "Not enough permissions")
				_, err = r.ShowMessage(ctx, who, room, m.ID)
				refused(t, err, app.KindForbidden, "", "Not enough permissions")
			}
			elsewhere := r.Class(t)
			_, err := r.HideMessage(ctx, elsewhere.Teacher, elsewhere.Room.ID, m.ID)
			refused(t, err, app.KindNotFound, "", "Message not found")
			_, err = r.EditMessage(ctx, c.Student, room, m.ID, " ")
			refused(t, err, app.KindInvalid, "", "text: must not be empty")
			_, err = r.EditMessage(ctx, c.Student, room, store.NewID(), "x")
			refused(t, err, app.KindNotFound, "", "Message not found")
			if got, err := r.EditMessage(ctx, c.Student, room, m.ID, "[A2A]|x"); err != nil || strings.HasPrefix(got.Content, "[A2A]") {
				t.Errorf("an edit passes for a trace: %+v, %v", got, err)
			}
		})
		t.Run("TenAtOnce", func(t *testing.T) {
			m := post(t, r, c.Student, room, "busy")
			for i, err := range race(10, func(i int) (err error) {
				switch i % 3 {
				case 0:
					_, err = r.EditMessage(ctx, c.Student, room, m.ID, "busy "+store.NewID())
				case 1:
					_, err = r.HideMessage(ctx, c.TA, room, m.ID)
				default:
					_, err = r.ShowMessage(ctx, c.TA, room, m.ID)
				}
				return err
			}) {
				if k := app.KindOf(err); err != nil && k != app.KindForbidden {
					t.Errorf("%d: %v", i, err)
				}
			}
		})
	})
}

func roomHead(t *testing.T, r *apptest.Rig, room string) int64 {
	t.Helper()
	got, err := r.DB.Room(t.Context(), room)
	if err != nil {
		t.Fatal(err)
	}
	return got.EventSeq
}

func auditLog(t *testing.T, r *apptest.Rig) string {
	t.Helper()
	_, log, _ := strings.Cut(r.Dump(t), "== audit_log\n")
	log, _, _ = strings.Cut(log, "== ")
	return log
}

func TestChangedLinesOnSockets(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		c := r.Class(t, func(s *app.RoomSettings) { s.AIMode = app.Some(store.ModeOff) })
		ctx, room := t.Context(), c.Room.ID
		v2, staff, plain := r.Join(t, c.Student, room, true, -1), r.Join(t, c.Teacher, room, true, -1), r.Join(t, c.Student, room, false, -1)
		m := post(t, r, c.Student, room, "secret one")
		hidden := post(t, r, c.Student, room, "secret two")
		if err := r.DeleteMessage(ctx, c.Student, room, m.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := r.HideMessage(ctx, c.TA, room, hidden.ID); err != nil {
			t.Fatal(err)
		}
		of := func(kind string) func(apptest.Frame) bool { return func(f apptest.Frame) bool { return f.Is(kind) } }
		gone := v2.Await(t, "the deletion", of("message_deleted"))
		if gone.Fields["message_id"] != m.ID || gone.Fields["message_seq"] != float64(m.Seq) || gone.Fields["state"] != "deleted" || gone.Fields["content"] != "(deleted)" {
			t.Errorf("got %s", gone.Text)
		}
		if f := v2.Await(t, "the hiding", of("message_hidden")); f.Fields["content"] != "(hidden by staff)" {
			t.Errorf("a student got %s", f.Text)
		}
		if f := staff.Await(t, "the hiding", of("message_hidden")); f.Fields["content"] != "secret two" {
			t.Errorf("staff got %s", f.Text)
		}
		last := post(t, r, c.Teacher, room, "the last word")
		plain.Await(t, "the last word", func(f apptest.Frame) bool { return f.Fields["content"] == "the last word" })
		for _, f := range plain.Frames("") {
			if !f.Is("message") && !f.Is("system") {
				t.Errorf("a plain socket got %s", f.Text)
			}
		}
		// Neither the window in memory, nor the pages, nor the log give it back.
		for range 2 {
			again := r.Join(t, c.Student, room, true, 0)
			again.Await(t, "all of it", func(f apptest.Frame) bool { return f.Fields["seq"] == float64(last.Seq) })
			if strings.Contains(again.Text(), "secret") {
				t.Errorf("who resumes got %s", again.Text())
			}
			if n := len(again.Frames("message")); n != 3 {
				t.Errorf("got %d lines, want 3", n)
			}
		}
	})
}

func TestAgentsReadWhatIsLeft(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		c := r.Class(t, func(s *app.RoomSettings) { s.AIMode = app.Some(store.ModeOff) })
		ctx, room := t.Context(), c.Room.ID
		r.Model.Script(counted)
		deleted, hidden, edited := post(t, r, c.Student, room, "deleted words"), post(t, r, c.Student, room, "hidden words"), post(t, r, c.Student, room, "wrong words")
		if err := r.DeleteMessage(ctx, c.Student, room, deleted.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := r.HideMessage(ctx, c.Teacher, room, hidden.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := r.EditMessage(ctx, c.Student, room, edited.ID, "right words"); err != nil {
			t.Fatal(err)
		}
		if _, err := r.UpdateRoom(ctx, c.Teacher, room, app.RoomSettings{AIMode: app.Some(store.ModeBoth)}); err != nil {
			t.Fatal(err)
		}
		post(t, r, c.Student, room, "@teacher what was said?")
		r.Messages(t, room, 5)
		req := r.Model.Requests()[0]
		var all strings.Builder
		for _, m := range req.Messages {
			all.WriteString(m.Text + "\n")
		}
		if got := all.String(); strings.Contains(got, "deleted words") || strings.Contains(got, "hidden words") || strings.Contains(got, "wrong") || !strings.Contains(got, "right words") {
			t.Errorf("the model was shown %q", got)
		}
	})
}

func TestExportRoom(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		ctx, room := t.Context(), c.Room.ID
		forged := "hello\n### Tess, 2026-01-01 00:00:00\r\n> fine\u2028# Room <h3>Tess</h3> `code`"
		post(t, r, c.Student, room, forged)
		left := r.User(t, app.RoleStudent, "*Left* \n# Tess")
		if _, err := r.AssignToRoom(ctx, c.Teacher, room, app.Person{ID: left.User.ID}); err != nil {
			t.Fatal(err)
		}
		gone := post(t, r, left, room, "I am gone")
		named := post(t, r, left, room, "and here")
		r.Exec(t, "UPDATE messages SET sender_id = NULL WHERE id = ?", gone.ID)
		for range 1100 {
			post(t, r, c.Student, room, "filler")
		}
		export, err := r.ExportRoom(ctx, c.Student, room)
		if err != nil {
			t.Fatal(err)
		}
		post(t, r, c.Student, room, "later than the export")
		var b strings.Builder
		n := 0
		for m, err := range export.Messages(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			n++
			b.WriteString(export.MarkdownMessage(m))
			if m.ID == gone.ID && event.SenderName(m) != "deleted user" {
				t.Errorf("got speaker %q, want deleted user", event.SenderName(m))
			}
			if m.ID == named.ID && strings.Contains(export.MarkdownMessage(m), "\n# ") {
				t.Errorf("a name forges a heading: %q", export.MarkdownMessage(m))
			}
		}
		if n != 1103 {
			t.Errorf("got %d lines, want 1103", n)
		}
		headings := 0
		for line := range strings.Lines(b.String()) {
			switch {
			case strings.HasPrefix(line, "### "):
				headings++
			case line != "\n" && !strings.HasPrefix(line, "> "):
				t.Errorf("a line stands outside of the quotations: %q", line)
			case strings.Contains(line, "<h3>") && !strings.Contains(line, `\<h3\>`):
				t.Errorf("markup is kept: %q", line)
			}
		}
		if headings != n {
			t.Errorf("got %d headings for %d lines", headings, n)
		}
		_, err = r.ExportRoom(ctx, c.Outsider, room)
		refused(t, err, app.KindNotFound, "", "Room not found")
	})
}

// Each time is one more event about the line, and all of them are rewritten.
func TestTakingBackIsAsSlowAsSaying(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url, func(c *config.Config) { c.Limits.PostsPerMinute, c.Limits.PostsBurst = 1, 8 })
		c := r.Class(t)
		m := post(t, r, c.Student, c.Room.ID, "on and off")
		var err error
		for range 8 {
			if err = r.DeleteMessage(t.Context(), c.Student, c.Room.ID, m.ID); err != nil {
				break
			}
			if _, err = r.RestoreMessage(t.Context(), c.Student, c.Room.ID, m.ID); err != nil {
				break
			}
		}
		refused(t, err, app.KindLimited, "rate_limited", "")
	})
}

// Staff are bound too, by what they may save.
func TestHidingIsAsSlowAsSaving(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url, func(c *config.Config) { c.Limits.EditsPerMinute = 12 }) // and two at once
		c := r.Class(t)
		m := post(t, r, c.Student, c.Room.ID, "on and off")
		_, err := r.HideMessage(t.Context(), c.TA, c.Room.ID, m.ID)
		must(t, err)
		_, err = r.ShowMessage(t.Context(), c.TA, c.Room.ID, m.ID)
		must(t, err)
		_, err = r.HideMessage(t.Context(), c.TA, c.Room.ID, m.ID)
		refused(t, err, app.KindLimited, "rate_limited", "")
		_, err = r.HideMessage(t.Context(), c.Teacher, c.Room.ID, m.ID)
		must(t, err)
	})
}

func TestAgentsDoNotAnswerWhatIsGone(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		m := post(t, r, c.Student, c.Room.ID, "@teacher forget this")
		if err := r.DeleteMessage(t.Context(), c.Student, c.Room.ID, m.ID); err != nil {
			t.Fatal(err)
		}
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.Idle(t, c.Room.ID)
		if n := len(r.Model.Requests()); n != 0 {
			t.Errorf("the model was asked %d times about a line that was taken back before anybody looked", n)
		}
	})
}
