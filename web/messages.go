package web

import (
	"context"
	"net/http"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/store"
)

// lineOut is one message of a room's history.
type lineOut struct {
	ID        string     `json:"id" format:"uuid"`
	Seq       int64      `json:"seq" doc:"The next page is before=<the first seq>"`
	Sender    string     `json:"sender" doc:"A name, or a kind of agent such as Teacher AI"`
	SenderID  *string    `json:"sender_id" format:"uuid"`
	Kind      string     `json:"sender_kind,omitempty" enum:"bot" doc:"Absent for people and agents"`
	Content   string     `json:"content"`
	AgentType *string    `json:"agent_type"`
	AgentID   *string    `json:"agent_id" format:"uuid"`
	AgentName *string    `json:"agent_name"`
	TurnID    *string    `json:"turn_id" format:"uuid"`
	CreatedAt time.Time  `json:"created_at"`
	State     string     `json:"state" enum:"shown,deleted,hidden" doc:"deleted by its author or hidden by staff: then content is neutral, but for staff"`
	EditedAt  *time.Time `json:"edited_at"`
	Stopped   bool       `json:"stopped" doc:"Stopped in the middle"`
	Truncated bool       `json:"truncated" doc:"Cut before its end"`

	Mentions []event.Mention `json:"mentions,omitempty" nullable:"false" doc:"Whom it calls; absent: nobody"`
	Files    []event.File    `json:"files,omitempty" nullable:"false" doc:"Absent without any"`

	ReplyTo *event.ReplyTo `json:"reply_to,omitempty" nullable:"false" doc:"Of a reply: what it hangs under"`
	Replies *repliesOut    `json:"replies,omitempty" nullable:"false" doc:"Absent without any"`

	Reactions []reactionOut `json:"reactions,omitempty" nullable:"false" doc:"Absent without any"`
}

// repliesOut are the replies to a message, without those that are deleted or hidden.
type repliesOut struct {
	Count    int             `json:"count" minimum:"1"`
	LastSeq  int64           `json:"last_seq"`
	LastAt   time.Time       `json:"last_at"`
	Repliers []store.Replier `json:"repliers" nullable:"false" doc:"The latest first, 3 at most"`
}

func repliesForm(m *store.Message) *repliesOut {
	if m.ReplyCount == 0 {
		return nil
	}
	return &repliesOut{m.ReplyCount, m.LastReplySeq, instant(m.LastReplyAt), append([]store.Replier{}, store.RepliersOf(m)...)}
}

func messageForm(m *store.Message) lineOut {
	return lineOut{State: m.State(), EditedAt: since(m.EditedAt), Stopped: !m.StoppedAt.IsZero(), Truncated: m.Truncated, ID: m.ID, Seq: m.Seq, Sender: event.HistorySender(m), SenderID: nullable(m.SenderID), Kind: event.SenderKind(m), Content: m.Content,
		AgentType: nullable(m.AgentType), AgentID: nullable(m.AgentID), AgentName: nullable(m.AgentName),
		TurnID: nullable(m.TurnID), CreatedAt: instant(m.CreatedAt), Mentions: event.MentionsOf(m),
		ReplyTo: event.ReplyToOf(m), Replies: repliesForm(m), Files: event.FilesOf(m), Reactions: reactionsForm(m)}
}

