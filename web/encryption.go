package web

import (
	"context"
	"net/http"
	"time"

	"github.com/coagent-studio/coagent/app"
)

func (s *Server) encryptionRoutes() {
	const tag = "Administration"
	add(s, get, v1+"/admin/keys", "getEncryption", s.encryption,
		route{tag: tag, summary: "Show with which keys stored secrets are encrypted, and the last rotation",
			description: "For super admins.",
			role:        app.ActRotateKeys})
	add(s, post, v1+"/admin/keys/rotation", "rotateKeys", s.rotateKeys,
		route{tag: tag, summary: "Encrypt all stored secrets anew with the first key",
			description: "For super admins. A job does it.",
			role:        app.ActRotateKeys, status: http.StatusAccepted, errors: []int{conflict}})
}

type keyColumnOut struct {
	Holds         string   `json:"holds"`
	Total         int      `json:"total"`
	Current       int      `json:"current" doc:"By the first key"`
	Older         int      `json:"older" doc:"To be rotated"`
	Unreadable    int      `json:"unreadable" doc:"By no key"`
	UnreadableIDs []string `json:"unreadable_ids" doc:"The first 1000"`
}

type rotationOut struct {
	State      string     `json:"state" enum:"queued,running,done,failed"`
	Reason     string     `json:"reason,omitempty"`
	Done       int        `json:"done"`
	Total      int        `json:"total"`
	Rewritten  int        `json:"rewritten"`
	Unreadable int        `json:"unreadable"`
	StartedAt  time.Time  `json:"started_at"`
	EndedAt    *time.Time `json:"ended_at,omitempty"`
}

type encryptionOut struct {
	Keys       int            `json:"keys" doc:"That are configured"`
	Older      int            `json:"older"`
	Unreadable int            `json:"unreadable"`
	Columns    []keyColumnOut `json:"columns"`
	Rotation   *rotationOut   `json:"rotation,omitempty"`
}

func rotationForm(ctx context.Context, r *app.KeyRotation) rotationOut {
	out := rotationOut{State: r.State, Reason: worded(ctx, r.Reason), Done: r.Done, Total: r.Total, Rewritten: r.Rewritten, Unreadable: r.Unreadable,
		StartedAt: instant(r.StartedAt)}
	if r.EndedAt != nil {
		at := instant(*r.EndedAt)
		out.EndedAt = &at
	}
	return out
}

func (s *Server) encryption(ctx context.Context, actor *app.Actor, _ *empty) (*oneOut[encryptionOut], error) {
	report, last, err := s.app.EncryptionKeys(ctx, actor)
	if err != nil {
		return nil, err
	}
	out := &oneOut[encryptionOut]{Body: encryptionOut{Keys: report.Keys, Older: report.Older(), Unreadable: report.Unreadable()}}
	for _, c := range report.Columns {
		out.Body.Columns = append(out.Body.Columns, keyColumnOut{Holds: c.Holds, Total: c.Total, Current: c.ByKey[0], Older: c.Older(),
			Unreadable: c.Unreadable, UnreadableIDs: c.UnreadableIDs})
	}
	if last != nil {
		r := rotationForm(ctx, last)
		out.Body.Rotation = &r
	}
	return out, nil
}

func (s *Server) rotateKeys(ctx context.Context, actor *app.Actor, _ *empty) (*oneOut[rotationOut], error) {
	r, err := s.app.RotateKeys(ctx, actor)
	return formed(r, err, func(r *app.KeyRotation) rotationOut { return rotationForm(ctx, r) })
}
