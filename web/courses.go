package web

import (
	"context"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/store"
)

type courseOut struct {
	ID          string    `json:"id" format:"uuid"`
	Title       string    `json:"title"`
	Description *string   `json:"description"`
	OwnerID     string    `json:"owner_id" format:"uuid"`
	OwnerName   *string   `json:"owner_name" doc:"In lists only"`
	CreatedAt   time.Time `json:"created_at"`

	ArchivedAt *time.Time `json:"archived_at,omitempty" doc:"While it is"`

	MyRole string           `json:"my_role,omitempty" enum:"owner,teacher,ta,student,admin" doc:"In lists and where the course is shown, as can and counts"`
	Can    *courseCanOut    `json:"can,omitempty" doc:"What the caller may do"`
	Counts *courseCountsOut `json:"counts,omitempty"`
}

func courseForm(c *store.Course) courseOut {
	return courseOut{ID: c.ID, Title: c.Title, Description: c.Description, OwnerID: c.OwnerID, OwnerName: c.OwnerName, CreatedAt: instant(c.CreatedAt), ArchivedAt: since(c.ArchivedAt)}
}

func oneCourse(c *store.Course, err error) (*oneOut[courseOut], error) {
	return formed(c, err, courseForm)
}

type createCourseIn struct {
	Body struct {
		Title       string  `json:"title"`
		Description *string `json:"description,omitempty"`
	}
}

func (s *Server) createCourse(ctx context.Context, actor *app.Actor, in *createCourseIn) (*oneOut[courseOut], error) {
	return oneCourse(s.app.CreateCourse(ctx, actor, in.Body.Title, in.Body.Description))
}

type coursesIn struct {
	Archived bool `query:"archived" doc:"Those that are archived, in place of the others"`
	PageIn
}

func (s *Server) archiveCourse(ctx context.Context, actor *app.Actor, in *oneID) (*oneOut[courseOut], error) {
	return oneCourse(s.app.ArchiveCourse(ctx, actor, in.ID.String()))
}

func (s *Server) reopenCourse(ctx context.Context, actor *app.Actor, in *oneID) (*oneOut[courseOut], error) {
	return oneCourse(s.app.ReopenCourse(ctx, actor, in.ID.String()))
}

func (s *Server) courses(ctx context.Context, actor *app.Actor, in *coursesIn) (*pageOut[courseOut], error) {
	rows, err := s.app.Courses(ctx, actor, in.Archived, in.page())
	if err != nil {
		return nil, err
	}
	mine, err := s.app.MyCourses(ctx, actor, rows.IDs())
	if err != nil {
		return nil, err
	}
	return linked(ctx, s, rows, func(c *store.Course) courseOut { return myCourseForm(c, mine) }, in.PageIn)
}

func (s *Server) course(ctx context.Context, actor *app.Actor, in *oneID) (*oneOut[courseOut], error) {
	c, err := s.app.Course(ctx, actor, in.ID.String())
	if err != nil {
		return nil, err
	}
	mine, err := s.app.MyCourses(ctx, actor, []string{c.ID})
	return &oneOut[courseOut]{myCourseForm(c, mine)}, err
}

type updateCourseIn struct {
	CourseID id `path:"course_id"`
	Body     struct {
		Title       opt[string] `json:"title,omitempty"`
		Description opt[string] `json:"description,omitempty"`
	}
}

func (s *Server) updateCourse(ctx context.Context, actor *app.Actor, in *updateCourseIn) (*oneOut[courseOut], error) {
	return oneCourse(s.app.UpdateCourse(ctx, actor, in.CourseID.String(),
		app.CourseSettings{Title: in.Body.Title.Opt, Description: in.Body.Description.Opt}))
}

type deletedCourseOut struct{ Body orCounts[courseOut] }

func (s *Server) deleteCourse(ctx context.Context, actor *app.Actor, in *deletionOf) (*deletedCourseOut, error) {
	c, counts, err := s.app.DeleteCourse(ctx, actor, in.ID.String(), in.DryRun)
	if err != nil {
		return nil, err
	}
	out := &deletedCourseOut{orCounts[courseOut]{counts: counts}}
	if c != nil {
		out.Body.deleted = courseForm(c)
	}
	return out, nil
}
