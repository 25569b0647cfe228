package app

import (
	"context"
	"errors"
	"time"

	"github.com/coagent-studio/coagent/app/ledger"
	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/store"
)

// CourseCan is what a person may do with a course now.
type CourseCan struct {
	Edit, Delete, Archive, Transfer, CreateRooms, Enrol, EnrolStaff, Announce, Report bool
}

// MyCourse is how the actor stands to a course, and what the course has for them.
type MyCourse struct {
	store.MyCourse
	Role string
	Can  CourseCan
}

// RoomStanding is how the actor stands to a room of a course, and its numbers.
type RoomStanding struct {
	store.RoomCounts
	Role string
	Can  RoomCan
}

func courseCan(a *Actor, res Resource) CourseCan {
	may := func(action Action) bool { return Check(a, action, res) == nil }
	return CourseCan{Edit: may(ActUpdateCourse), Delete: may(ActDeleteCourse), Archive: may(ActArchiveCourse), Transfer: may(ActTransferCourse), CreateRooms: may(ActCreateRoom),
		Enrol: may(ActEnrolStudent), EnrolStaff: may(ActEnrolStaff), Announce: may(ActWriteAnnouncements), Report: may(ActReadFigures)}
}

// MyCourses tells of courses how the actor stands to them, by their ids. Those that the
// actor may not read are left out.
func (a *App) MyCourses(ctx context.Context, actor *Actor, ids []string) (map[string]MyCourse, error) {
	if actor == nil {
		return nil, errNotAuthenticated
	}
	rows, err := a.db.MyCourses(ctx, actor.User.ID, ids)
	mine := make(map[string]MyCourse, len(rows))
	for id, row := range rows {
		res := Resource{Noun: "Course", Relations: courseRelation[row.Role], Archived: row.Archived}
		if row.IsOwner {
			res.Relations |= IsCourseOwner
		}
		if Check(actor, ActReadCourse, res) == nil {
			mine[id] = MyCourse{row, actor.standing(res), courseCan(actor, res)}
		}
	}
	return mine, err
}

// RoomStandings tells of rooms how the actor stands to them, by their ids. Those that the
// actor may not read are left out.
func (a *App) RoomStandings(ctx context.Context, actor *Actor, ids []string) (map[string]RoomStanding, error) {
	if actor == nil {
		return nil, errNotAuthenticated
	}
	rows, err := a.db.CountsOfRooms(ctx, actor.User.ID, ids)
	mine := make(map[string]RoomStanding, len(rows))
	for id, row := range rows {
		res := roomResource(&store.RoomAccess{Room: store.Room{ArchivedAt: row.ArchivedAt}, CourseRole: row.CourseRole, IsOwner: row.IsOwner, IsMember: row.IsMember})
		if Check(actor, ActReadRoom, res) == nil {
			mine[id] = RoomStanding{row, actor.standing(res), actor.roomCan(res)}
		}
	}
	return mine, err
}

// The most that an overview shows.
const (
	OverviewRooms     = 100
	OverviewApprovals = 20
)

// CourseOverview is what a person sees first of a course.
type CourseOverview struct {
	Course       *store.Course
	Mine         MyCourse
	Rooms        []MyRoom // the newest OverviewRooms
	Announcement *store.Announcement
	// Approvals are the oldest steps that wait for staff, OverviewApprovals at most; staff
	// alone see them.
	Approvals []store.PendingStep
}

// CourseOverview returns what a person of a course sees first of it.
func (a *App) CourseOverview(ctx context.Context, actor *Actor, id string) (*CourseOverview, error) {
	c, res, err := a.course(ctx, actor, id)
	if err == nil {
		err = Check(actor, ActReadCourse, res)
	}
	if err != nil {
		return nil, err
	}
	o := &CourseOverview{Course: c}
	mine, err := a.MyCourses(ctx, actor, []string{id})
	if err != nil {
		return nil, err
	}
	o.Mine = mine[id]
	if Check(actor, ActListAllRooms, res) == nil {
		if o.Rooms, err = a.myRooms(ctx, actor, store.MyRoomSearch{CourseID: id, Others: actor.isAdmin(), Limit: OverviewRooms}); err != nil {
			return nil, err
		}
	}
	if Check(actor, ActReadAnnouncements, res) == nil {
		o.Announcement, err = a.db.NewestAnnouncement(ctx, id)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
	}
	if Check(actor, ActReadApprovals, res) == nil {
		if o.Approvals, err = a.db.PendingStepsOfCourse(ctx, id, OverviewApprovals); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// CourseAgent is an agent in a room of a course, and what it does there now.
type CourseAgent struct {
	*store.RoomAgent
	RoomName string
	Turn     *store.Turn // under way, nil when there is none
	// Rule is the reason of a decision that keeps the agent from speaking now, and Detail
	// explains it. Both are "" if it may speak.
	Rule, Detail string
}

// CourseAgents lists for the course's staff all agents in its rooms.
func (a *App) CourseAgents(ctx context.Context, actor *Actor, courseID string) ([]CourseAgent, error) {
	if _, err := a.courseRead(ctx, actor, courseID, ActReadRoomAgent); err != nil {
		return nil, err
	}
	rows, err := a.db.AgentsOfCourse(ctx, courseID)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	var ids []string
	for i := range rows {
		if id := rows[i].RoomID; len(ids) == 0 || ids[len(ids)-1] != id {
			ids = append(ids, id)
		}
	}
	rooms, err := a.db.RoomsByID(ctx, ids)
	if err != nil {
		return nil, err
	}
	messages, err := a.db.MessagesSincePerson(ctx, ids)
	if err != nil {
		return nil, err
	}
	said := map[string][]store.Message{}
	for _, m := range messages {
		said[m.RoomID] = append(said[m.RoomID], m)
	}
	turns, err := a.db.OpenTurnsOfCourse(ctx, courseID)
	if err != nil {
		return nil, err
	}
	live := map[[2]string]*store.Turn{}
	for i := range turns {
		live[[2]string{turns[i].RoomID, turns[i].AgentID}] = &turns[i]
	}
	places := make([]store.AgentPlace, len(rows))
	for i := range rows {
		places[i] = store.AgentPlace{AgentID: rows[i].AgentID, RoomID: rows[i].RoomID, CourseID: courseID}
	}
	spent, err := a.outOfBudget(ctx, places)
	if err != nil {
		return nil, err
	}
	now, zone := a.instant(), a.cfg.Location()
	all := make([]CourseAgent, 0, len(rows))
	for i := range rows {
		ra := &rows[i]
		room := rooms[ra.RoomID]
		if room == nil { // it has just gone
			continue
		}
		p, r := turn.Effective(ra, now, zone).Effective, turn.RoomOf(room)
		if !now.Before(ra.MutedUntil) {
			ra.MutedUntil = time.Time{}
		}
		out := CourseAgent{RoomAgent: ra, RoomName: room.Name, Turn: live[[2]string{ra.RoomID, ra.AgentID}]}
		out.Rule, out.Detail = p.CanSpeak(r, p.OwnMessages(r, turn.MessagesOf(said[ra.RoomID]), now), now)
		if waits := out.Turn != nil && out.Turn.State == store.TurnParked && out.Turn.Reason == ledger.Empty; out.Rule == "" &&
			(waits || spent[[2]string{ra.RoomID, ra.AgentID}]) {
			out.Rule = ledger.Empty
		}
		all = append(all, out)
	}
	return all, nil
}
