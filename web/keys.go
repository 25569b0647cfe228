package web

import (
	"context"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/store"
)

// userKeyOut is a person's key for a model provider; of the key itself it has
// the mask alone.
type userKeyOut struct {
	ID          string    `json:"id" format:"uuid"`
	UserID      string    `json:"user_id" format:"uuid"`
	Provider    string    `json:"provider"`
	Alias       string    `json:"alias"`
	Description *string   `json:"description"`
	MaskedKey   string    `json:"masked_key"`
	CreatedAt   time.Time `json:"created_at"`
	UpdatedAt   time.Time `json:"updated_at"`
}

func (s *Server) userKeyForm(k *store.UserKey) userKeyOut {
	return userKeyOut{ID: k.ID, UserID: k.UserID, Provider: k.Provider, Alias: k.Alias, Description: k.Description,
		MaskedKey: s.app.MaskToken(k.EncryptedKey), CreatedAt: instant(k.CreatedAt), UpdatedAt: instant(k.UpdatedAt)}
}

type (
	userKeysOut   struct{ Body []userKeyOut }
	oneUserKeyOut struct{ Body userKeyOut }
)

func (s *Server) userKeys(ctx context.Context, actor *app.Actor, _ *empty) (*userKeysOut, error) {
	rows, err := s.app.UserKeys(ctx, actor)
	if err != nil {
		return nil, err
	}
	return &userKeysOut{listOf(rows, s.userKeyForm)}, nil
}

type createUserKeyIn struct {
	Body struct {
		Provider    string     `json:"provider" doc:"The provider it is for, such as openai or gemini"`
		Alias       string     `json:"alias" doc:"Your own name for it"`
		APIKey      app.Secret `json:"api_key"`
		Description *string    `json:"description,omitempty"`
	}
}

func (s *Server) createUserKey(ctx context.Context, actor *app.Actor, in *createUserKeyIn) (*oneUserKeyOut, error) {
	k, err := s.app.CreateUserKey(ctx, actor, app.NewUserKey{Provider: in.Body.Provider, Alias: in.Body.Alias,
		Key: in.Body.APIKey, Description: in.Body.Description})
	if err != nil {
		return nil, err
	}
	return &oneUserKeyOut{s.userKeyForm(k)}, nil
}

type userKeyIn struct {
	KeyID id `path:"key_id"`
}

func (s *Server) deleteUserKey(ctx context.Context, actor *app.Actor, in *userKeyIn) (*empty, error) {
	return nil, s.app.DeleteUserKey(ctx, actor, in.KeyID.String())
}

type agentKeysOut struct {
	Body map[string]string `doc:"The mask of each key by its type"`
}

func (s *Server) agentKeys(ctx context.Context, actor *app.Actor, in *idIn) (*agentKeysOut, error) {
	keys, err := s.app.AgentKeys(ctx, actor, in.ID.String())
	if err != nil {
		return nil, err
	}
	return &agentKeysOut{keys}, nil
}

type setAgentKeysIn struct {
	ID   id                     `path:"id"`
	Body map[string]*app.Secret `doc:"Keys by type: room_key, global_key, backup_key; null or empty deletes"`
}

func (s *Server) setAgentKeys(ctx context.Context, actor *app.Actor, in *setAgentKeysIn) (*oneAgentOut, error) {
	ag, err := s.app.SetAgentKeys(ctx, actor, in.ID.String(), in.Body)
	if err != nil {
		return nil, err
	}
	return &oneAgentOut{s.agentForm(ag)}, nil
}

func (s *Server) clearAgentKey(ctx context.Context, actor *app.Actor, in *idIn) (*empty, error) {
	return nil, s.app.ClearAgentKey(ctx, actor, in.ID.String())
}
