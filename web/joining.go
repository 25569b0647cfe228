package web

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

type joinCodeOut struct {
	Body struct {
		Code          string    `json:"code" doc:"Case and hyphens do not matter"`
		CreatedAt     time.Time `json:"created_at"`
		Open          bool      `json:"open"`
		MakesAccounts bool      `json:"makes_accounts" doc:"Lets in people without an account"`
		Addresses     []string  `json:"addresses"`
	}
}

func (s *Server) joinCodeForm(jc *store.JoinCode) *joinCodeOut {
	out := &joinCodeOut{}
	half := len(jc.Code) / 2
	out.Body.Code, out.Body.CreatedAt = jc.Code[:half]+"-"+jc.Code[half:], instant(jc.CreatedAt)
	out.Body.Open, out.Body.MakesAccounts = jc.ClosedAt.IsZero(), jc.MakesAccounts
	// Whoever shows the code says where it is typed in.
	out.Body.Addresses = s.forOthers()
	return out
}

func (s *Server) joinCode(ctx context.Context, actor *app.Actor, in *oneID) (*joinCodeOut, error) {
	jc, err := s.app.JoinCode(ctx, actor, in.ID.String())
	if err != nil {
		return nil, err
	}
	return s.joinCodeForm(jc), nil
}

func (s *Server) setJoinCode(ctx context.Context, actor *app.Actor, in *oneID) (*joinCodeOut, error) {
	jc, err := s.app.SetJoinCode(ctx, actor, in.ID.String())
	if err != nil {
		return nil, err
	}
	return s.joinCodeForm(jc), nil
}

func (s *Server) deleteJoinCode(ctx context.Context, actor *app.Actor, in *oneID) (*empty, error) {
	return &empty{}, s.app.DeleteJoinCode(ctx, actor, in.ID.String())
}

type updateJoinCodeIn struct {
	CourseID id `path:"course_id"`
	Body     struct {
		Open          opt[bool] `json:"open,omitempty"`
		MakesAccounts opt[bool] `json:"makes_accounts,omitempty"`
	}
}

func (s *Server) updateJoinCode(ctx context.Context, actor *app.Actor, in *updateJoinCodeIn) (*joinCodeOut, error) {
	jc, err := s.app.UpdateJoinCode(ctx, actor, in.CourseID.String(), app.JoinCodeChanges{Open: in.Body.Open.Opt, MakesAccounts: in.Body.MakesAccounts.Opt})
	if err != nil {
		return nil, err
	}
	return s.joinCodeForm(jc), nil
}

// NewcomerIn is the account that somebody makes on the way into a course.
type NewcomerIn struct {
	FullName string      `json:"full_name"`
	Username *string     `json:"username,omitempty" doc:"Without it made from the name"`
	Password secret.Text `json:"password"`
	ClientID *id         `json:"client_id,omitempty" doc:"Made by you; sent again with the same password, it finds the account"`
}

type joinIn struct {
	Body struct {
		Code    string      `json:"code,omitempty"`
		Token   string      `json:"token,omitempty" doc:"Of an invitation link"`
		Account *NewcomerIn `json:"account,omitempty" doc:"Without a session: the account to make"`
	}
}

// CourseOut is courseOut by a name that other answers embed: huma ignores unexported ones.
type CourseOut = courseOut

// joinedOut is a course into which somebody came, with the cookies of a new account.
type joinedOut struct {
	SetCookie []http.Cookie `header:"Set-Cookie"`
	Body      struct {
		CourseOut
		User *userOut `json:"user,omitempty" doc:"The new account"`
	}
}

func joined(c *store.Course) *joinedOut {
	out := &joinedOut{}
	out.Body.CourseOut = courseForm(c)
	return out
}

// Resolve refuses a body with both ways in, or with none.
func (in *joinIn) Resolve(huma.Context) []error {
	if (in.Body.Code == "") == (in.Body.Token == "") {
		return []error{&huma.ErrorDetail{Location: "body.code", Message: "send either code or token"}}
	}
	return nil
}

