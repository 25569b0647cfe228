package web

import (
	"context"
	"net/http"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/store"
)

func (s *Server) courseCopyRoutes() {
	const tag, all = "Courses", v1 + "/courses/{course_id}/copies"
	add(s, post, all, "copyCourse", s.copyCourse,
		route{tag: tag, summary: "Copy a course: the parts that are true",
			description: "For its teachers who may make courses.",
			example:     `{"title":"Physics 102","rooms":true,"workflows":true}`,
			status:      http.StatusAccepted, errors: []int{missing, conflict}})
	add(s, get, all+"/{copy_id}", "getCourseCopy", s.courseCopy,
		route{tag: tag, summary: "Show a copy", description: "For who began it.", errors: []int{missing}})
	add(s, del, all+"/{copy_id}", "cancelCourseCopy", s.cancelCourseCopy,
		route{tag: tag, summary: "Cancel a copy", description: "For who began it.", errors: []int{missing, conflict}})
}

type copyCourseIn struct {
	ID   id `path:"course_id"`
	Body struct {
		Title         string `json:"title"`
		ProjectID     *id    `json:"project_id,omitempty"`
		Rooms         bool   `json:"rooms,omitempty"`
		Agents        bool   `json:"agents,omitempty"`
		Artifacts     bool   `json:"artifacts,omitempty"`
		Workflows     bool   `json:"workflows,omitempty"`
		Announcements bool   `json:"announcements,omitempty"`
		Members       bool   `json:"members,omitempty"`
	}
}

type courseCopyOut struct {
	ID          string `json:"id" format:"uuid"`
	State       string `json:"state" enum:"queued,running,done,failed,cancelled"`
	Reason      string `json:"reason,omitempty"`
	Done        int    `json:"done"`
	Total       int    `json:"total"`
	AgentsLeft  int    `json:"agents_left"`
	NewCourseID string `json:"new_course_id,omitempty" format:"uuid"`
}

func courseCopyForm(ctx context.Context, c *store.CourseCopy) courseCopyOut {
	return courseCopyOut{ID: c.ID, State: c.State, Reason: worded(ctx, c.Reason), Done: c.Done, Total: c.Total, AgentsLeft: c.AgentsLeft,
		NewCourseID: c.NewCourseID}
}

func (s *Server) copyCourse(ctx context.Context, actor *app.Actor, in *copyCourseIn) (*oneOut[courseCopyOut], error) {
	b := &in.Body
	project := ""
	if b.ProjectID != nil {
		project = b.ProjectID.String()
	}
	c, err := s.app.CopyCourse(ctx, actor, in.ID.String(), app.NewCopy{Title: b.Title, ProjectID: project, CopyParts: app.CopyParts{Rooms: b.Rooms,
		Agents: b.Agents, Artifacts: b.Artifacts, Workflows: b.Workflows, Announcements: b.Announcements, Members: b.Members}})
	return formed(c, err, func(c *store.CourseCopy) courseCopyOut { return courseCopyForm(ctx, c) })
}

func (s *Server) courseCopy(ctx context.Context, actor *app.Actor, in *twoIDs) (*oneOut[courseCopyOut], error) {
	c, err := s.app.CourseCopy(ctx, actor, in.First.String(), in.Second.String())
	return formed(c, err, func(c *store.CourseCopy) courseCopyOut { return courseCopyForm(ctx, c) })
}

func (s *Server) cancelCourseCopy(ctx context.Context, actor *app.Actor, in *twoIDs) (*oneOut[courseCopyOut], error) {
	c, err := s.app.CancelCopy(ctx, actor, in.First.String(), in.Second.String())
	return formed(c, err, func(c *store.CourseCopy) courseCopyOut { return courseCopyForm(ctx, c) })
}
