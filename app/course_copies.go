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
	// copyPace is the least time between two words about how far a copy is.
	copyPace = 250 * time.Millisecond
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
	p, err := a.planCopy(ctx, actor, courseID, &in)
	if err != nil {
		return nil, err
	}
	live, err := a.db.LiveCopies(ctx, liveCopies)
	if err != nil {
		return nil, err
	}
	if live >= liveCopies {
		return nil, busy()
	}
	now := a.instant()
	c := &store.CourseCopy{ID: store.NewID(), CourseID: courseID, CreatedBy: actor.User.ID, Title: in.Title, ProjectID: in.ProjectID,
		Parts: store.ToJSON(in.CopyParts), State: store.CopyQueued, Attempt: 1, LeaseUntil: now.Add(copyLease), Total: p.size.Rooms, CreatedAt: now}
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
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
		tx.AfterCommit(func() { a.audience.tellCopy(c) })
		return a.audit.record(ctx, tx, actor, ActCancelCopy, target{"course_copy", id}, changes{"state": was}, changes{"state": c.State})
	})
	return c, fromStore(err, "Copy")
}

// signalCopy tells all nodes how far a copy of a person is. It is sent with the person's id
// instead of a room's.
const signalCopy = "course_copy"

// tellCopy tells who has asked for a copy how far it is, or that it is over.
func (au *audience) tellCopy(c *store.CourseCopy) {
	body := json.RawMessage(store.ToJSON(event.CourseCopy{CopyID: c.ID, State: c.State, Done: c.Done, Total: c.Total, CourseID: c.NewCourseID}))
	au.followers.copied(c.CreatedBy, body)
	au.hub.Signal(c.CreatedBy, realtime.Signal{Type: signalCopy, Body: body})
}

// copied tells a person of a copy.
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
