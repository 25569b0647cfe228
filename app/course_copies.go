package app

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
)

const (
	// liveCopies is how many copies of all people can be under way. One person has one.
	liveCopies = 100
	// keptCopies is how many copies of a person can be asked about.
	keptCopies = 20
	// copyLease is for how long a copy belongs to a worker, or waits for its job. It is longer
	// than an attempt can be.
	copyLease = 2 * time.Minute
)

// CopyParts are what a copy has of its course, besides the description.
type CopyParts struct {
	Rooms         bool `json:"rooms"`     // with their settings and the seats of their agents
	Agents        bool `json:"agents"`    // agents of its own in these seats, without keys
	Artifacts     bool `json:"artifacts"` // as they are now
	Workflows     bool `json:"workflows"`
	Announcements bool `json:"announcements"`
	Members       bool `json:"members"`
}

// NewCopy is a copy that a person asks for.
type NewCopy struct {
	Title     string
	ProjectID string // gets the agents; "" as in CreateAgentInRoom
	CopyParts
}

// CopyCourse begins a copy of a course, which the actor will own. A job makes it. Nothing of
// it is to be seen before all of it is there.
func (a *App) CopyCourse(ctx context.Context, actor *Actor, courseID string, in NewCopy) (*store.CourseCopy, error) {
	if _, err := a.courseFor(ctx, actor, courseID, ActCopyCourse); err != nil {
		return nil, err
	}
	if err := Check(actor, ActCreateCourse, Resource{}); err != nil {
		return nil, err
	}
	if err := name("title", &in.Title); err != nil {
		return nil, err
	}
	if !in.Rooms && (in.Agents || in.Artifacts) {
		return nil, invalid("rooms", "must be true, because agents and artifacts are in rooms")
	}
	if in.ProjectID != "" {
		res, err := a.projectResource(ctx, actor, in.ProjectID)
		if err == nil {
			err = Check(actor, ActCreateAgent, res)
		}
		if err != nil {
			return nil, err
		}
	}
	now := a.instant()
	c := &store.CourseCopy{ID: store.NewID(), CourseID: courseID, CreatedBy: actor.User.ID, Title: in.Title, ProjectID: in.ProjectID,
		Parts: store.ToJSON(in.CopyParts), State: store.CopyQueued, Attempt: 1, LeaseUntil: now.Add(copyLease), CreatedAt: now}
	if in.Rooms {
		rooms, err := a.db.RoomsToCopy(ctx, courseID)
		if err != nil {
			return nil, err
		}
		c.Total = len(rooms)
	}
	if err := a.mayHaveCopy(ctx, actor, c); err != nil {
		return nil, err
	}
	err := a.db.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.CreateCopy(ctx, c, keptCopies); err != nil {
			return err
		}
		if err := a.queue.Add(ctx, tx, jobs.CopyCourse{CopyID: c.ID, Attempt: 1}); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, ActCopyCourse, target{"course", courseID}, nil, changes{"copy_id": c.ID, "title": c.Title, "parts": string(c.Parts)})
	})
	if errors.Is(err, store.ErrExists) {
		return nil, errorf(KindConflict, wording.TooMany, "A copy of yours is under way. Wait for its end, or cancel it.")
	}
	return c, fromStore(err, "Course")
}

// mayHaveCopy refuses a copy that could not be made: the job checks it again, with all else.
func (a *App) mayHaveCopy(ctx context.Context, actor *Actor, c *store.CourseCopy) error {
	live, err := a.db.LiveCopies(ctx, liveCopies)
	if err != nil {
		return err
	}
	if live >= liveCopies {
		return busy()
	}
	if actor.isAdmin() {
		return nil
	}
	owned, err := a.db.CountOwned(ctx, store.OwnedCourses, actor.User.ID)
	if err != nil {
		return err
	}
	if most := a.quotas.ofPerson(store.OwnedCourses); owned >= most {
		return tooManyOwned(store.OwnedCourses, most)
	}
	if most := a.quotas.ofPlace(store.PlacedRooms); c.Total > most {
		return tooManyPlaced(store.PlacedRooms, most)
	}
	return nil
}

// CourseCopy returns a copy, for who has asked for it.
func (a *App) CourseCopy(ctx context.Context, actor *Actor, courseID, id string) (*store.CourseCopy, error) {
	return a.copyFor(ctx, actor, courseID, id, ActReadCopy)
}

func (a *App) copyFor(ctx context.Context, actor *Actor, courseID, id string, action Action) (*store.CourseCopy, error) {
	if actor == nil {
		return nil, errNotAuthenticated
	}
	c, err := a.db.CourseCopy(ctx, id)
	if err == nil && c.CourseID != courseID {
		err = store.ErrNotFound
	}
	if err != nil {
		return nil, fromStore(err, "Copy")
	}
	res := Resource{Noun: "Copy"}
	if c.CreatedBy == actor.User.ID {
		res.Relations = IsCreator
	}
	return c, Check(actor, action, res)
}

// CancelCopy ends a copy that is not done. Nothing of it is left.
func (a *App) CancelCopy(ctx context.Context, actor *Actor, courseID, id string) (*store.CourseCopy, error) {
	if _, err := a.copyFor(ctx, actor, courseID, id, ActCancelCopy); err != nil {
		return nil, err
	}
	var c *store.CourseCopy
	err := a.db.InTx(ctx, func(tx *store.Tx) (err error) {
		if c, err = tx.CourseCopy(ctx, id); err != nil || c.State == store.CopyCancelled {
			return err
		}
		if !c.EndedAt.IsZero() {
			return errorf(KindConflict, wording.TurnOver, "The copy is over; there is nothing left to cancel")
		}
		was := c.State
		c.State = store.CopyCancelled
		if err := tx.EndCopy(ctx, c, a.instant()); err != nil {
			return err
		}
		tx.AfterCommit(func() { a.audience.copyEnded(c) })
		return a.audit.record(ctx, tx, actor, ActCancelCopy, target{"course_copy", id}, changes{"state": was}, changes{"state": c.State})
	})
	return c, fromStore(err, "Copy")
}

// signalCopy tells all nodes that a copy of a person is over. It is sent with the person's id
// instead of a room's.
const signalCopy = "course_copy"

// copyEnded tells who has asked for a copy that it is over.
func (au *audience) copyEnded(c *store.CourseCopy) {
	body := json.RawMessage(store.ToJSON(event.CourseCopy{CopyID: c.ID, State: c.State, CourseID: c.NewCourseID}))
	au.followers.copied(c.CreatedBy, body)
	au.hub.Signal(c.CreatedBy, realtime.Signal{Type: signalCopy, Body: body})
}

// copied tells a person that a copy is over.
func (fs *followers) copied(userID string, body json.RawMessage) {
	var about event.CourseCopy
	if json.Unmarshal(body, &about) != nil {
		return
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range fs.all {
		if f.who.User.ID == userID {
			f.conn.Send(about.Frame())
		}
	}
}
