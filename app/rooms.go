package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// RoomSettings are the members of a room that its staff set. A member that is not sent
// keeps the stored value, or gets the default in a new room.
type RoomSettings struct {
	Name              Opt[string]
	Description       Opt[string]
	IsAIActive        Opt[bool]
	IsAnalyticsActive Opt[bool]
	AIFrequency       Opt[float64] // 0..1: the chance that agents answer a message that mentions none of them
	AIMode            Opt[string]  // off, teacher_only or both
}

func (s RoomSettings) apply(r *store.Room) error {
	s.Description.setNullable(&r.Description)
	if err := errors.Join(s.Name.set("name", &r.Name), s.IsAIActive.set("is_ai_active", &r.IsAIActive),
		s.IsAnalyticsActive.set("is_analytics_active", &r.IsAnalyticsActive),
		s.AIFrequency.set("ai_frequency", &r.AIFrequency), s.AIMode.set("ai_mode", &r.AIMode)); err != nil {
		return firstOf(err)
	}
	errs := []error{name("name", &r.Name), optionalText("description", r.Description, maxText),
		oneOf("ai_mode", r.AIMode, store.ModeOff, store.ModeTeacherOnly, store.ModeBoth)}
	if !(r.AIFrequency >= 0 && r.AIFrequency <= 1) {
		errs = append(errs, invalid("ai_frequency", "must be between 0 and 1"))
	}
	return firstOf(errors.Join(errs...))
}

// CreateRoom adds a room to a course.
func (a *App) CreateRoom(ctx context.Context, actor *Actor, courseID string, s RoomSettings) (*store.Room, error) {
	_, res, err := a.course(ctx, actor, courseID)
	if err != nil {
		return nil, err
	}
	if err := Check(actor, ActCreateRoom, res); err != nil {
		return nil, err
	}
	r := &store.Room{ID: store.NewID(), CourseID: courseID, IsAIActive: true, AIFrequency: 0.5, AIMode: a.cfg.Rooms.AIMode,
		CreatedAt: a.instant(), Version: 1}
	if err := s.apply(r); err != nil {
		return nil, err
	}
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.CreateRoom(ctx, r); err != nil {
			return err
		}
		if err := a.quotas.inCourse(ctx, tx, actor, store.PlacedRooms, courseID); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, ActCreateRoom, target{"room", r.ID}, nil, roomChanges(r))
	})
	if errors.Is(err, store.ErrReferenced) {
		return nil, notFound("Course")
	}
	return r, err
}

// roomChanges is a room as the audit log shows it.
func roomChanges(r *store.Room) changes {
	return changes{"course_id": r.CourseID, "name": r.Name, "description": r.Description, "is_ai_active": r.IsAIActive,
		"is_analytics_active": r.IsAnalyticsActive, "ai_frequency": r.AIFrequency, "ai_mode": r.AIMode}
}

// Rooms lists the rooms of a course that the actor may enter. Members of the course get
// all rooms; others get those to which they have a link of their own.
func (a *App) Rooms(ctx context.Context, actor *Actor, courseID string, p store.Page) (*store.Listing[store.Room], error) {
	access, err := a.courseAccess(ctx, actor, courseID)
	if err != nil {
		return nil, err
	}
	res := access.Resource
	if Check(actor, ActListAllRooms, res) == nil {
		return a.db.RoomsInCourse(ctx, courseID, "", p)
	}
	linked, err := a.db.HasRoomIn(ctx, courseID, actor.User.ID)
	if err != nil {
		return nil, err
	}
	if linked {
		res.Relations |= IsRoomMember
	}
	if err := Check(actor, ActListRooms, res); err != nil {
		return nil, err
	}
	return a.db.RoomsInCourse(ctx, courseID, actor.User.ID, p)
}

// roomFor loads a room and checks that the actor may do the action there.
func (a *App) roomFor(ctx context.Context, actor *Actor, id string, action Action) (*store.Room, error) {
	r, _, err := a.roomAccess(ctx, actor, id, action)
	return r, err
}

func (a *App) roomAccess(ctx context.Context, actor *Actor, id string, action Action) (*store.Room, Resource, error) {
	if actor == nil {
		return nil, Resource{}, errNotAuthenticated
	}
	acc, err := a.db.RoomAccess(ctx, id, actor.User.ID)
	if err != nil {
		return nil, Resource{}, fromStore(err, "Room")
	}
	res := roomResource(acc)
	return &acc.Room, res, Check(actor, action, res)
}

// UpdateRoom changes the sent settings of a room. If two people change it at once, both
// changes stand, because each changes only the members that were sent.
func (a *App) UpdateRoom(ctx context.Context, actor *Actor, id string, s RoomSettings) (*store.Room, error) {
	if _, err := a.roomFor(ctx, actor, id, ActUpdateRoom); err != nil {
		return nil, err
	}
	var r *store.Room
	err := a.db.InTx(ctx, func(tx *store.Tx) (err error) {
		if r, err = tx.OpenRoomForUpdate(ctx, id); err != nil {
			return err
		}
		before, described := roomChanges(r), r.Description
		if err := s.apply(r); err != nil {
			return err
		}
		if err := tx.UpdateRoom(ctx, r); err != nil {
			return err
		}
		if longer(described, r.Description) {
			if err := a.quotas.courseGrew(ctx, tx, r.CourseID); err != nil {
				return err
			}
		}
		return a.audit.record(ctx, tx, actor, ActUpdateRoom, target{"room", id}, before, roomChanges(r))
	})
	return r, fromStore(err, "Room")
}

