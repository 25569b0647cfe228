package event

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/coagent-studio/coagent/app/mention"
	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/store"
)

// The text that others read in place of a message, in every answer, frame and export.
const (
	deletedText = "(deleted)"
	hiddenText  = "(hidden by staff)"
)

// The beginning of a trace's content, and what keeps a message from looking like one.
const (
	tracePrefix    = "[A2A]"
	zeroWidthSpace = "\u200b"
)

// EscapeTrace is the text of a message such that no client takes it for a trace.
func EscapeTrace(content string) string {
	if strings.HasPrefix(content, tracePrefix) {
		return zeroWidthSpace + content
	}
	return content
}

// Message is the body of TypeMessage. The id of the event is the message's id.
type Message struct {
	Sender    string `json:"sender"` // the name when the message was posted
	SenderID  string `json:"sender_id,omitempty"`
	AgentID   string `json:"agent_id,omitempty"`
	AgentName string `json:"agent_name,omitempty"`
	AgentType string `json:"agent_type,omitempty"`
	TurnID    string `json:"turn_id,omitempty"`
	ClientID  string `json:"client_id,omitempty"`
	Content   string `json:"content"`         // "" when State is deleted
	State     string `json:"state,omitempty"` // deleted or hidden
	EditedAt  string `json:"edited_at,omitempty"`
	Kind      string `json:"sender_kind,omitempty"` // "bot" for a bot
	Stopped   bool   `json:"stopped,omitempty"`     // somebody stopped the agent while it answered
	Truncated bool   `json:"truncated,omitempty"`   // the agent's answer was cut before its end

	Mentions []Mention `json:"mentions,omitempty"`
	Files    []File    `json:"files,omitempty"`

	ReplyTo *ReplyTo `json:"reply_to,omitempty"`
	Replies int      `json:"replies,omitempty"`
}

// OfMessage is the durable event of a message. The message must have its seq.
func OfMessage(m *store.Message) *store.Event {
	body := Message{SenderID: m.SenderID, AgentID: m.AgentID, AgentName: m.AgentName, AgentType: m.AgentType,
		TurnID: m.TurnID, ClientID: m.ClientID, Content: kept(m), EditedAt: editedAt(m), Sender: SenderName(m), Stopped: !m.StoppedAt.IsZero(),
		Truncated: m.Truncated, Kind: SenderKind(m)}
	if state := m.State(); state != store.MessageShown {
		body.State = state
	}
	if m.State() != store.MessageDeleted {
		body.Mentions, body.Files = MentionsOf(m), keptFiles(m)
	}
	body.ReplyTo, body.Replies = ReplyToOf(m), m.ThreadSize
	return &store.Event{RoomID: m.RoomID, Seq: m.Seq, ID: m.ID, Type: TypeMessage, Body: store.ToJSON(body), CreatedAt: m.CreatedAt}
}

// MessageState is the body of the events about an earlier message. Like the body of
// TypeMessage it always shows the present state of the message. It keeps the text of a
// hidden message, which only staff get. It never has the text of a deleted message.
type MessageState struct {
	MessageID  string `json:"message_id" format:"uuid"`
	MessageSeq int64  `json:"message_seq" minimum:"1"`
	State      string `json:"state" enum:"shown,deleted,hidden"`
	Content    string `json:"content" doc:"Neutral for who may not read it"`
	EditedAt   string `json:"edited_at,omitempty" format:"date-time"`

	Mentions []Mention `json:"mentions,omitempty"`
	Files    []File    `json:"files,omitempty"`

	RootID  string `json:"root_id,omitempty" format:"uuid" doc:"Of a reply: what it hangs under"`
	Replies *int   `json:"replies,omitempty" minimum:"0" doc:"Of a reply: how many are shown in its thread"`
}

// StateOf is the body of an event about an earlier message.
func StateOf(m *store.Message) MessageState {
	s := MessageState{MessageID: m.ID, MessageSeq: m.Seq, State: m.State(), Content: kept(m), EditedAt: editedAt(m)}
	if s.State != store.MessageDeleted {
		s.Mentions, s.Files = MentionsOf(m), keptFiles(m)
	}
	if s.RootID = m.RootID; s.RootID != "" {
		s.Replies = &m.ThreadSize
	}
	return s
}

// Readable is what a reader sees of a message's text.
func Readable(state, content string, staff bool) string {
	switch {
	case state == store.MessageDeleted:
		return deletedText
	case state == store.MessageHidden && !staff:
		return hiddenText
	}
	return content
}

// kept is the text of a message that its events keep.
func kept(m *store.Message) string {
	if m.State() == store.MessageDeleted {
		return ""
	}
	return m.Content
}

// editedAt is when a message was edited, in the form that its events have.
func editedAt(m *store.Message) string {
	if m.EditedAt.IsZero() || m.State() == store.MessageDeleted {
		return ""
	}
	return Timestamp(m.EditedAt)
}

// isMessageEvent reports whether an event is about an earlier message.
func isMessageEvent(kind string) bool {
	switch kind {
	case TypeMessageEdited, TypeMessageDeleted, TypeMessageHidden, TypeMessageShown:
		return true
	}
	return false
}

// Recalls tells whether an event is an edit of a message that may call people now. An event
// that was read without its body may.
func Recalls(kind string, body store.JSON) bool {
	if kind != TypeMessageEdited || body == "" {
		return kind == TypeMessageEdited
	}
	var s MessageState
	return json.Unmarshal([]byte(body), &s) == nil &&
		slices.ContainsFunc(s.Mentions, func(it Mention) bool { return it.Kind != MentionAgent })
}

