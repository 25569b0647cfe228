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
}

func courseForm(c *store.Course) courseOut {
	return courseOut{ID: c.ID, Title: c.Title, Description: c.Description, OwnerID: c.OwnerID, OwnerName: c.OwnerName, CreatedAt: instant(c.CreatedAt)}
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

func (s *Server) courses(ctx context.Context, actor *app.Actor, in *PageIn) (*pageOut[courseOut], error) {
	rows, err := s.app.Courses(ctx, actor, in.page())
	if err != nil {
		return nil, err
	}
	return linked(ctx, s, rows, courseForm, *in)
}

func (s *Server) course(ctx context.Context, actor *app.Actor, in *oneID) (*oneOut[courseOut], error) {
	return oneCourse(s.app.Course(ctx, actor, in.ID.String()))
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
