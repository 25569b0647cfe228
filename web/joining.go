package web

import (
	"context"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/store"
)

type joinCodeOut struct {
	Body struct {
		Code      string    `json:"code" doc:"To be shown to the class; case, blanks and hyphens do not matter"`
		CreatedAt time.Time `json:"created_at"`
	}
}

func joinCodeForm(jc *store.JoinCode) *joinCodeOut {
	out := &joinCodeOut{}
	half := len(jc.Code) / 2
	out.Body.Code, out.Body.CreatedAt = jc.Code[:half]+"-"+jc.Code[half:], instant(jc.CreatedAt)
	return out
}

func (s *Server) joinCode(ctx context.Context, actor *app.Actor, in *oneID) (*joinCodeOut, error) {
	jc, err := s.app.JoinCode(ctx, actor, in.ID.String())
	if err != nil {
		return nil, err
	}
	return joinCodeForm(jc), nil
}

func (s *Server) setJoinCode(ctx context.Context, actor *app.Actor, in *oneID) (*joinCodeOut, error) {
	jc, err := s.app.SetJoinCode(ctx, actor, in.ID.String())
	if err != nil {
		return nil, err
	}
	return joinCodeForm(jc), nil
}

func (s *Server) deleteJoinCode(ctx context.Context, actor *app.Actor, in *oneID) (*empty, error) {
	return &empty{}, s.app.DeleteJoinCode(ctx, actor, in.ID.String())
}

type joinIn struct {
	Body struct {
		Code string `json:"code"`
	}
}

func (s *Server) joinCourse(ctx context.Context, actor *app.Actor, in *joinIn) (*oneOut[courseOut], error) {
	return oneCourse(s.app.JoinCourse(ctx, actor, in.Body.Code))
}

// InvitationOut is an invitation for those who manage it.
type InvitationOut struct {
	ID        string    `json:"id" format:"uuid"`
	CourseID  string    `json:"course_id" format:"uuid"`
	CreatedBy string    `json:"created_by" format:"uuid"`
	Role      string    `json:"role" enum:"student,ta,teacher"`
	MaxUses   int       `json:"max_uses"`
	Uses      int       `json:"uses"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

func invitationForm(ci *store.Invitation) InvitationOut {
	return InvitationOut{ID: ci.ID, CourseID: ci.CourseID, CreatedBy: ci.CreatedBy, Role: ci.Role, MaxUses: ci.MaxUses, Uses: ci.Uses,
		CreatedAt: instant(ci.CreatedAt), ExpiresAt: instant(ci.ExpiresAt)}
}

type newInvitationOut struct {
	Body struct {
		InvitationOut
		Token string `json:"token" doc:"Shown this once; POST /courses/accept-invitation takes it"`
	}
}

type inviteIn struct {
	CourseID id `path:"course_id"`
	Body     struct {
		Role           string   `json:"role,omitempty" doc:"student, ta or teacher; student when left out"`
		ExpiresInHours opt[int] `json:"expires_in_hours,omitempty" doc:"1 to 8760; a week when left out"`
		MaxUses        opt[int] `json:"max_uses,omitempty" doc:"1 to 1000; one person when left out"`
	}
}

func (s *Server) invite(ctx context.Context, actor *app.Actor, in *inviteIn) (*newInvitationOut, error) {
	hours, uses := 7*24, 1
	if o := in.Body.ExpiresInHours; o.Sent && !o.Null {
		// Limit the hours: more than a duration can hold would wrap around to some other
		// number.
		hours = min(max(o.Value, 0), 1_000_000)
	}
	if o := in.Body.MaxUses; o.Sent && !o.Null {
		uses = o.Value
	}
	ci, token, err := s.app.Invite(ctx, actor, in.CourseID.String(), app.NewInvitation{Role: in.Body.Role,
		Life: time.Duration(hours) * time.Hour, MaxUses: uses})
	if err != nil {
		return nil, err
	}
	out := &newInvitationOut{}
	out.Body.InvitationOut, out.Body.Token = invitationForm(ci), token
	return out, nil
}

func (s *Server) invitations(ctx context.Context, actor *app.Actor, in *pageOf) (*pageOut[InvitationOut], error) {
	rows, err := few(ctx, s, in.Limit, func() ([]store.Invitation, error) {
		return s.app.Invitations(ctx, actor, in.ID.String(), in.page())
	})
	if err != nil {
		return nil, err
	}
	return paged(ctx, s, rows, invitationForm, skipping[store.Invitation](in.PageIn))
}

func (s *Server) deleteInvitation(ctx context.Context, actor *app.Actor, in *twoIDs) (*empty, error) {
	return &empty{}, s.app.DeleteInvitation(ctx, actor, in.First.String(), in.Second.String())
}

type acceptIn struct {
	Body struct {
		Token string `json:"token"`
	}
}

func (s *Server) acceptInvitation(ctx context.Context, actor *app.Actor, in *acceptIn) (*oneOut[courseOut], error) {
	return oneCourse(s.app.AcceptInvitation(ctx, actor, in.Body.Token))
}

type transferIn struct {
	CourseID id `path:"course_id"`
	Body     struct {
		UserID id `json:"user_id" doc:"An active teacher of the course, or anybody active who may have courses"`
	}
}

func (s *Server) transferCourse(ctx context.Context, actor *app.Actor, in *transferIn) (*oneOut[courseOut], error) {
	return oneCourse(s.app.TransferCourse(ctx, actor, in.CourseID.String(), in.Body.UserID.String()))
}
