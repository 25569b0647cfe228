package web

import (
	"context"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/store"
)

type reportOut struct {
	ID          string     `json:"id" format:"uuid"`
	CourseID    string     `json:"course_id" format:"uuid"`
	RoomID      *string    `json:"room_id" format:"uuid" doc:"Always null"`
	ReportType  string     `json:"report_type" enum:"course_summary"`
	Title       string     `json:"title"`
	Content     string     `json:"content" doc:"Markdown; a sentence while it is not done"`
	State       string     `json:"state" enum:"queued,running,done,failed"`
	Reason      *string    `json:"reason" doc:"Why it failed"`
	RoomsTotal  int        `json:"rooms_total" doc:"Rooms that have messages"`
	RoomsDone   int        `json:"rooms_done"`
	RoomsFailed int        `json:"rooms_failed" doc:"Of rooms_done: those without a section"`
	CreatedBy   *string    `json:"created_by" format:"uuid" doc:"null: account gone"`
	CreatedAt   time.Time  `json:"created_at"`
	UpdatedAt   time.Time  `json:"updated_at"`
	EndedAt     *time.Time `json:"ended_at"`
}

func reportForm(r *store.Report) reportOut {
	out := reportOut{ID: r.ID, CourseID: r.CourseID, ReportType: r.ReportType, Title: r.Title, Content: r.Content, State: r.State,
		Reason: nullable(r.Reason), RoomsTotal: r.RoomsTotal, RoomsDone: r.RoomsDone, RoomsFailed: r.RoomsFailed,
		CreatedBy: nullable(r.CreatedBy), CreatedAt: instant(r.CreatedAt), UpdatedAt: instant(r.UpdatedAt)}
	if !r.EndedAt.IsZero() {
		at := instant(r.EndedAt)
		out.EndedAt = &at
	}
	return out
}

func oneReport(r *store.Report, err error) (*oneOut[reportOut], error) {
	return formed(r, err, reportForm)
}

func (s *Server) generateReport(ctx context.Context, actor *app.Actor, in *oneID) (*oneOut[reportOut], error) {
	return oneReport(s.app.GenerateReport(ctx, actor, in.ID.String()))
}

type reportsIn struct {
	CourseID id `path:"course_id"`
	// Reports are long: a page of them is smaller than other pages.
	Skip  int `query:"skip" minimum:"0" maximum:"1000000" default:"0"`
	Limit int `query:"limit" minimum:"1" maximum:"100" default:"20"`
}

func (s *Server) reports(ctx context.Context, actor *app.Actor, in *reportsIn) (*listOut[reportOut], error) {
	rows, err := s.app.Reports(ctx, actor, in.CourseID.String(), store.Page{Skip: in.Skip, Limit: in.Limit})
	if err != nil {
		return nil, err
	}
	return whole(ctx, s, rows, reportForm)
}

func (s *Server) report(ctx context.Context, actor *app.Actor, in *twoIDs) (*oneOut[reportOut], error) {
	return oneReport(s.app.Report(ctx, actor, in.First.String(), in.Second.String()))
}

type updateReportIn struct {
	CourseID id `path:"course_id"`
	ReportID id `path:"report_id"`
	Body     struct {
		Title   opt[string] `json:"title,omitempty"`
		Content opt[string] `json:"content,omitempty"`
	}
}

func (s *Server) updateReport(ctx context.Context, actor *app.Actor, in *updateReportIn) (*oneOut[reportOut], error) {
	return oneReport(s.app.UpdateReport(ctx, actor, in.CourseID.String(), in.ReportID.String(),
		app.ReportTexts{Title: in.Body.Title.Opt, Content: in.Body.Content.Opt}))
}

func (s *Server) deleteReport(ctx context.Context, actor *app.Actor, in *twoIDs) (*empty, error) {
	return &empty{}, s.app.DeleteReport(ctx, actor, in.First.String(), in.Second.String())
}
