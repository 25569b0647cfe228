package app_test

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// Whatever a person makes longer counts for what they store, and may not grow beyond it.
// It may always shrink.
func TestStoredGrows(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		ctx, who := t.Context(), c.Teacher
		agent := func(room *store.Room) {
			_, err := r.AttachAgent(ctx, who, room.ID, c.TeacherAgent.ID)
			must(t, err)
		}
		room, err := r.CreateRoom(ctx, who, c.Course.ID, app.RoomSettings{Name: app.Some("Stems")})
		must(t, err)
		other, err := r.CreateRoom(ctx, who, c.Course.ID, app.RoomSettings{Name: app.Some("Roots")})
		must(t, err)
		agent(room)
		agent(other)
		th, err := r.CreateThread(ctx, who, c.Project.ID, c.TeacherAgent.ID, app.ThreadSettings{})
		must(t, err)
		news, err := r.Announce(ctx, who, c.Course.ID, app.AnnouncementTexts{Title: app.Some("News"), Content: app.Some("-")})
		must(t, err)
		rp := &store.Report{ID: store.NewID(), CourseID: c.Course.ID, CreatedBy: who.User.ID, ReportType: "course", Title: "R", State: store.ReportQueued,
			Attempt: 1, LeaseUntil: r.Now().Add(time.Minute), CreatedAt: r.Now(), UpdatedAt: r.Now(), Version: 1}
		must(t, r.DB.InTx(ctx, func(tx *store.Tx) error {
			if err := tx.CreateReport(ctx, rp); err != nil {
				return err
			}
			end := *rp
			end.State, end.Content = store.ReportDone, "-"
			return tx.EndReport(ctx, &end, r.Now())
		}))
		text := func(n int) app.Opt[string] { return app.Some(strings.Repeat("x", n)) }
		config := func(n int) app.Opt[json.RawMessage] {
			return app.Some(json.RawMessage(`{"type":"silence","enabled":true,"note":"` + strings.Repeat("x", n) + `"}`))
		}
		stored := func() int64 {
			t.Helper()
			n, err := r.DB.StoredBytes(ctx, who.User.ID)
			must(t, err)
			return n
		}
		for name, write := range map[string]func(n int) error{
			"Course": func(n int) error {
				_, err := r.UpdateCourse(ctx, who, c.Course.ID, app.CourseSettings{Description: text(n)})
				return err
			},
			"Room": func(n int) error {
				_, err := r.UpdateRoom(ctx, who, room.ID, app.RoomSettings{Description: text(n)})
				return err
			},
			"Organization": func(n int) error {
				_, err := r.UpdateOrganization(ctx, who, c.Project.OrganizationID, app.WorkspaceSettings{Description: text(n)})
				return err
			},
			"Project": func(n int) error {
				_, err := r.UpdateProject(ctx, who, c.Project.ID, app.WorkspaceSettings{Description: text(n)})
				return err
			},
			"Thread": func(n int) error {
				_, err := r.UpdateThread(ctx, who, th.ID, app.ThreadSettings{MetadataJSON: text(n)})
				return err
			},
			"Announcement": func(n int) error {
				_, err := r.UpdateAnnouncement(ctx, who, news.ID, app.AnnouncementTexts{Content: text(n)})
				return err
			},
			"Report": func(n int) error {
				_, err := r.UpdateReport(ctx, who, c.Course.ID, rp.ID, app.ReportTexts{Content: text(n)})
				return err
			},
			"AgentInRoom": func(n int) error {
				_, err := r.SetRoomAgent(ctx, who, room.ID, c.TeacherAgent.ID, app.RoomAgentSettings{TriggerConfig: config(n)})
				return err
			},
			"Agent": func(n int) error {
				_, err := r.UpdateAgent(ctx, who, c.TeacherAgent.ID, app.AgentSettings{SystemPrompt: text(n)})
				return err
			},
		} {
			t.Run(name, func(t *testing.T) {
				must(t, write(1000))
				before := stored()
				must(t, write(1500))
				if after := stored(); after != before+500 {
					t.Errorf("stored %d bytes, then %d, want 500 more", before, after)
				}
				was := r.Config.Quotas.Stored
				defer func() { r.Config.Quotas.Stored = was }()
				r.Config.Quotas.Stored = 1
				refused(t, write(1501), app.KindConflict, "quota", "")
				must(t, write(800))
			})
		}
		for name, add := range map[string]func() error{
			"NewRoom": func() error {
				_, err := r.CreateRoom(ctx, who, c.Course.ID, app.RoomSettings{Name: app.Some("R")})
				return err
			},
			"NewToken": func() error {
				_, _, err := r.CreateAccessToken(ctx, who, app.NewAccessToken{Name: "x", Scopes: []app.Scope{app.ScopeRead}, Days: 1})
				return err
			},
			"AttachedAgent": func() error {
				fresh, err := r.CreateRoom(ctx, c.Admin, c.Course.ID, app.RoomSettings{Name: app.Some("R")})
				if err == nil {
					_, err = r.AttachAgent(ctx, who, fresh.ID, c.TeacherAgent.ID)
				}
				return err
			},
			"CopiedAgent": func() error {
				_, err := r.SetRoomAgent(ctx, c.Admin, other.ID, c.TeacherAgent.ID, app.RoomAgentSettings{TriggerConfig: config(2)})
				must(t, err)
				_, err = r.SetRoomAgent(ctx, who, room.ID, c.TeacherAgent.ID, app.RoomAgentSettings{TriggerConfig: config(700)})
				if err == nil {
					_, _, err = r.CopyRoomAgentSettings(ctx, who, room.ID, c.TeacherAgent.ID, []string{other.ID})
				}
				return err
			},
		} {
			t.Run(name, func(t *testing.T) {
				before := stored()
				must(t, add())
				if after := stored(); after < before+500 {
					t.Errorf("stored %d bytes, then %d", before, after)
				}
				was := r.Config.Quotas.Stored
				defer func() { r.Config.Quotas.Stored = was }()
				r.Config.Quotas.Stored = 1
				refused(t, add(), app.KindConflict, "quota", "")
			})
		}
	})
}

