package app

import (
	"context"
	"strings"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// This file limits what one person may store. Admins can raise the quotas, so they have
// none. What was stored before there was a quota stays usable: only new things, and
// things that grow, are checked. The check comes after the write and before the commit,
// so that of two transactions at once the second one counts the first one's.

// quotas are how much people, courses, projects and organisations may have.
type quotas struct{ most *config.Quotas }

// ofPerson is how many things of a kind one person may have.
func (s quotas) ofPerson(kind store.Owned) int {
	return map[store.Owned]int{store.OwnedOrganizations: s.most.Organizations, store.OwnedProjects: s.most.Projects, store.OwnedCourses: s.most.Courses,
		store.OwnedTemplates: s.most.Templates, store.OwnedThreads: s.most.Threads, store.OwnedKeys: s.most.Keys,
		store.OwnedTokens: s.most.AccessTokens, store.OwnedBots: s.most.Bots}[kind]
}

// within returns an error if a person has too many things of a kind, or stores too
// many bytes. Call it after the new thing is written.
func (s quotas) within(ctx context.Context, tx *store.Tx, userID string, kinds ...store.Owned) error {
	u, err := tx.LockPerson(ctx, userID)
	if err != nil || isAdminRole(u.Role) {
		return fromStore(err, "User")
	}
	for _, kind := range kinds {
		most := s.ofPerson(kind)
		n, err := tx.CountOwned(ctx, kind, userID)
		if err != nil {
			return err
		}
		if n > most {
			return tooManyOwned(kind, most)
		}
	}
	stored, err := tx.StoredBytes(ctx, userID)
	if err == nil && stored > int64(s.most.Stored) {
		err = errorf(KindConflict, wording.Quota, "One person can store %s outside rooms, and this would be more. Delete templates, agents, threads or other things"+
			" first, or ask the operator to raise quotas.stored.", s.most.Stored)
	}
	return err
}

// artifactsWithin returns an error if a person keeps too many bytes in the artifacts of
// rooms. Call it after the artifact is written.
func (s quotas) artifactsWithin(ctx context.Context, tx *store.Tx, userID string) error {
	u, err := tx.LockPerson(ctx, userID)
	if err != nil || isAdminRole(u.Role) {
		return fromStore(err, "User")
	}
	n, err := tx.ArtifactBytes(ctx, userID)
	if err == nil && n > int64(s.most.Artifacts) {
		err = s.tooManyArtifacts()
	}
	return err
}

// tooManyArtifacts is the error for a person who keeps as much in artifacts as they may.
func (s quotas) tooManyArtifacts() *Error {
	return errorf(KindConflict, wording.Quota, "One person can keep %s in the tasks, documents and processes of rooms, with earlier versions and what"+
		" was deleted, and this would be more. Ask the staff of a room to erase some for good, or the operator to raise quotas.artifacts.", s.most.Artifacts)
}

// ofPlace is how many things of a kind one course, project or organisation may have. The
// kind is the name of that setting.
func (s quotas) ofPlace(kind store.Placed) int {
	return map[store.Placed]int{store.PlacedRooms: s.most.RoomsPerCourse, store.PlacedAnnouncements: s.most.AnnouncementsPerCourse,
		store.PlacedReports: s.most.ReportsPerCourse, store.PlacedWorkflows: s.most.WorkflowsPerCourse, store.PlacedCourseMembers: s.most.MembersPerCourse,
		store.PlacedOrganizationMembers: s.most.MembersPerOrganization, store.PlacedAgents: s.most.AgentsPerProject,
		store.PlacedBots: s.most.BotsPerCourse}[kind]
}

// withinPlace returns an error if a course, a project or an organisation has too many
// things of a kind. Call it after the new thing is written.
func (s quotas) withinPlace(ctx context.Context, tx *store.Tx, actor *Actor, kind store.Placed, placeID string) error {
	if isAdminRole(actor.User.Role) {
		return nil
	}
	n, err := tx.CountPlaced(ctx, kind, placeID)
	if err != nil {
		return fromStore(err, "Place")
	}
	if most := s.ofPlace(kind); n > most {
		return tooManyPlaced(kind, most)
	}
	return nil
}

// inCourse returns an error if a course has too many things of a kind, or if its owner
// stores too many bytes.
func (s quotas) inCourse(ctx context.Context, tx *store.Tx, actor *Actor, kind store.Placed, courseID string) error {
	if err := s.withinPlace(ctx, tx, actor, kind, courseID); err != nil {
		return err
	}
	return s.courseGrew(ctx, tx, courseID)
}

// courseGrew returns an error if a course's owner stores too many bytes, or if the course
// has just been archived. Call it when something in the course has grown: what was written
// refers to the course or to a locked room of it, so an archiving is over or waits.
func (s quotas) courseGrew(ctx context.Context, tx *store.Tx, courseID string) error {
	c, err := tx.Course(ctx, courseID)
	if err != nil {
		return fromStore(err, "Course")
	}
	if !c.ArchivedAt.IsZero() {
		return errArchived
	}
	return s.within(ctx, tx, c.OwnerID)
}

// tooManyOwned is the error for a person who has as many things of a kind as they may.
func tooManyOwned(kind store.Owned, most int) *Error {
	return errorf(KindConflict, wording.Quota, "One person can have %d %s, and these are there. Delete some first, or ask the operator to raise quotas.%s.",
		most, wording.Of(strings.ReplaceAll(string(kind), "_", " ")), kind)
}

// tooManyPlaced is the error for a place that has as many things of a kind as it may.
func tooManyPlaced(kind store.Placed, most int) *Error {
	things, place, _ := strings.Cut(string(kind), "_per_")
	return errorf(KindConflict, wording.Quota, "One %s can have %d %s, and these are there. Remove some first, or ask the operator to raise quotas.%s.",
		wording.Of(place), most, wording.Of(things), kind)
}

// longer tells whether a text that may be missing has become longer.
func longer(before, after *string) bool {
	return after != nil && (before == nil || len(*after) > len(*before))
}

// agentGrew reports whether an edit makes an agent larger.
func agentGrew(before, after *store.Agent) bool {
	size := func(ag *store.Agent) int {
		return len(ag.SystemPrompt) + len(ag.Settings) + len(ag.TriggerConfig) + len(ag.ScheduleConfig) + len(ag.ExternalConfig)
	}
	return after.CreatedBy != "" && size(after) > size(before)
}
