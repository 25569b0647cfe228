package web

import (
	"context"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
)

// userKeyOut is a person's key for a model provider. It has the key's mask, never the
// key.
type userKeyOut struct {
	ID          string    `json:"id" format:"uuid"`
	UserID      string    `json:"user_id" format:"uuid"`
	Provider    string    `json:"provider"`
	Alias       string    `json:"alias"`
	Description *string   `json:"description"`
	MaskedKey   string    `json:"masked_key"`
	Shared      bool      `json:"shared" doc:"Agents of the projects in which the caller is a member may use it when they have no other key"`
	CreatedAt   time.Time `json:"created_at"`
	UpdatedAt   time.Time `json:"updated_at"`
}

func (s *Server) userKeyForm(k *store.UserKey) userKeyOut {
	return userKeyOut{ID: k.ID, UserID: k.UserID, Provider: k.Provider, Alias: k.Alias, Description: k.Description,
		MaskedKey: s.app.MaskToken(k.EncryptedKey), Shared: k.Shared, CreatedAt: instant(k.CreatedAt), UpdatedAt: instant(k.UpdatedAt)}
}

func (s *Server) oneUserKey(k *store.UserKey, err error) (*oneOut[userKeyOut], error) {
	return formed(k, err, s.userKeyForm)
}

func (s *Server) userKeys(ctx context.Context, actor *app.Actor, _ *empty) (*listOut[userKeyOut], error) {
	rows, err := s.app.UserKeys(ctx, actor)
	if err != nil {
		return nil, err
	}
	return whole(ctx, s, rows, s.userKeyForm)
}

type createUserKeyIn struct {
	Body struct {
		Provider    string      `json:"provider" doc:"The provider it is for, such as openai or gemini"`
		Alias       string      `json:"alias" doc:"Your own name for it"`
		APIKey      secret.Text `json:"api_key"`
		Description *string     `json:"description,omitempty"`
	}
}

func (s *Server) createUserKey(ctx context.Context, actor *app.Actor, in *createUserKeyIn) (*oneOut[userKeyOut], error) {
	return s.oneUserKey(s.app.CreateUserKey(ctx, actor, app.NewUserKey{Provider: in.Body.Provider, Alias: in.Body.Alias,
		Key: in.Body.APIKey, Description: in.Body.Description}))
}

func (s *Server) deleteUserKey(ctx context.Context, actor *app.Actor, in *oneID) (*empty, error) {
	return nil, s.app.DeleteUserKey(ctx, actor, in.ID.String())
}

type shareUserKeyIn struct {
	KeyID id `path:"key_id"`
	Body  struct {
		Shared bool `json:"shared" doc:"Let agents that others made, in projects in which the caller is a member, use the key when they have no other"`
	}
}

func (s *Server) shareUserKey(ctx context.Context, actor *app.Actor, in *shareUserKeyIn) (*oneOut[userKeyOut], error) {
	return s.oneUserKey(s.app.ShareUserKey(ctx, actor, in.KeyID.String(), in.Body.Shared))
}

// keyUseOut is an agent that has used a person's key.
type keyUseOut struct {
	AgentID     string    `json:"agent_id" format:"uuid"`
	AgentName   string    `json:"agent_name"`
	ProjectID   *string   `json:"project_id" format:"uuid"`
	ProjectName *string   `json:"project_name"`
	Calls       int64     `json:"calls" doc:"Answers that were paid with the key"`
	FirstUsedAt time.Time `json:"first_used_at"`
	LastUsedAt  time.Time `json:"last_used_at"`
}

type userKeyUsesIn struct {
	KeyID id `path:"key_id"`
	PageIn
}

func (s *Server) userKeyUses(ctx context.Context, actor *app.Actor, in *userKeyUsesIn) (*pageOut[keyUseOut], error) {
	rows, err := few(ctx, s, in.Limit, func() ([]store.KeyUse, error) { return s.app.UserKeyUses(ctx, actor, in.KeyID.String(), in.page()) })
	if err != nil {
		return nil, err
	}
	return paged(ctx, s, rows, func(u *store.KeyUse) keyUseOut {
		return keyUseOut{AgentID: u.AgentID, AgentName: u.AgentName, ProjectID: nullable(u.ProjectID), ProjectName: nullable(u.ProjectName),
			Calls: u.Calls, FirstUsedAt: instant(u.FirstUsedAt), LastUsedAt: instant(u.LastUsedAt)}
	}, skipping[store.KeyUse](in.PageIn))
}

type agentKeysOut struct {
	Body map[string]string `doc:"The mask of each key by its type"`
}

func (s *Server) agentKeys(ctx context.Context, actor *app.Actor, in *oneID) (*agentKeysOut, error) {
	keys, err := s.app.AgentKeys(ctx, actor, in.ID.String())
	if err != nil {
		return nil, err
	}
	return &agentKeysOut{keys}, nil
}

type setAgentKeysIn struct {
	ID   id                      `path:"id"`
	Body map[string]*secret.Text `doc:"Keys by type: room_key, global_key, backup_key; null or empty deletes"`
}

func (s *Server) setAgentKeys(ctx context.Context, actor *app.Actor, in *setAgentKeysIn) (*oneOut[agentOut], error) {
	return s.oneAgent(s.app.SetAgentKeys(ctx, actor, in.ID.String(), in.Body))
}

func (s *Server) clearAgentKey(ctx context.Context, actor *app.Actor, in *oneID) (*empty, error) {
	return nil, s.app.ClearAgentKey(ctx, actor, in.ID.String())
}