// DeleteRoom deletes a room with all its messages, and removes its people and agents
// from it. A dry run only counts.
func (a *App) DeleteRoom(ctx context.Context, actor *Actor, id string, dryRun bool) (store.Counts, error) {
	r, err := a.roomFor(ctx, actor, id, ActDeleteRoom)
	if err != nil {
		return nil, err
	}
	if dryRun {
		return a.db.RoomContents(ctx, id)
	}
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.DeleteRoom(ctx, id); err != nil {
			return err
		}
		if err := tx.OpenCourse(ctx, r.CourseID); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, ActDeleteRoom, target{"room", id}, changes{"name": r.Name, "course_id": r.CourseID}, nil)
	})
	if err != nil {
		return nil, fromStore(err, "Room")
	}
	a.audience.rechecks.soon()
	a.audience.streams.wake(id)
	return nil, nil
}

// AssignToRoom links a person to one room, or a bot to a room of its course. The returned text says what happened.
func (a *App) AssignToRoom(ctx context.Context, actor *Actor, roomID string, who Person) (string, error) {
	room, err := a.roomFor(ctx, actor, roomID, ActAssignToRoom)
	if err != nil {
		return "", err
	}
	u, err := a.account(ctx, who)
	if err != nil {
		return "", err
	}
	if u.IsBot() && u.BotCourseID != room.CourseID {
		return "", errIsBot
	}
	added, note := false, ""
	err = a.db.InTx(ctx, func(tx *store.Tx) (err error) {
		added, err = tx.AddRoomMember(ctx, &store.RoomMember{RoomID: roomID, UserID: u.ID, CreatedAt: a.instant()})
		if err != nil || !added {
			return fromStore(err, "Room")
		}
		if err := tx.OpenCourse(ctx, room.CourseID); err != nil {
			return fromStore(err, "Course")
		}
		if note, err = sameNameNote(ctx, tx.Queries, room.CourseID, u); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, ActAssignToRoom, target{"room", roomID}, nil, changes{"user_id": u.ID})
	})
	if err != nil {
		return "", err
	}
	if !added {
		return "User already assigned to room", nil
	}
	return fmt.Sprintf("User %s assigned to room%s", u.Name(), note), nil
}

// RoomAgents lists the agents in a room. full is true if the actor may see more of them
// than their public face (id, name, type, category, active).
func (a *App) RoomAgents(ctx context.Context, actor *Actor, roomID string) (agents *store.Listing[store.Agent], full bool, err error) {
	_, res, err := a.roomAccess(ctx, actor, roomID, ActReadFaces)
	if err != nil {
		return nil, false, err
	}
	agents, err = a.db.ListAgentsInRoom(ctx, roomID)
	return agents, Check(actor, ActAttachAgent, res) == nil, err
}

// AttachAgent puts an agent into a room. The actor must be staff there and must have the
// right to use the agent, because its key pays for its messages.
func (a *App) AttachAgent(ctx context.Context, actor *Actor, roomID, agentID string) (string, error) {
	room, err := a.roomFor(ctx, actor, roomID, ActAttachAgent)
	if err != nil {
		return "", err
	}
	if _, err := a.agentFor(ctx, actor, agentID, ActUseAgent, "Agent"); err != nil {
		return "", err
	}
	added := false
	err = a.db.InTx(ctx, func(tx *store.Tx) (err error) {
		// The agent's trigger does not count messages from before it was attached.
		added, err = tx.AddRoomAgent(ctx, &store.RoomAgent{RoomID: roomID, AgentID: agentID, CreatedAt: a.instant(),
			ReadSeq: room.EventSeq, BrokeSeq: room.EventSeq})
		if err != nil || !added {
			return fromStore(err, "Room")
		}
		if err := a.quotas.courseGrew(ctx, tx, room.CourseID); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, ActAttachAgent, target{"room", roomID}, nil, changes{"agent_id": agentID})
	})
	if err != nil {
		return "", err
	}
	if !added {
		return "Agent already assigned to room", nil
	}
	return "Agent assigned to room", nil
}

// DetachAgent takes an agent out of a room. Its messages stay.
func (a *App) DetachAgent(ctx context.Context, actor *Actor, roomID, agentID string) error {
	room, err := a.roomFor(ctx, actor, roomID, ActDetachAgent)
	if err != nil {
		return err
	}
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.RemoveRoomAgent(ctx, roomID, agentID); err != nil {
			return err
		}
		if err := tx.OpenCourse(ctx, room.CourseID); err != nil {
			return fromStore(err, "Course")
		}
		return a.audit.record(ctx, tx, actor, ActDetachAgent, target{"room", roomID}, changes{"agent_id": agentID}, nil)
	})
	if errors.Is(err, store.ErrNotFound) {
		return errorf(KindNotFound, wording.NotFound, "Agent not assigned to this room")
	}
	return err
}
