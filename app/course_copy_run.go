package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
)

// This file makes copies of courses, as jobs. An attempt first reads what is to be copied and
// checks it, room by room. Then one transaction writes the new course and ends the copy, so a
// killed attempt leaves nothing, and the next one makes no second course.

const copyAttempts = 3

// copyRun is one attempt at a copy, in its worker.
type copyRun struct {
	*copyPlan
	app   *App
	copy  *store.CourseCopy
	parts CopyParts
	rooms []copiedRoom
	told  time.Time // when its person was last told how far it is
	to    *store.Course
	now   time.Time
}

type copiedRoom struct {
	from      store.Room
	id        string
	seats     []store.RoomAgent
	artifacts []store.Artifact
}

// runCopy makes a copy, if this process has none under way.
func (a *App) runCopy(ctx context.Context, job jobs.CopyCourse) error {
	select {
	case a.copying <- struct{}{}:
		defer func() { <-a.copying }()
	default:
		return busy()
	}
	c, err := a.db.Single().ClaimCopy(ctx, job.CopyID, job.Attempt, a.instant().Add(copyLease))
	if errors.Is(err, store.ErrStale) {
		return nil // it is over, or there is a newer attempt
	}
	if err != nil {
		return err
	}
	r := &copyRun{app: a, copy: c}
	if err = r.read(ctx); err == nil {
		err = r.write(ctx)
	}
	a.log.InfoContext(ctx, "copy of a course", "course", c.CourseID, "copy", c.ID, "attempt", c.Attempt, "rooms", c.Total, "err", err)
	if err == nil {
		return nil
	}
	// The job's own context may have ended, and with it the attempt.
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return a.retryCopy(end, c, err)
}

// retryCopy queues a copy for its next attempt, or ends it when another cannot help.
func (a *App) retryCopy(ctx context.Context, c *store.CourseCopy, cause error) error {
	var refusal *Error
	final := errors.As(cause, &refusal) && refusal.Kind != KindInternal && refusal.Kind != KindUnavailable && refusal.Code != wording.Stale
	err := a.db.InTx(ctx, func(tx *store.Tx) error {
		if !final && c.Attempt < copyAttempts {
			if err := tx.RetryCopy(ctx, c, c.Attempt+1, a.instant().Add(copyLease)); err != nil {
				return err
			}
			return a.queue.Add(ctx, tx, jobs.CopyCourse{CopyID: c.ID, Attempt: c.Attempt + 1})
		}
		end := *c
		end.State, end.Reason, end.NewCourseID = store.CopyFailed, wording.Of("The server could not make the copy. Try again later.").String(), ""
		if final {
			end.Reason = refusal.Message
		}
		tx.AfterCommit(func() { a.audience.tellCopy(&end) })
		return tx.EndCopy(ctx, &end, a.instant())
	})
	if errors.Is(err, store.ErrStale) { // it was cancelled, or another attempt has it
		return nil
	}
	return err
}

// sweepCopies takes over the copies whose worker or job is gone.
func (a *App) sweepCopies(ctx context.Context, asOf time.Time) error {
	overdue, err := a.db.OverdueCopies(ctx, asOf, turn.SweepBatch)
	errs := []error{err}
	for i := range overdue {
		c := &overdue[i]
		if c.State == store.CopyRunning {
			err = a.retryCopy(ctx, c, turn.ErrStopped)
		} else {
			err = a.db.InTx(ctx, func(tx *store.Tx) error {
				if err := tx.RetryCopy(ctx, c, c.Attempt, a.instant().Add(copyLease)); err != nil {
					return err
				}
				return a.queue.Add(ctx, tx, jobs.CopyCourse{CopyID: c.ID, Attempt: c.Attempt})
			})
		}
		if err != nil && !errors.Is(err, store.ErrStale) {
			errs = append(errs, fmt.Errorf("take over copy %s: %w", c.ID, err))
		}
	}
	return errors.Join(errs...)
}

