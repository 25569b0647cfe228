package web

import (
	"context"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/model"
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
	Shared      bool      `json:"shared" doc:"Others' agents in the caller's projects use it when they have no other"`
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
		Provider    string      `json:"provider"`
		Alias       string      `json:"alias" doc:"Unique among your keys"`
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
		Shared bool `json:"shared" doc:"Let others' agents in the caller's projects use it when they have no other"`
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
	Calls       int64     `json:"calls"`
	FirstUsedAt time.Time `json:"first_used_at"`
	LastUsedAt  time.Time `json:"last_used_at"`
}

func (s *Server) userKeyUses(ctx context.Context, actor *app.Actor, in *pageOf) (*pageOut[keyUseOut], error) {
	rows, err := few(ctx, s, in.Limit, func() ([]store.KeyUse, error) { return s.app.UserKeyUses(ctx, actor, in.ID.String(), in.page()) })
	if err != nil {
		return nil, err
	}
	return paged(ctx, s, rows, func(u *store.KeyUse) keyUseOut {
		return keyUseOut{AgentID: u.AgentID, AgentName: u.AgentName, ProjectID: nullable(u.ProjectID), ProjectName: nullable(u.ProjectName),
			Calls: u.Calls, FirstUsedAt: instant(u.FirstUsedAt), LastUsedAt: instant(u.LastUsedAt)}
	}, skipping[store.KeyUse](in.PageIn))
}

// keyTestOut is whether a model answers with a key.
type keyTestOut struct {
	OK        bool    `json:"ok"`
	Provider  string  `json:"provider"`
	Model     *string `json:"model"`
	LatencyMS float64 `json:"latency_ms" doc:"0: no call was made"`
	Reason    *string `json:"reason" doc:"Such as bad_key, quota, limited, unknown_model, unavailable, timeout" example:"bad_key"`
	Detail    string  `json:"detail"`
}

func keyTestForm(ctx context.Context, t model.KeyTest) keyTestOut {
	return keyTestOut{OK: t.OK, Provider: t.Provider, Model: nullable(t.Model), LatencyMS: float64(t.Latency.Microseconds()) / 1000,
		Reason: nullable(t.Reason), Detail: worded(ctx, t.Detail)}
}

func oneKeyTest(ctx context.Context) func(t model.KeyTest, err error) (*oneOut[keyTestOut], error) {
	return func(t model.KeyTest, err error) (*oneOut[keyTestOut], error) {
		return formed(&t, err, func(t *model.KeyTest) keyTestOut { return keyTestForm(ctx, *t) })
	}
}

type testKeyIn struct {
	Body struct {
		Provider string      `json:"provider"`
		APIKey   secret.Text `json:"api_key" doc:"Not stored"`
		Model    opt[string] `json:"model,omitempty" doc:"Without it the provider's default"`
	}
}

func (s *Server) testKey(ctx context.Context, actor *app.Actor, in *testKeyIn) (*oneOut[keyTestOut], error) {
	return oneKeyTest(ctx)(s.app.TestNewKey(ctx, actor, app.KeyToTest{Provider: in.Body.Provider, Key: in.Body.APIKey, Model: in.Body.Model.Value}))
}

func (s *Server) testUserKey(ctx context.Context, actor *app.Actor, in *oneID) (*oneOut[keyTestOut], error) {
	return oneKeyTest(ctx)(s.app.TestUserKey(ctx, actor, in.ID.String()))
}

type agentKeyTestsOut struct {
	Body map[string]keyTestOut `doc:"By key: api_key, room_key, global_key, backup_key, as the agent has them"`
}

func (s *Server) testAgentKeys(ctx context.Context, actor *app.Actor, in *oneID) (*agentKeyTestsOut, error) {
	tests, err := s.app.TestAgentKeys(ctx, actor, in.ID.String())
	if err != nil {
		return nil, err
	}
	out := &agentKeyTestsOut{map[string]keyTestOut{}}
	for kind, t := range tests {
		out.Body[kind] = keyTestForm(ctx, t)
	}
	return out, nil
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
