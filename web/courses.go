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

type oneCourseOut struct{ Body courseOut }

type createCourseIn struct {
	Body struct {
		Title       string  `json:"title"`
		Description *string `json:"description,omitempty"`
	}
}

func (s *Server) createCourse(ctx context.Context, actor *app.Actor, in *createCourseIn) (*oneCourseOut, error) {
	c, err := s.app.CreateCourse(ctx, actor, in.Body.Title, in.Body.Description)
	if err != nil {
		return nil, err
	}
	return &oneCourseOut{courseForm(c)}, nil
}

type coursesOut struct{ Body []courseOut }

func (s *Server) courses(ctx context.Context, actor *app.Actor, in *PageIn) (*coursesOut, error) {
	rows, err := s.app.Courses(ctx, actor, in.page())
	if err != nil {
		return nil, err
	}
	return &coursesOut{listOf(rows, courseForm)}, nil
}

type courseIn struct {
	CourseID id `path:"course_id"`
}

func (s *Server) course(ctx context.Context, actor *app.Actor, in *courseIn) (*oneCourseOut, error) {
	c, err := s.app.Course(ctx, actor, in.CourseID.String())
	if err != nil {
		return nil, err
	}
	return &oneCourseOut{courseForm(c)}, nil
}

// PersonIn names somebody; the id wins.
type PersonIn struct {
	UserEmail *string `json:"user_email,omitempty" doc:"Or send user_id"`
	UserID    *id     `json:"user_id,omitempty" doc:"Goes before user_email"`
}

func (p PersonIn) person() app.Person {
	var who app.Person
	if p.UserID != nil {
		who.ID = p.UserID.String()
	}
	if p.UserEmail != nil {
		who.Email = *p.UserEmail
	}
	return who
}

type enrolIn struct {
	CourseID id `path:"course_id"`
	Body     struct {
		PersonIn
		Role string `json:"role,omitempty" doc:"student, ta or teacher; student when left out"`
	}
}

func (s *Server) enrol(ctx context.Context, actor *app.Actor, in *enrolIn) (*messageOut, error) {
	text, err := s.app.Enrol(ctx, actor, in.CourseID.String(), in.Body.person(), in.Body.Role)
	if err != nil {
		return nil, err
	}
	return said(text), nil
}

type memberOut struct {
	UserID    string  `json:"user_id" format:"uuid"`
	Email     string  `json:"email"`
	FullName  *string `json:"full_name"`
	AvatarURL *string `json:"avatar_url"`
	Role      string  `json:"role" enum:"student,ta,teacher"`
}

type membersOut struct{ Body []memberOut }

func (s *Server) members(ctx context.Context, actor *app.Actor, in *courseIn) (*membersOut, error) {
	rows, err := s.app.CourseMembers(ctx, actor, in.CourseID.String(), everything)
	if err != nil {
		return nil, err
	}
	return &membersOut{listOf(rows, func(m *app.Member) memberOut {
		return memberOut{UserID: m.User.ID, Email: m.User.Email, FullName: m.User.FullName, AvatarURL: m.User.AvatarURL, Role: m.Role}
	})}, nil
}
