package app

import (
	"context"
	"slices"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// The most that one copy has: its transaction keeps others from writing on SQLite, and what
// is longer than a list is never cut.
const (
	maxCopiedArtifacts = 2000
	maxCopiedBytes     = config.Bytes(32 << 20)
	maxCopiedSeats     = 1000
	maxCopiedRows      = store.MaxLimit // of rooms, of workflows, of announcements
)

// copyPlan is what a copy will have. The request and the job make it by the same checks, so
// nobody waits for a job that must fail.
type copyPlan struct {
	actor  *Actor
	from   *store.Course
	size   store.CopySize
	agents map[string]*copiedAgent // those of the seats, by their ids
	home   *homeOfAgents           // nil if no agent is copied
}

// copiedAgent is an agent of the course for the copy: it gets a clone, or sits there itself,
// or is left out.
type copiedAgent struct {
	own   bool // gets a clone
	clone *store.Agent
	seat  bool // may sit there itself
}

// planCopy checks that the actor may have this copy: the rights, then the bounds, then the
// quotas. The job checks the quotas once more when all is written.
func (a *App) planCopy(ctx context.Context, actor *Actor, courseID string, in *NewCopy) (*copyPlan, error) {
	p := &copyPlan{actor: actor, agents: map[string]*copiedAgent{}}
	var err error
	if p.from, err = a.courseFor(ctx, actor, courseID, ActCopyCourse); err != nil {
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
	size, err := a.db.CopySize(ctx, courseID, copiedRoles(actor), maxCopiedArtifacts)
	if err != nil {
		return nil, err
	}
	p.size = in.of(*size)
	if err := copyFits(&p.size); err != nil {
		return nil, err
	}
	clones := 0
	if in.Rooms {
		if clones, err = a.planAgents(ctx, p, in.Agents); err != nil {
			return nil, err
		}
	}
	if clones > 0 {
		if p.home, err = a.homeOfAgents(ctx, actor, &store.Room{CourseID: courseID}, in.ProjectID); err != nil {
			return nil, err
		}
	}
	return p, a.copyWithinQuotas(ctx, p, clones)
}

// of is the part of a course's size that the copy has.
func (in *CopyParts) of(s store.CopySize) store.CopySize {
	if !in.Rooms {
		s.Rooms, s.Seats = 0, 0
	}
	if !in.Artifacts {
		s.Artifacts, s.Bytes = 0, 0
	}
	if !in.Workflows {
		s.Workflows = 0
	}
	if !in.Announcements {
		s.Announcements = 0
	}
	if !in.Members {
		s.Members = 0
	}
	return s
}

// copyFits refuses what is more than one copy can have.
func copyFits(s *store.CopySize) error {
	for _, of := range []struct {
		n, most int
		things  wording.Text
	}{{s.Rooms, maxCopiedRows, wording.Of("rooms")}, {s.Artifacts, maxCopiedArtifacts, wording.Of("artifacts")},
		{s.Workflows, maxCopiedRows, wording.Of("workflows")}, {s.Announcements, maxCopiedRows, wording.Of("announcements")}} {
		if of.n > of.most {
			return errorf(KindConflict, wording.TooMany, "A copy can have %d %s, and the course has more. Remove some first, or copy it without them.", of.most, of.things)
		}
	}
	if s.Seats > maxCopiedSeats {
		return errorf(KindConflict, wording.TooMany, "The rooms of a copy can have %d agents together, and those of the course have more. Take some out of rooms first.",
			maxCopiedSeats)
	}
	if s.Bytes > int64(maxCopiedBytes) {
		return errorf(KindConflict, wording.TooMany, "The artifacts of a copy can have %s together, and those of the course have more. Delete some first, or copy the course"+
			" without artifacts.", maxCopiedBytes)
	}
	return nil
}

// planAgents decides what the copy has of each agent: nobody gets a right by it that they do
// not have.
func (a *App) planAgents(ctx context.Context, p *copyPlan, own bool) (clones int, err error) {
	all, err := a.db.AgentsToCopy(ctx, p.from.ID, p.actor.User.ID, maxCopiedSeats)
	if err != nil {
		return 0, err
	}
	for i := range all {
		ag := &all[i]
		known := &store.Agent{ProjectID: ag.ProjectID, CreatedBy: ag.CreatedBy, IsTemplate: ag.IsTemplate, IsExternal: ag.IsExternal}
		res := Resource{Noun: "Agent", Relations: agentRelations(p.actor, known, ag.Role)}
		one := &copiedAgent{seat: Check(p.actor, ActUseAgent, res) == nil,
			own: own && ag.ProjectID != "" && !ag.IsExternal && Check(p.actor, ActReadAgent, res) == nil}
		if one.own {
			clones++
		}
		p.agents[ag.ID] = one
	}
	return clones, nil
}

// copyWithinQuotas refuses a copy for which the quotas have no room.
func (a *App) copyWithinQuotas(ctx context.Context, p *copyPlan, clones int) error {
	if p.actor.isAdmin() {
		return nil
	}
	q, who := a.quotas, p.actor.User.ID
	made := []store.Owned{store.OwnedCourses}
	if p.home != nil && p.home.organization != nil {
		made = append(made, store.OwnedProjects)
		if p.home.isNew {
			made = append(made, store.OwnedOrganizations)
		}
	}
	for _, kind := range made {
		n, err := a.db.CountOwned(ctx, kind, who)
		if err != nil {
			return err
		}
		if most := q.ofPerson(kind); n >= most {
			return tooManyOwned(kind, most)
		}
	}
	for _, of := range []struct {
		kind store.Placed
		n    int
	}{{store.PlacedRooms, p.size.Rooms}, {store.PlacedWorkflows, p.size.Workflows}, {store.PlacedAnnouncements, p.size.Announcements},
		{store.PlacedCourseMembers, p.size.Members}} {
		if most := q.ofPlace(of.kind); of.n > most {
			return tooManyPlaced(of.kind, most)
		}
	}
	if p.size.Artifacts > 0 {
		n, err := a.db.ArtifactBytes(ctx, who)
		if err != nil {
			return err
		}
		if n+p.size.Bytes+int64(p.size.Artifacts)*store.RowBytes > int64(q.most.Artifacts) {
			return q.tooManyArtifacts()
		}
	}
	if clones == 0 {
		return nil
	}
	there := len(a.agents.firstAgents("", "", wording.English))
	if p.home.organization == nil {
		var err error
		if there, err = a.db.CountIn(ctx, store.PlacedAgents, p.home.project.ID); err != nil {
			return err
		}
	}
	if most := q.ofPlace(store.PlacedAgents); there+clones > most {
		return errorf(KindConflict, wording.Quota, "The project for the agents can have %d of them and has %d, and the copy brings %d. Name another project in project_id, or"+
			" copy the course without agents, or ask the operator to raise quotas.agents_per_project.", most, there, clones)
	}
	return nil
}

// copiedRoles are the roles in a course of the actor's own that the actor may give.
func copiedRoles(actor *Actor) []string {
	own := Resource{Noun: "Course", Relations: IsCourseOwner | IsCourseTeacher}
	return slices.DeleteFunc([]string{RoleStudent, RoleTA, RoleTeacher}, func(role string) bool {
		return Check(actor, ActEnrolStudent, own) != nil || mayRule(actor, power{beyond: ActEnrolStaff, on: own, roles: []string{role}}) != nil
	})
}