// A report that is being written counts too. It stops where its course's owner stores as
// much as they may, says so, and keeps what is written.
func TestStoredByAReport(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url, func(c *config.Config) { c.Quotas.Stored = 256 << 10 })
		analyst(t, r)
		names := strings.Fields("Roots Leaves Stems Seeds Buds Bark Twigs Moss Ferns Palms Oaks Elms Pines Firs Reeds Vines")
		c := spoken(t, r, names...)
		r.Model.Script(aboutRoom(func(_ string, out *llmtest.Response) { out.Text = strings.Repeat("x", 30_000) }))
		rp := generate(t, r, c)
		stored, err := r.DB.StoredBytes(t.Context(), c.Teacher.User.ID)
		must(t, err)
		if rp.State != store.ReportDone || rp.RoomsDone != len(names) || rp.RoomsFailed < 6 || rp.RoomsFailed == len(names) || stored > 264<<10 {
			t.Errorf("got a report with %d bytes, %d sections and %d without room; %d bytes are stored", len(rp.Content), rp.RoomsDone, rp.RoomsFailed, stored)
		}
		if n := strings.Count(rp.Content, "The report on this room could not be stored."); n != rp.RoomsFailed {
			t.Errorf("%d sections say that they could not be stored, want %d", n, rp.RoomsFailed)
		}
		if asked := len(r.Model.Requests()); asked == len(names) {
			t.Errorf("the model was asked for all %d sections, want it left alone when there is no room", asked)
		}
	})
}

// What one person writes into the artifacts of all rooms has a total, with what was deleted
// and the versions that are kept. Nobody can use up what somebody else may have.
func TestArtifactsOfAPerson(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url, func(c *config.Config) { c.Quotas.Artifacts = 64 << 10 })
		c := r.Class(t)
		ctx := t.Context()
		second, err := r.CreateRoom(ctx, c.Teacher, c.Course.ID, app.RoomSettings{Name: app.Some("Roots")})
		must(t, err)
		rooms := []string{c.Room.ID, second.ID}
		object := func(n int) app.Opt[json.RawMessage] { return content(`{"a":"` + strings.Repeat("x", n-8) + `"}`) }
		create := func(who *app.Actor, room string) (*store.Artifact, error) {
			return r.CreateArtifact(ctx, who, room, app.NewArtifact{Type: "doc", Title: "Plan", Content: object(10_000)})
		}
		change := func(who *app.Actor, f *store.Artifact, n int) error {
			_, err := r.UpdateArtifact(ctx, who, f.ID, app.ArtifactChange{Content: object(n)})
			return err
		}
		kept := func(who *app.Actor) int64 {
			t.Helper()
			n, err := r.DB.ArtifactBytes(ctx, who.User.ID)
			must(t, err)
			return n
		}
		full := func(t *testing.T, err error) {
			t.Helper()
			if refused(t, err, app.KindConflict, "quota", ""); !strings.Contains(err.Error(), "64KiB") || !strings.Contains(err.Error(), "quotas.artifacts") {
				t.Errorf("got %v, want the bound and its setting", err)
			}
		}

		var made []*store.Artifact
		for i := range 5 {
			f, err := create(c.Student, rooms[i%2])
			must(t, err)
			made = append(made, f)
		}
		for _, room := range rooms {
			_, err := create(c.Student, room)
			full(t, err)
		}
		t.Run("AtOnce", func(t *testing.T) {
			var ok atomic.Int32
			var all sync.WaitGroup
			for i := range 10 {
				all.Go(func() {
					if _, err := create(c.TA, rooms[i%2]); err == nil {
						ok.Add(1)
					} else {
						full(t, err)
					}
				})
			}
			all.Wait()
			if ok.Load() != 5 {
				t.Errorf("%d of 10 at once were made, want 5", ok.Load())
			}
		})
		t.Run("AdminsHaveNoQuota", func(t *testing.T) {
			for range 7 {
				_, err := create(c.Admin, rooms[0])
				must(t, err)
			}
		})
		t.Run("EarlierVersions", func(t *testing.T) {
			full(t, change(c.Student, made[0], 9_999)) // keeps 10,000 bytes beside these
			if got := kept(c.Student); got > 64<<10 {
				t.Errorf("%d bytes are kept after a refusal", got)
			}
		})
		t.Run("ChangedByOthers", func(t *testing.T) {
			students, teachers := kept(c.Student), kept(c.Teacher)
			must(t, change(c.Teacher, made[0], 20_000))
			if got := kept(c.Student); got != students {
				t.Errorf("a teacher's change counts for the student: %d bytes, then %d", students, got)
			}
			if got := kept(c.Teacher); got < teachers+20_000 {
				t.Errorf("a teacher's change does not count for the teacher: %d bytes, then %d", teachers, got)
			}
			full(t, change(c.Student, made[0], 20_000))
			_, err := r.RestoreArtifactVersion(ctx, c.Student, made[0].ID, 1)
			full(t, err)
		})
		t.Run("DeletedOnesUntilTheyAreErased", func(t *testing.T) {
			must(t, r.DeleteArtifact(ctx, c.Student, made[1].ID, false))
			_, err := create(c.Student, rooms[0])
			full(t, err)
			_, err = r.RestoreArtifact(ctx, c.Student, made[1].ID) // it counted all the time
			must(t, err)
			must(t, r.DeleteArtifact(ctx, c.Teacher, made[1].ID, true))
			_, err = create(c.Student, rooms[0])
			must(t, err)
		})
		t.Run("WhatIsThereMayShrink", func(t *testing.T) {
			must(t, r.DeleteArtifact(ctx, c.Teacher, made[2].ID, true))
			must(t, change(c.Student, made[3], 9_000)) // keeps a version, and none more within a minute
			r.Config.Quotas.Artifacts = 1
			must(t, change(c.Student, made[3], 8_000))
			refused(t, change(c.Student, made[3], 8_001), app.KindConflict, "quota", "")
		})
	})
}

