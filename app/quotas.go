package app

import (
	"context"
	"strings"

	"github.com/coagent-studio/coagent/store"
)

// This file limits what one person may store. Admins can raise the quotas, so they have
// none. What was stored before there was a quota stays usable: only new things, and
// things that grow, are checked. The check comes after the write and before the commit,
// so that of two transactions at once the second one counts the first one's.

// quotaOf is how many things of a kind one person may have.
func (a *App) quotaOf(kind store.Owned) int {
	q := a.cfg.Quotas
	return map[store.Owned]int{store.OwnedOrganizations: q.Organizations, store.OwnedProjects: q.Projects, store.OwnedCourses: q.Courses,
		store.OwnedTemplates: q.Templates, store.OwnedThreads: q.Threads, store.OwnedKeys: q.Keys,
		store.OwnedTokens: q.AccessTokens}[kind]
}

// withinQuota returns an error if a person has too many things of a kind, or stores too
// many bytes. Call it after the new thing is written.
func (a *App) withinQuota(ctx context.Context, tx *store.Tx, userID string, kinds ...store.Owned) error {
	u, err := tx.LockPerson(ctx, userID)
	if err != nil || isAdminRole(u.Role) {
		return fromStore(err, "User")
	}
	for _, kind := range kinds {
		most := a.quotaOf(kind)
		n, err := tx.CountOwned(ctx, kind, userID)
		if err != nil {
			return err
		}
		if n > most {
			return errorf(KindConflict, codeQuota, "One person can have %d %s, and these are there. Delete some first, or ask the operator to raise quotas.%s.",
				most, strings.ReplaceAll(string(kind), "_", " "), kind)
		}
	}
	stored, err := tx.StoredBytes(ctx, userID)
	if err == nil && stored > int64(a.cfg.Quotas.Stored) {
		err = errorf(KindConflict, codeQuota, "One person can store %s outside rooms, and this would be more. Delete templates, agents, threads or other things"+
			" first, or ask the operator to raise quotas.stored.", a.cfg.Quotas.Stored)
	}
	return err
}

// quotaIn is how many things of a kind one course, project or organisation may have. The
// kind is the name of that setting.
func (a *App) quotaIn(kind store.Placed) int {
	q := a.cfg.Quotas
	return map[store.Placed]int{store.PlacedRooms: q.RoomsPerCourse, store.PlacedAnnouncements: q.AnnouncementsPerCourse,
		store.PlacedReports: q.ReportsPerCourse, store.PlacedWorkflows: q.WorkflowsPerCourse, store.PlacedCourseMembers: q.MembersPerCourse,
		store.PlacedOrganizationMembers: q.MembersPerOrganization, store.PlacedAgents: q.AgentsPerProject}[kind]
}

// withinPlace returns an error if a course, a project or an organisation has too many
// things of a kind. Call it after the new thing is written.
func (a *App) withinPlace(ctx context.Context, tx *store.Tx, actor *Actor, kind store.Placed, placeID string) error {
	if isAdminRole(actor.User.Role) {
		return nil
	}
	n, err := tx.CountPlaced(ctx, kind, placeID)
	if err != nil {
		return fromStore(err, "Place")
	}
	if most := a.quotaIn(kind); n > most {
		things, place, _ := strings.Cut(string(kind), "_per_")
		err = errorf(KindConflict, codeQuota, "One %s can have %d %s, and these are there. Remove some first, or ask the operator to raise quotas.%s.",
			place, most, things, kind)
	}
	return err
}

// inCourse returns an error if a course has too many things of a kind, or if its owner
// stores too many bytes.
func (a *App) inCourse(ctx context.Context, tx *store.Tx, actor *Actor, kind store.Placed, courseID string) error {
	if err := a.withinPlace(ctx, tx, actor, kind, courseID); err != nil {
		return err
	}
	return a.courseGrew(ctx, tx, courseID)
}

// courseGrew returns an error if a course's owner stores too many bytes. Call it when
// something in the course has grown.
func (a *App) courseGrew(ctx context.Context, tx *store.Tx, courseID string) error {
	c, err := tx.Course(ctx, courseID)
	if err != nil {
		return fromStore(err, "Course")
	}
	return a.withinQuota(ctx, tx, c.OwnerID)
}

// codeQuota is the error code for what exceeds a quota.
const codeQuota = "quota"

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
