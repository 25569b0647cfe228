package web

import (
	"context"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/store"
)

type announcementOut struct {
	ID        string    `json:"id" format:"uuid"`
	CourseID  string    `json:"course_id" format:"uuid"`
	AuthorID  *string   `json:"author_id" format:"uuid" doc:"null: account gone"`
	Title     string    `json:"title"`
	Content   string    `json:"content"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

func announcementForm(an *store.Announcement) announcementOut {
	return announcementOut{ID: an.ID, CourseID: an.CourseID, AuthorID: nullable(an.AuthorID), Title: an.Title, Content: an.Content,
		CreatedAt: instant(an.CreatedAt), UpdatedAt: instant(an.UpdatedAt)}
}

func oneAnnouncement(an *store.Announcement, err error) (*oneOut[announcementOut], error) {
	return formed(an, err, announcementForm)
}

type announceIn struct {
	Body struct {
		Title    opt[string] `json:"title"`
		Content  opt[string] `json:"content"`
		CourseID id          `json:"course_id"`
	}
}

func (s *Server) announce(ctx context.Context, actor *app.Actor, in *announceIn) (*oneOut[announcementOut], error) {
	return oneAnnouncement(s.app.Announce(ctx, actor, in.Body.CourseID.String(),
		app.AnnouncementTexts{Title: in.Body.Title.Opt, Content: in.Body.Content.Opt}))
}

type announcementsIn struct {
	CourseID id `query:"course_id" required:"true"`
}

func (s *Server) announcements(ctx context.Context, actor *app.Actor, in *announcementsIn) (*listOut[announcementOut], error) {
	rows, err := s.app.Announcements(ctx, actor, in.CourseID.String(), everything)
	if err != nil {
		return nil, err
	}
	return whole(ctx, s, rows, announcementForm)
}

type updateAnnouncementIn struct {
	AnnouncementID id `path:"announcement_id"`
	Body           struct {
		Title   opt[string] `json:"title,omitempty"`
		Content opt[string] `json:"content,omitempty"`
	}
}

func (s *Server) updateAnnouncement(ctx context.Context, actor *app.Actor, in *updateAnnouncementIn) (*oneOut[announcementOut], error) {
	return oneAnnouncement(s.app.UpdateAnnouncement(ctx, actor, in.AnnouncementID.String(),
		app.AnnouncementTexts{Title: in.Body.Title.Opt, Content: in.Body.Content.Opt}))
}

func (s *Server) deleteAnnouncement(ctx context.Context, actor *app.Actor, in *oneID) (*empty, error) {
	return &empty{}, s.app.DeleteAnnouncement(ctx, actor, in.ID.String())
}
