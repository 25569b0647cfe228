package web

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/a2a"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
)

type peerKey struct{}

const (
	headerAgentID    = "X-Agent-ID"
	headerAgentToken = "X-Agent-Token"
)

// fromPeer lets agents outside this program in, by their ids and tokens.
func (s *Server) fromPeer(ctx huma.Context, next func(huma.Context)) {
	ag, err := s.app.OutsideAgent(ctx.Context(), ctx.Header(headerAgentID), secret.Text(ctx.Header(headerAgentToken)))
	if err != nil {
		s.fail(ctx, err)
		return
	}
	next(huma.WithValue(ctx, peerKey{}, ag))
}

// anyJSON is any JSON value of a client.
type anyJSON json.RawMessage

// UnmarshalJSON keeps the text.
func (j *anyJSON) UnmarshalJSON(text []byte) error {
	*j = slices.Clone(text)
	return nil
}

// Schema allows everything.
func (anyJSON) Schema(huma.Registry) *huma.Schema { return &huma.Schema{} }

type a2aWebhookIn struct {
	AgentID    string `header:"X-Agent-ID" doc:"The agent's id"`
	AgentToken string `header:"X-Agent-Token" doc:"Its callback_token"`
	Body       struct {
		ID            opt[string]       `json:"id,omitempty" doc:"Your id for it, up to 200 characters: sent again, it is stored once"`
		Type          string            `json:"type,omitempty" default:"broadcast"`
		SenderID      string            `json:"sender_id" doc:"Not used: the token names the author"`
		RecipientID   string            `json:"recipient_id,omitempty" default:"broadcast" doc:"broadcast, or the id of an agent to call"`
		Content       anyJSON           `json:"content" doc:"A text, an object with it as content, draft, text or message, or any JSON"`
		CorrelationID opt[string]       `json:"correlation_id,omitempty" doc:"The id of the message that this one answers"`
		Metadata      opt[outsideWhere] `json:"metadata,omitempty"`
	}
}

// outsideWhere is the only part of metadata that this program reads.
type outsideWhere struct {
	RoomID anyJSON `json:"room_id,omitempty" doc:"Not needed with a correlation_id"`
}

type a2aWebhookOut struct {
	Body struct {
		Success    bool    `json:"success" doc:"Always true"`
		MessageID  string  `json:"message_id" format:"uuid" doc:"Of the message in the room, or the question"`
		Dispatched bool    `json:"dispatched" doc:"It is stored, or has answered"`
		Error      *string `json:"error" doc:"Why it is not"`
	}
}

func (s *Server) a2aWebhook(ctx context.Context, _ *fiber.Ctx, in *a2aWebhookIn) (*a2aWebhookOut, error) {
	ag, _ := ctx.Value(peerKey{}).(*store.Agent)
	b := &in.Body
	got, err := s.app.TakeOutside(ctx, ag, app.OutsideMessage{ID: b.ID.Value, Type: b.Type, To: b.RecipientID,
		CorrelationID: b.CorrelationID.Value, Content: json.RawMessage(b.Content), RoomID: a2a.Text(json.RawMessage(b.Metadata.Value.RoomID))})
	if err != nil {
		return nil, err
	}
	out := new(a2aWebhookOut)
	out.Body.Success, out.Body.MessageID, out.Body.Dispatched, out.Body.Error = true, got.MessageID, got.Dispatched, nullable(got.Problem)
	return out, nil
}
