//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coagent-studio/coagent/store"
)

// school is what the database holds beside the class under test.
type school struct{ users, rooms, messages int }

var schools = map[string]school{
	"full":  {100_000, 10_000, 2_000_000},
	"small": {2_000, 200, 40_000},
}

// How many of each thing the class under test has.
const (
	lessonPeople        = 30
	lessonRooms         = 10
	lessonLines         = 200
	lessonAnnouncements = 5
	lessonArtifacts     = 20
)

// lesson is a class in session.
type lesson struct {
	*class
	artifacts []string
}

func (l *lab) newLesson(d *database) (*lesson, error) {
	c, err := d.newClass(l.ctx, lessonPeople, false)
	if err != nil {
		return nil, err
	}
	s := &lesson{class: c}
	return s, d.with(l.ctx, func(db *store.DB) error {
		if err := l.school.fill(l.ctx, db); err != nil {
			return err
		}
		if err := db.InTx(l.ctx, func(tx *store.Tx) error { return s.furnish(l.ctx, tx) }); err != nil {
			return err
		}
		// Do this last: it also lets the database settle.
		return fillRoom(l.ctx, db, c, lessonLines)
	})
}

func (s *lesson) furnish(ctx context.Context, tx *store.Tx) error {
	now, teacher := time.Now().UTC().Truncate(time.Microsecond), s.people[0].id
	var errs []error
	for i := range lessonRooms - 1 {
		errs = append(errs, tx.CreateRoom(ctx, &store.Room{ID: store.NewID(), CourseID: s.course, Name: fmt.Sprintf("Group %d", i+1),
			AIMode: store.ModeOff, CreatedAt: now, Version: 1}))
	}
	for i := range lessonAnnouncements {
		errs = append(errs, tx.CreateAnnouncement(ctx, &store.Announcement{ID: store.NewID(), CourseID: s.course, AuthorID: teacher,
			Title: fmt.Sprintf("Week %d", i+1), Content: lineText(lineSize), CreatedAt: now, UpdatedAt: now, Version: 1}))
	}
	for i := range lessonArtifacts {
		content := fmt.Sprintf(`{"text":%q}`, lineText(lineSize))
		f := &store.Artifact{ID: store.NewID(), RoomID: s.room, Type: "doc", Title: fmt.Sprintf("Notes %d", i+1), Version: 1,
			CreatedBy: s.people[1].id, ModifiedBy: s.people[1].id, CreatedAt: now, UpdatedAt: now, ContentBytes: int64(len(content)), Content: store.JSON(content)}
		s.artifacts = append(s.artifacts, f.ID)
		errs = append(errs, tx.CreateArtifact(ctx, f))
	}
	// The agent is in the room, but the room's AI is off: nobody should answer what the
	// bench posts.
	ag := store.Agent{ID: store.NewID(), Type: store.AgentTeacher, Name: "Galileo", Category: "instructor", ModelProvider: benchProvider,
		SystemPrompt: "You teach physics.", Settings: "{}", Capabilities: "[]", UserKeyIDs: "[]", ContextWindow: 10, IsActive: true,
		CreatedBy: teacher, CreatedAt: now, UpdatedAt: now, Version: 1}
	errs = append(errs, tx.CreateAgents(ctx, []store.Agent{ag}))
	_, err := tx.AddRoomAgent(ctx, &store.RoomAgent{RoomID: s.room, AgentID: ag.ID, CreatedAt: now})
	return errors.Join(append(errs, err)...)
}

// fill makes the rest of the school: ten rooms to a course, everybody in one course, the
// messages spread evenly over the rooms.
func (s school) fill(ctx context.Context, db *store.DB) error {
	series, hex, now := "generate_series(1, %d::bigint) AS g(i)", "lpad(to_hex(%s), 32, '0')", "now()"
	if !db.Postgres() {
		series = "(WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i < %d) SELECT i FROM g) AS g"
		hex, now = "printf('%%032x', %s)", "strftime('%Y-%m-%d %H:%M:%f+00:00')"
	}
	courses, each := s.rooms/10, s.messages/s.rooms
	id := func(letter, n string) string { return "'" + letter + "' || " + fmt.Sprintf(hex, n) }
	for _, f := range []struct {
		n            int
		into, values string
	}{
		{s.users, "users (id, email, full_name, role, is_active, created_at, version)",
			id("u", "i") + ", 'u' || i || '@school.example', 'Pupil ' || i, 'student', true, " + now + ", 1"},
		{courses, "courses (id, title, owner_id, created_at, version)", id("c", "i") + ", 'Course ' || i, " + id("u", "i") + ", " + now + ", 1"},
		{s.users, "course_members (course_id, user_id, role, created_at)",
			id("c", fmt.Sprintf("(i - 1) %% %d + 1", courses)) + ", " + id("u", "i") + ", 'student', " + now},
		{s.rooms, "rooms (id, course_id, name, is_ai_active, is_analytics_active, ai_frequency, ai_mode, created_at, version, event_seq, looked_seq)",
			id("r", "i") + ", " + id("c", "(i - 1) / 10 + 1") + ", 'Room ' || i, false, false, 0.5, 'off', " + now + fmt.Sprintf(", 1, %d, %d", each, each)},
		{s.messages, "messages (id, room_id, seq, sender_id, content, created_at)",
			id("b", "i") + ", " + id("r", fmt.Sprintf("(i - 1) / %d + 1", each)) + fmt.Sprintf(", (i - 1) %% %d + 1, ", each) +
				id("u", fmt.Sprintf("(i - 1) %% %d + 1", s.users)) + ", '" + lineText(lineSize) + "', " + now},
	} {
		if f.n == 0 {
			continue
		}
		query := "INSERT INTO " + f.into + " SELECT " + f.values + " FROM " + fmt.Sprintf(series, f.n)
		var err error
		if db.Postgres() {
			_, err = db.Pool().Exec(ctx, query)
		} else {
			_, err = db.Writer().ExecContext(ctx, query)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", f.into, err)
		}
	}
	if db.Postgres() {
		_, err := db.Pool().Exec(ctx, "VACUUM ANALYZE")
		return err
	}
	return nil
}