// nullable returns nil for an empty text.
func nullable(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// since returns nil for the zero time.
func since(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	at := instant(t)
	return &at
}

type historyIn struct {
	RoomID id    `path:"room_id"`
	Before int64 `query:"before" minimum:"0" doc:"Only messages with a smaller seq"`
	Limit  int   `query:"limit" minimum:"1" maximum:"1000" doc:"The newest so many; 1000 when left out"`
}

func (s *Server) history(ctx context.Context, actor *app.Actor, in *historyIn) (*listOut[lineOut], error) {
	rows, err := s.app.History(ctx, actor, in.RoomID.String(), in.Before, in.Limit)
	if err != nil {
		return nil, err
	}
	return whole(ctx, s, rows, messageForm)
}

type messagePageIn struct {
	RoomID id     `path:"room_id"`
	Before int64  `query:"before" minimum:"0" doc:"Only messages with a smaller seq"`
	After  int64  `query:"after" minimum:"0" doc:"Only those with a larger seq, the oldest first"`
	Around string `query:"around" maxLength:"64" doc:"A seq, the id of a message, or a time such as 2026-03-02T08:15:00Z"`
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

type messagePageOut struct {
	At         int64     `json:"at,omitempty" doc:"With around: the seq of the message there"`
	MoreBefore bool      `json:"more_before" doc:"Go on with before=<the first seq>"`
	MoreAfter  bool      `json:"more_after" doc:"Go on with after=<the last seq>"`
	Messages   []lineOut `json:"messages" doc:"Oldest first, about 1 MiB at most"`
}

type messagesOut struct{ Body around[messagePageOut] }

func (s *Server) messagePage(ctx context.Context, actor *app.Actor, in *messagePageIn) (*messagesOut, error) {
	q := app.HistoryQuery{Before: in.Before, Around: in.Around, Limit: in.Limit}
	if in.After > 0 || requestOf(ctx).asks("after") { // 0 is not the same as nothing
		q.After = &in.After
	}
	p, err := s.app.HistoryPage(ctx, actor, in.RoomID.String(), q)
	if err != nil {
		return nil, err
	}
	body, err := enclosed(ctx, s, messagePageOut{p.At, p.MoreBefore, p.MoreAfter, []lineOut{}}, p.Messages, messageForm)
	return &messagesOut{body}, err
}

type postMessageIn struct {
	RoomID id `path:"room_id"`
	Body   struct {
		Text     string  `json:"text"`
		ClientID *string `json:"client_id,omitempty" doc:"Your name for the message: sent again, it is stored once"`

		ReplyTo  *id               `json:"reply_to,omitempty" doc:"A message; a reply to a reply hangs under the same"`
		Mentions []event.MentionID `json:"mentions,omitempty" maxItems:"50" nullable:"false" doc:"Who is meant, where several have the name behind an @"`
		Files    []string          `json:"files,omitempty" maxItems:"50" nullable:"false" doc:"Ids of your uploads; with one the text may be empty"`
	}
}

type postedOut struct {
	Status int
	Body   struct {
		ID        string    `json:"id" format:"uuid"`
		Seq       int64     `json:"seq"`
		RoomID    string    `json:"room_id" format:"uuid"`
		ClientID  *string   `json:"client_id"`
		Content   string    `json:"content"`
		Sender    string    `json:"sender"`
		SenderID  string    `json:"sender_id" format:"uuid"`
		CreatedAt time.Time `json:"created_at"`

		Files     []event.File    `json:"files,omitempty" nullable:"false"`
		ReplyTo   *event.ReplyTo  `json:"reply_to,omitempty" nullable:"false" doc:"Of a reply: what it hangs under"`
		Mentions  []event.Mention `json:"mentions,omitempty" nullable:"false" doc:"Whom it calls"`
		NotCalled []event.Mention `json:"not_called,omitempty" nullable:"false" doc:"Named but not called: everyone, if you are not staff; who is not in the text or room; all above 50"`
	}
}

func (s *Server) postMessage(ctx context.Context, actor *app.Actor, in *postMessageIn) (*postedOut, error) {
	clientID := ""
	if in.Body.ClientID != nil {
		clientID = *in.Body.ClientID
	}
	with := app.PostWith{Mentions: in.Body.Mentions, Files: in.Body.Files}
	if in.Body.ReplyTo != nil {
		with.ReplyTo = in.Body.ReplyTo.String()
	}
	posted, err := s.app.PostMessage(ctx, actor, in.RoomID.String(), in.Body.Text, clientID, with)
	if err != nil {
		return nil, err
	}
	m, out := posted.Message, &postedOut{Status: http.StatusCreated}
	if posted.Dup {
		out.Status = http.StatusOK
	}
	b := &out.Body
	b.ID, b.Seq, b.RoomID, b.ClientID, b.Content = m.ID, m.Seq, m.RoomID, nullable(m.ClientID), m.Content
	b.Sender, b.SenderID, b.CreatedAt = event.SenderName(m), m.SenderID, instant(m.CreatedAt)
	b.ReplyTo, b.Mentions, b.NotCalled, b.Files = event.ReplyToOf(m), event.MentionsOf(m), posted.NotCalled, event.FilesOf(m)
	return out, nil
}