// Every table that a request can fill is counted for a person, or is bounded in another
// way. A new table needs an entry, and with it an answer.
func TestEveryTableIsBounded(t *testing.T) {
	t.Parallel()
	const (
		counted = "counted by store.StoredBytes"
		number  = "bounded by number: a quota, or a place's own bound"
		once    = "one small row for what is counted or bounded"
		written = "counted by store.ArtifactBytes, and in its room by room_artifact_bytes"
		inRoom  = "in a room: bounded by message rates and retention"
		kept    = "bounded by rates and retention"
		paid    = "a small row for each call of a model, whose rate is bounded; kept for good, see docs/operate.md"
		files   = "bounded by files.per_person, per_room and at_all"
		own     = "the program's own: no request chooses how much"
	)
	bounds := map[string]string{
		"agents": counted, "agent_versions": counted, "threads": counted, "announcements": counted, "workflows": counted,
		"reports": counted, "report_sections": counted, "organizations": counted, "projects": counted, "courses": counted, "rooms": counted,
		"room_agents": counted, "user_keys": counted, "access_tokens": counted,
		"users": number, "sessions": number, "organization_members": number, "project_members": number, "course_members": number, "room_members": number,
		"course_invitations": number, "one_time_links": number,
		"avatars": once, "course_join_codes": once, "agent_keys": once, "user_key_uses": once, "agent_breakers": once, "room_marks": once,
		"artifacts": written, "artifact_versions": written,
		"usage": paid, "budgets": number, "budget_rows": once, "budget_notices": once, "budget_waits": once,
		"messages": inRoom, "events": inRoom, "agent_decisions": inRoom, "agent_turns": inRoom,
		"turn_steps": inRoom, "a2a_messages": inRoom, "outside_messages": inRoom, "mentions": inRoom, "message_reactions": inRoom, "talk_days": inRoom, "room_pins": number, "course_copies": number, "bookmarks": number,
		"files": files, "blobs": files, "blob_chunks": files,
		"two_factors": once, "recovery_codes": number, "identities": number, "session_sign_ons": once, "spent_sign_ons": kept, "pending_sign_ons": kept,
		"signin_failures": kept, "audit_log": kept, "rate_buckets": kept, "artifact_bases": kept,
		"agent_types": own, "settings": own, "leases": own, "nodes": own, "backups": own, // types of agents are made by admins
	}
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		var tables []string
		for line := range strings.Lines(r.Dump(t)) {
			name, found := strings.CutPrefix(strings.TrimSpace(line), "== ")
			if found && !strings.HasPrefix(name, "river") && !strings.HasPrefix(name, "schema_migration") && !strings.HasPrefix(name, "sqlite_") &&
				!strings.HasPrefix(name, "message_words") { // an index of messages
				tables = append(tables, name)
			}
		}
		for _, name := range tables {
			if bounds[name] == "" {
				t.Errorf("nothing bounds table %s", name)
			}
		}
		for name := range bounds {
			if !slices.Contains(tables, name) {
				t.Errorf("there is no table %s", name)
			}
		}
	})
}
