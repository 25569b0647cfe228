package app

import (
	"context"
	"errors"
	"slices"

	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/store"
)

// NewRoomAgent is an agent that is made and put into a room by one call.
type NewRoomAgent struct {
	// ProjectID owns the agent. Without it, that is the first project of the actor with an
	// agent in a room of the course; if there is none, a new one with the course's title.
	ProjectID string
	Agent     AgentSettings
	Room      RoomAgentSettings
}

// CreateAgentInRoom makes an agent and puts it into a room, in one transaction: the actor
// must have the right to each step, and all of it happens or nothing.
func (a *App) CreateAgentInRoom(ctx context.Context, actor *Actor, roomID string, in NewRoomAgent) (*store.Agent, *AgentInRoom, error) {
	room, err := a.roomFor(ctx, actor, roomID, ActAttachAgent)
	if err != nil {
		return nil, nil, err
	}
	home, err := a.homeOfAgents(ctx, actor, room, in.ProjectID)
	if err != nil {
		return nil, nil, err
	}
	ag := a.agents.fresh(home.project.ID, actor.User.ID)
	if err := a.agents.knownType(ctx, "type", in.Agent.Type.Value); err != nil {
		return nil, nil, err
	}
	if err := a.agents.startAs(ctx, &ag, in.Agent.Type.Value); err != nil {
		return nil, nil, err
	}
	if err := a.agents.apply(in.Agent, &ag); err != nil {
		return nil, nil, err
	}
	if !in.Agent.IsActive.Sent {
		ag.IsActive = true // it was made to speak in this room
	}
	now := a.instant()
	ra := &store.RoomAgent{RoomID: roomID, AgentID: ag.ID, CreatedAt: now, ReadSeq: room.EventSeq, BrokeSeq: room.EventSeq}
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		if err := home.make(ctx, tx); err != nil {
			return err
		}
		siblings, err := tx.LockAgents(ctx, ag.ProjectID, ag.Type, roomID)
		if err != nil {
			return fromStore(err, "Project")
		}
		if err := a.agents.giveWayTo(ctx, tx, actor, &ag, siblings); err != nil {
			return err
		}
		if err := a.agents.add(ctx, tx, actor, ActCreateAgent, &ag); err != nil {
			return err
		}
		if _, err := tx.AddRoomAgent(ctx, ra); err != nil {
			return fromStore(err, "Room")
		}
		ra.Agent = &ag
		if err := in.Room.apply(ra, now); err != nil {
			return inRoomMember(err)
		}
		ra.NextDueAt = now
		if err := tx.UpdateRoomAgent(ctx, ra); err != nil {
			return err
		}
		if err := a.quotas.courseGrew(ctx, tx, room.CourseID); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, ActAttachAgent, target{"room", roomID}, nil, roomAgentChanges(ra))
	})
	if err != nil {
		return nil, nil, agentError(err)
	}
	set, err := a.describe(ctx, turn.Effective(ra, now, a.cfg.Location()), room)
	return &ag, set, err
}

// inRoomMember says of members of the settings in the room that they are in the member
// room of the body.
func inRoomMember(err error) error {
	var e *Error
	if !errors.As(err, &e) || len(e.Fields) == 0 {
		return err
	}
	within := *e
	within.Fields = slices.Clone(e.Fields)
	for i, f := range within.Fields {
		within.Fields[i].Field = "body.room" + f.Field[len("body"):]
	}
	return &within
}

// homeOfAgents is the project that gets an agent for a room, and what has to be made for
// it first.
type homeOfAgents struct {
	app          *App
	actor        *Actor
	project      *store.Project
	organization *store.Organization // nil if the project is there
	isNew        bool                // the organisation has to be made too
}

// homeOfAgents finds the project for a new agent of a room, or prepares one.
func (a *App) homeOfAgents(ctx context.Context, actor *Actor, room *store.Room, projectID string) (*homeOfAgents, error) {
	home := &homeOfAgents{app: a, actor: actor}
	if projectID == "" {
		var err error
		projectID, err = a.db.ProjectOfCourseAgents(ctx, actor.User.ID, room.CourseID)
		if store.UnlessMissing(err) != nil {
			return nil, err
		}
	}
	if projectID != "" {
		home.project = &store.Project{ID: projectID}
		res, err := a.projectResource(ctx, actor, projectID)
		if err != nil {
			return nil, err
		}
		return home, Check(actor, ActCreateAgent, res)
	}
	course, err := a.db.Course(ctx, room.CourseID)
	if err != nil {
		return nil, fromStore(err, "Course")
	}
	now := a.instant()
	home.organization, err = a.db.FirstOrganizationOf(ctx, actor.User.ID)
	if errors.Is(err, store.ErrNotFound) {
		home.isNew, err = true, Check(actor, ActCreateOrganization, Resource{})
		home.organization = &store.Organization{ID: store.NewID(), Name: course.Title, OwnerID: actor.User.ID, CreatedAt: now, Version: 1}
	}
	home.project = &store.Project{ID: store.NewID(), OrganizationID: home.organization.ID, Name: course.Title, CreatedBy: actor.User.ID, CreatedAt: now, Version: 1}
	return home, err
}

// make makes what is missing.
func (h *homeOfAgents) make(ctx context.Context, tx *store.Tx) error {
	switch {
	case h.organization == nil:
		return nil
	case h.isNew:
		if err := h.app.addOrganization(ctx, tx, h.actor, h.organization); err != nil {
			return err
		}
	default:
		if _, err := tx.OrganizationForUpdate(ctx, h.organization.ID); err != nil {
			return fromStore(err, "Organization")
		}
	}
	if _, _, err := organizationIn(ctx, tx.Queries, h.actor, h.organization.ID, ActCreateProject); err != nil {
		return err
	}
	return h.app.addProject(ctx, tx, h.actor, h.project)
}