// Metadata is the member of the plain protocol's frames to which new members may be
// added.
type Metadata struct {
	IsAI      bool   `json:"is_ai"`
	SenderID  string `json:"sender_id,omitempty" format:"uuid"`
	Kind      string `json:"sender_kind,omitempty" enum:"bot" doc:"Absent for people and agents"`
	AgentType string `json:"agent_type,omitempty"`
	ID        string `json:"id,omitempty" format:"uuid"`
	Seq       int64  `json:"seq,omitempty"`
	State     string `json:"state,omitempty" enum:"deleted,hidden" doc:"Absent while it is as it was said"`
	EditedAt  string `json:"edited_at,omitempty" format:"date-time"`
	Stopped   bool   `json:"stopped,omitempty" doc:"Stopped in the middle"`
	Truncated bool   `json:"truncated,omitempty" doc:"Cut before its end"`
}

// MessageDetails has the members that a message has in frames of coagent.v2 alone.
type MessageDetails struct {
	ClientID  string `json:"client_id,omitempty" doc:"Of the sender's own post"`
	Kind      string `json:"sender_kind,omitempty" enum:"bot" doc:"Absent for people and agents"`
	AgentID   string `json:"agent_id,omitempty" format:"uuid"`
	AgentName string `json:"agent_name,omitempty"`
	TurnID    string `json:"turn_id,omitempty" format:"uuid" doc:"Its deltas are replaced by this"`
	State     string `json:"state,omitempty" enum:"deleted,hidden" doc:"content is then neutral, for staff the hidden one"`
	EditedAt  string `json:"edited_at,omitempty" format:"date-time"`
	Stopped   bool   `json:"stopped,omitempty" doc:"Stopped in the middle"`
	Truncated bool   `json:"truncated,omitempty" doc:"Cut before its end"`

	Mentions []Mention `json:"mentions,omitempty" doc:"Whom it calls"`
	Files    []File    `json:"files,omitempty"`

	ReplyTo *ReplyTo `json:"reply_to,omitempty" doc:"Of a reply: what it hangs under"`
	Replies int      `json:"replies,omitempty" doc:"Of a reply: how many are shown in its thread"`
}

// frame has the members of a message frame. Both protocols have those up to metadata;
// only coagent.v2 has those after it.
type frame struct {
	Type      string    `json:"type"`
	Sender    string    `json:"sender,omitempty"`
	Content   string    `json:"content"`
	Timestamp string    `json:"timestamp"`
	RoomID    string    `json:"room_id"`
	Metadata  *Metadata `json:"metadata"`

	ID  string `json:"id,omitempty"`
	Seq int64  `json:"seq,omitempty"`
	MessageDetails
}

func encodeMessage(e realtime.Event, v realtime.Variant) []byte {
	var m Message
	if json.Unmarshal(e.Body, &m) != nil {
		return nil
	}
	f := frame{Type: e.Type, Sender: m.Sender, Content: Readable(m.State, m.Content, v&Staff != 0), Timestamp: Timestamp(e.At),
		RoomID: e.Room, Metadata: &Metadata{SenderID: m.SenderID, Kind: m.Kind, ID: e.ID, Seq: e.Seq, State: m.State, EditedAt: m.EditedAt,
			Stopped: m.Stopped, Truncated: m.Truncated}}
	if v&V2 == 0 {
		f.Sender = plainSender(m.Sender)
		if f.Content == "" {
			f.Content = namesOf(m.Files)
		}
	}
	if m.AgentType != "" {
		f.Sender = "[" + mention.Label(m.AgentType) + "]"
		f.Metadata.IsAI, f.Metadata.SenderID, f.Metadata.AgentType = true, "", m.AgentType
	}
	if v&V2 != 0 {
		f.ID, f.Seq = e.ID, e.Seq
		f.MessageDetails = MessageDetails{ClientID: m.ClientID, Kind: m.Kind, AgentID: m.AgentID, AgentName: m.AgentName, TurnID: m.TurnID,
			State: m.State, EditedAt: m.EditedAt, Stopped: m.Stopped, Truncated: m.Truncated}
		if whole(m.State, v&Staff != 0) {
			f.Mentions, f.Files = m.Mentions, withAddresses(m.Files)
		}
		f.ReplyTo, f.Replies = m.ReplyTo.readBy(v&Staff != 0), m.Replies
	}
	return []byte(store.ToJSON(f))
}

// encodeMessageState makes the frame of an event about an earlier message. The plain
// protocol has no such frames.
func encodeMessageState(e realtime.Event, v realtime.Variant) []byte {
	var l MessageState
	if v&V2 == 0 || json.Unmarshal(e.Body, &l) != nil {
		return nil
	}
	l.Content = Readable(l.State, l.Content, v&Staff != 0)
	if !whole(l.State, v&Staff != 0) {
		l.Mentions, l.Files = nil, nil
	}
	withAddresses(l.Files)
	return []byte(store.ToJSON(struct {
		Type string `json:"type"`
		MessageState
		Durable
	}{e.Type, l, durableOf(e)}))
}

// SystemFrame is the plain protocol's frame of a message from the program itself.
func SystemFrame(roomID, content string) []byte {
	return []byte(store.ToJSON(frame{Type: "system", Sender: "System", Content: content, RoomID: roomID}))
}

// AsRead leaves of each message what the reader sees of it.
func AsRead(messages []store.Message, staff bool) []store.Message {
	for i := range messages {
		Redact(&messages[i], staff)
	}
	return messages
}