func (s *Server) joinCourse(ctx context.Context, actor *app.Actor, in *joinIn) (*joinedOut, error) {
	b := in.Body
	if actor == nil && b.Account != nil {
		return s.joinAsNewcomer(ctx, in)
	}
	if actor != nil && b.Account != nil {
		return nil, &app.Error{Kind: app.KindConflict, Code: wording.SignedIn, Message: "You are signed in. Leave account out to join as yourself, or sign out first."}
	}
	var c *store.Course
	var err error
	if b.Token != "" {
		c, err = s.app.AcceptInvitation(ctx, actor, b.Token)
	} else {
		c, err = s.app.JoinCourse(ctx, actor, b.Code)
	}
	if err != nil {
		return nil, err
	}
	return joined(c), nil
}

func (s *Server) joinAsNewcomer(ctx context.Context, in *joinIn) (*joinedOut, error) {
	ctx, cancel := context.WithTimeout(ctx, signInTimeout)
	defer cancel()
	b, client := in.Body, requestOf(ctx).client
	who := app.Newcomer{Code: b.Code, Token: b.Token, FullName: b.Account.FullName, Username: b.Account.Username, Password: b.Account.Password}
	if b.Account.ClientID != nil {
		who.ClientID = b.Account.ClientID.String()
	}
	arrived, err := s.app.JoinAsNewcomer(ctx, who, client)
	if err != nil {
		return nil, err
	}
	signed, err := s.signedIn(ctx, arrived.Tokens, client.Note)
	if err != nil {
		return nil, err
	}
	out, u := joined(arrived.Course), userForm(arrived.User)
	out.SetCookie, out.Body.User = signed.SetCookie, &u
	return out, nil
}

type arrivalsIn struct {
	CourseID    id     `path:"course_id"`
	AccountMade bool   `query:"account_made" doc:"Only those whose account was made on the way"`
	CameWith    string `query:"came_with" maxLength:"64" doc:"A code, or the id of an invitation"`
	PageIn
}

// Resolve checks the flag.
func (in *arrivalsIn) Resolve(ctx huma.Context) []error { return flagged(ctx, "account_made") }

// ArrivalOut is somebody who came into a course with a code or an invitation.
type ArrivalOut struct {
	UserID      string    `json:"user_id" format:"uuid"`
	Name        string    `json:"name"`
	Username    *string   `json:"username"`
	Role        string    `json:"role" enum:"student,ta,teacher"`
	CameBy      string    `json:"came_by" enum:"code,invitation"`
	CameWith    string    `json:"came_with" doc:"The code, or the id of the invitation"`
	AccountMade bool      `json:"account_made"`
	JoinedAt    time.Time `json:"joined_at"`
}

func arrivalForm(m *store.CourseMember) ArrivalOut {
	return ArrivalOut{UserID: m.UserID, Name: m.User.Name(), Username: m.User.Username, Role: m.Role, CameBy: m.CameBy, CameWith: m.CameWith,
		AccountMade: m.AccountMade, JoinedAt: instant(m.CreatedAt)}
}

func (s *Server) arrivals(ctx context.Context, actor *app.Actor, in *arrivalsIn) (*pageOut[ArrivalOut], error) {
	rows, err := few(ctx, s, in.Limit, func() ([]store.CourseMember, error) {
		return s.app.Arrivals(ctx, actor, store.Arrivals{CourseID: in.CourseID.String(), Made: in.AccountMade, With: in.CameWith}, in.page())
	})
	if err != nil {
		return nil, err
	}
	return paged(ctx, s, rows, arrivalForm, skipping[store.CourseMember](in.PageIn))
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
		Token string `json:"token"`
	}
}

type inviteIn struct {
	CourseID id `path:"course_id"`
	Body     struct {
		Role           string   `json:"role,omitempty" doc:"Without it student"`
		ExpiresInHours opt[int] `json:"expires_in_hours,omitempty" doc:"Without it a week"`
		MaxUses        opt[int] `json:"max_uses,omitempty" doc:"Without it 1"`
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
		UserID id `json:"user_id" doc:"A teacher of the course, or who may have courses"`
	}
}

func (s *Server) transferCourse(ctx context.Context, actor *app.Actor, in *transferIn) (*oneOut[courseOut], error) {
	return oneCourse(s.app.TransferCourse(ctx, actor, in.CourseID.String(), in.Body.UserID.String()))
}