// read reads what is to be copied and checks it, one room after the other.
func (r *copyRun) read(ctx context.Context) error {
	a, c := r.app, r.copy
	if err := json.Unmarshal([]byte(c.Parts), &r.parts); err != nil {
		return err
	}
	u, err := a.db.User(ctx, c.CreatedBy)
	if err != nil {
		return fromStore(err, "User")
	}
	if !u.IsActive {
		return errInactive
	}
	if r.copyPlan, err = a.planCopy(ctx, &Actor{User: *u}, c.CourseID, &NewCopy{Title: c.Title, ProjectID: c.ProjectID, CopyParts: r.parts}); err != nil {
		return err
	}
	var rooms []store.Room
	if r.parts.Rooms {
		if rooms, err = a.db.RoomsToCopy(ctx, c.CourseID); err != nil {
			return err
		}
	}
	// What has come since the plan counts too.
	c.Done, c.Total, r.size.Seats, r.size.Artifacts, r.size.Bytes = 0, len(rooms), 0, 0, 0
	if err := r.progress(ctx); err != nil {
		return err
	}
	for _, room := range rooms {
		if err := r.readRoom(ctx, room); err != nil {
			return err
		}
		if err := copyFits(&r.size); err != nil {
			return err
		}
		c.Done++
		if err := r.progress(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (r *copyRun) readRoom(ctx context.Context, room store.Room) (err error) {
	one := copiedRoom{from: room, id: store.NewID()}
	if one.seats, err = r.app.db.SeatsToCopy(ctx, room.ID, maxCopiedSeats+1); err != nil {
		return err
	}
	for _, seat := range one.seats {
		ag := r.agents[seat.AgentID]
		if ag == nil {
			return turn.ErrStopped // it came after the plan: the next attempt has it
		}
		if !ag.own || ag.clone != nil {
			continue
		}
		if ag.clone, err = r.app.db.Agent(ctx, seat.AgentID); err != nil {
			return err
		}
		ag.clone.ID, ag.clone.ParentID, ag.clone.CreatedBy = store.NewID(), "", r.actor.User.ID
		ag.clone.EncryptedAPIKey, ag.clone.EncryptedSecrets, ag.clone.UserKeyIDs = "", "", "[]"
		ag.clone.Version = 1
	}
	if r.parts.Artifacts {
		if one.artifacts, err = r.app.db.ArtifactSizes(ctx, room.ID, maxCopiedArtifacts+1); err != nil {
			return err
		}
	}
	for _, f := range one.artifacts {
		r.size.Bytes += f.ContentBytes
	}
	r.size.Artifacts += len(one.artifacts)
	r.size.Seats += len(one.seats)
	r.rooms = append(r.rooms, one)
	return nil
}

// progress tells how many rooms are read: the first time, at the end, and between them as
// often as people can follow. ErrStale when the copy was cancelled.
func (r *copyRun) progress(ctx context.Context) error {
	now := r.app.now()
	if r.copy.Done > 0 && r.copy.Done < r.copy.Total && now.Sub(r.told) < copyPace {
		return nil
	}
	r.told = now
	if err := r.app.db.Single().CopyProgress(ctx, r.copy); err != nil {
		return err
	}
	r.app.audience.tellCopy(r.copy)
	return nil
}

// write makes the new course and ends the copy, in one transaction.
func (r *copyRun) write(ctx context.Context) error {
	a := r.app
	r.now = a.instant()
	r.to = &store.Course{ID: store.NewID(), Title: r.copy.Title, Description: r.from.Description, OwnerID: r.actor.User.ID, CreatedAt: r.now, Version: 1}
	end := *r.copy
	err := a.db.InTx(ctx, func(tx *store.Tx) error {
		for _, step := range []func(context.Context, *store.Tx) error{r.writeAgents, r.writeCourse, r.writeWorkflows, r.writeRooms, r.writeSeats,
			r.writeAnnouncements, r.writeMembers, r.withinQuotas} {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := step(ctx, tx); err != nil {
				return agentError(err)
			}
		}
		shown := courseChanges(r.to)
		shown["copied_from"] = r.from.ID
		if err := a.audit.record(ctx, tx, r.actor, ActCreateCourse, target{"course", r.to.ID}, nil, shown); err != nil {
			return err
		}
		end.State, end.NewCourseID, end.AgentsLeft = store.CopyDone, r.to.ID, r.left()
		tx.AfterCommit(func() { a.audience.tellCopy(&end) })
		return tx.EndCopy(ctx, &end, r.now)
	})
	return err
}

// left counts the seats that the copy does not have.
func (r *copyRun) left() (n int) {
	for _, room := range r.rooms {
		for _, seat := range room.seats {
			if ag := r.agents[seat.AgentID]; ag.clone == nil && !ag.seat {
				n++
			}
		}
	}
	return n
}

// writeAgents makes the clones, each under a name that is free in its project. It comes
// first: a project is locked before rooms.
func (r *copyRun) writeAgents(ctx context.Context, tx *store.Tx) error {
	if r.home == nil {
		return nil
	}
	if err := r.home.make(ctx, tx); err != nil {
		return err
	}
	siblings := map[string][]store.Agent{}
	for _, room := range r.rooms {
		for _, seat := range room.seats {
			clone := r.agents[seat.AgentID].clone
			if clone == nil || clone.ProjectID == r.home.project.ID && clone.CreatedAt.Equal(r.now) {
				continue // it sits in another room too
			}
			clone.ProjectID, clone.CreatedAt, clone.UpdatedAt = r.home.project.ID, r.now, r.now
			if _, known := siblings[clone.Type]; !known {
				there, err := tx.LockAgents(ctx, clone.ProjectID, clone.Type)
				if err != nil {
					return fromStore(err, "Project")
				}
				siblings[clone.Type] = there
			}
			clone.Name = freeName(clone.Name, siblings[clone.Type])
			siblings[clone.Type] = append(siblings[clone.Type], *clone)
			if err := r.app.agents.add(ctx, tx, r.actor, ActCreateAgent, clone); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *copyRun) writeCourse(ctx context.Context, tx *store.Tx) error {
	if err := tx.CreateCourse(ctx, r.to); err != nil {
		return err
	}
	_, err := tx.AddCourseMember(ctx, &store.CourseMember{CourseID: r.to.ID, UserID: r.to.OwnerID, Role: RoleTeacher, CreatedAt: r.now})
	return err
}

// writeWorkflows copies the graphs. Where one names an agent, it names the clone.
func (r *copyRun) writeWorkflows(ctx context.Context, tx *store.Tx) error {
	set := map[string]string{}
	if r.parts.Workflows {
		all, err := tx.WorkflowsToCopy(ctx, r.from.ID)
		if err != nil {
			return err
		}
		var ids []string
		for id, ag := range r.agents {
			if ag.clone != nil {
				ids = append(ids, id, ag.clone.ID)
			}
		}
		renamed := strings.NewReplacer(ids...)
		for _, w := range all {
			old := w.ID
			w.ID, w.CourseID, w.CreatedBy, w.CreatedAt, w.UpdatedAt, w.Version = store.NewID(), r.to.ID, r.actor.User.ID, r.now, r.now, 1
			w.Graph = store.JSON(renamed.Replace(string(w.Graph)))
			set[old] = w.ID
			if err := tx.CreateWorkflow(ctx, &w); err != nil {
				return err
			}
		}
	}
	for i := range r.rooms {
		room := &r.rooms[i].from
		if builtinWorkflow(room.Workflow) == nil {
			room.Workflow = set[room.Workflow] // without its workflow, a room uses what fits its agents
		}
	}
	return nil
}

func (r *copyRun) writeRooms(ctx context.Context, tx *store.Tx) error {
	for i := range r.rooms {
		one := &r.rooms[i]
		from, at := &one.from, r.now.Add(time.Duration(i)*time.Microsecond) // rooms are listed by their age
		room := &store.Room{ID: one.id, CourseID: r.to.ID, Name: from.Name, Description: from.Description, IsAIActive: from.IsAIActive,
			IsAnalyticsActive: from.IsAnalyticsActive, AIFrequency: from.AIFrequency, AIMode: from.AIMode, Workflow: from.Workflow, CreatedAt: at, Version: 1}
		if err := tx.CreateRoom(ctx, room); err != nil {
			return err
		}
		ids := map[string]string{}
		for _, f := range one.artifacts {
			ids[f.ID] = store.NewID()
		}
		for n, f := range one.artifacts {
			to := &store.Artifact{ID: ids[f.ID], RoomID: one.id, ParentID: ids[f.ParentID], CreatedBy: r.actor.User.ID,
				CreatedAt: r.now.Add(time.Duration(n) * time.Microsecond)}
			if err := tx.CopyArtifact(ctx, f.ID, to); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeSeats puts the agents into the rooms, switched off there: no trigger and no schedule
// runs before staff have looked at it.
func (r *copyRun) writeSeats(ctx context.Context, tx *store.Tx) error {
	for _, room := range r.rooms {
		for i, seat := range room.seats {
			ag := r.agents[seat.AgentID]
			id := seat.AgentID
			if ag.clone != nil {
				id = ag.clone.ID
			} else if !ag.seat {
				continue
			}
			ra := &store.RoomAgent{RoomID: room.id, AgentID: id, CreatedAt: r.now.Add(time.Duration(i) * time.Microsecond)}
			if _, err := tx.AddRoomAgent(ctx, ra); err != nil {
				return err
			}
			ra.IsActive, ra.TriggerConfig, ra.ScheduleConfig, ra.ContextWindow = false, seat.TriggerConfig, seat.ScheduleConfig, seat.ContextWindow
			if err := tx.UpdateRoomAgent(ctx, ra); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *copyRun) writeAnnouncements(ctx context.Context, tx *store.Tx) error {
	if !r.parts.Announcements {
		return nil
	}
	ids, err := tx.AnnouncementIDs(ctx, r.from.ID)
	for i, id := range ids {
		to := &store.Announcement{ID: store.NewID(), CourseID: r.to.ID, AuthorID: r.actor.User.ID, CreatedAt: r.now.Add(time.Duration(i) * time.Microsecond)}
		if err := tx.CopyAnnouncement(ctx, id, to); err != nil {
			return err
		}
	}
	return err
}

// writeMembers takes in the people of the course, with the roles that the actor may give.
func (r *copyRun) writeMembers(ctx context.Context, tx *store.Tx) error {
	if !r.parts.Members {
		return nil
	}
	roles := copiedRoles(r.actor)
	for after := ""; len(roles) > 0; {
		members, err := tx.MembersToCopy(ctx, r.from.ID, after, roles)
		if err != nil || len(members) == 0 {
			return err
		}
		for _, m := range members {
			if _, err := tx.AddCourseMember(ctx, &store.CourseMember{CourseID: r.to.ID, UserID: m.UserID, Role: m.Role, CreatedAt: r.now}); err != nil {
				return err
			}
			after = m.UserID
		}
	}
	return nil
}

// withinQuotas checks what the course and its owner have now.
func (r *copyRun) withinQuotas(ctx context.Context, tx *store.Tx) error {
	q := r.app.quotas
	for _, kind := range []store.Placed{store.PlacedRooms, store.PlacedWorkflows, store.PlacedAnnouncements, store.PlacedCourseMembers} {
		if err := q.withinPlace(ctx, tx, r.actor, kind, r.to.ID); err != nil {
			return err
		}
	}
	if r.parts.Artifacts {
		if err := q.artifactsWithin(ctx, tx, r.to.OwnerID); err != nil {
			return err
		}
	}
	return q.within(ctx, tx, r.to.OwnerID, store.OwnedCourses)
}
