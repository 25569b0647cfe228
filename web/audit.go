package web

import (
	"context"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/store"
)

type auditIn struct {
	AuditFilterIn
	Before id  `query:"before" doc:"Only those before the one with this id"`
	Limit  int `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

// AuditFilterIn narrows the audit log. It is exported, like every struct that requests
// embed: huma ignores others.
type AuditFilterIn struct {
	ActorID    string    `query:"actor_id" doc:"Who sat at the keyboard; operator for the machine itself"`
	OnBehalfOf string    `query:"on_behalf_of" doc:"Whom the actor impersonated"`
	Action     string    `query:"action" example:"user.create"`
	TargetType string    `query:"target_type" example:"user"`
	TargetID   string    `query:"target_id"`
	Since      time.Time `query:"since" doc:"From this instant on"`
	Until      time.Time `query:"until" doc:"Before this instant"`
}

func (in *AuditFilterIn) filter() app.AuditFilter {
	return app.AuditFilter{ActorID: in.ActorID, OnBehalfOf: in.OnBehalfOf, Action: in.Action, TargetType: in.TargetType, TargetID: in.TargetID,
		Since: in.Since, Until: in.Until}
}

// auditOut is one change that somebody made.
type auditOut struct {
	ID         string     `json:"id" format:"uuid"`
	CreatedAt  time.Time  `json:"created_at"`
	ActorID    string     `json:"actor_id"`
	ActorName  string     `json:"actor_name" doc:"Their e-mail then"`
	OnBehalfOf *string    `json:"on_behalf_of" doc:"Whom the actor impersonated"`
	Action     string     `json:"action"`
	TargetType string     `json:"target_type"`
	TargetID   string     `json:"target_id"`
	Before     jsonObject `json:"before" doc:"What changed; null: new"`
	After      jsonObject `json:"after" doc:"null: deleted"`
	RequestID  *string    `json:"request_id"`
}

func auditForm(e *store.AuditEntry) auditOut {
	return auditOut{ID: e.ID, CreatedAt: instant(e.CreatedAt), ActorID: e.ActorID, ActorName: e.ActorName, OnBehalfOf: textOrNil(e.OnBehalfOf),
		Action: e.Action, TargetType: e.TargetType, TargetID: e.TargetID, Before: jsonObject(e.Before), After: jsonObject(e.After),
		RequestID: textOrNil(e.RequestID)}
}

// textOrNil returns nil for an empty text, which is sent as null.
func textOrNil(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func (s *Server) auditLog(ctx context.Context, actor *app.Actor, in *auditIn) (*pageOut[auditOut], error) {
	rows, err := s.app.AuditLog(ctx, actor, in.filter(), in.Before.String(), in.Limit)
	if err != nil {
		return nil, err
	}
	return paged(ctx, s, rows, auditForm, before(min(in.Limit, app.MaxAuditPage), func(e *store.AuditEntry) string { return e.ID }))
}
