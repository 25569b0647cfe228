package event

// This file defines what a client of coagent.v2 sends. The file answer.go has what it gets back.

// The types of a Request.
const (
	RequestPost    = "post"    // say something: Post
	RequestTyping  = "typing"  // tell the others that the person types
	RequestResume  = "resume"  // send again what comes after a seq: Resume
	RequestStop    = "stop"    // stop a turn: StopTurn
	RequestReact   = "react"   // give a message an emoji, or take it back: React
	RequestEditing = "editing" // tell the others that the person changes an artifact: Edit

	RequestSubscribe   = "subscribe"   // follow rooms, on a person's socket: Subscribe
	RequestUnsubscribe = "unsubscribe" // follow them no more: Unsubscribe
)

// MyRequest is one frame of a client of a person's socket. Type says which of the other
// members count.
type MyRequest struct {
	Type   string `json:"type"`
	RoomID string `json:"room_id"`
	Post
	StopTurn
	React
	Edit
	Subscribe
	Unsubscribe
}

// MaxSubscribe is how many rooms one frame can name.
const MaxSubscribe = 100

// Subscribe asks for the frames of rooms.
type Subscribe struct {
	Rooms []RoomAfter `json:"rooms" minItems:"1" maxItems:"100"`
}

// RoomAfter is a room to follow.
type RoomAfter struct {
	RoomID string `json:"room_id" format:"uuid"`
	After  *int64 `json:"after,omitempty" minimum:"0" doc:"Your last seq there; absent: from now on"`
	Absent bool   `json:"absent,omitempty" doc:"Do not show me there"`
}

// Unsubscribe ends the frames of rooms.
type Unsubscribe struct {
	RoomIDs []string `json:"room_ids" minItems:"1" maxItems:"100"`
}

// Request is one frame of a client. Type says which of the other members count.
type Request struct {
	Type string `json:"type"`
	Post
	Resume
	StopTurn
	React
	Edit
}

// Post is a message that a person says.
type Post struct {
	ClientID string `json:"client_id" minLength:"1" maxLength:"64" doc:"Unique per room and person: sent again, it is stored once"`
	Text     string `json:"text"`

	ReplyTo  string      `json:"reply_to,omitempty" format:"uuid" doc:"A message; a reply to a reply hangs under the same"`
	Mentions []MentionID `json:"mentions,omitempty" maxItems:"50" doc:"Who is meant, where several have the name behind an @"`
	Files    []string    `json:"files,omitempty" maxItems:"50" doc:"Ids of your uploads; with one the text may be empty"`
}

// MentionID names somebody of a room.
type MentionID struct {
	Kind string `json:"kind" enum:"person,agent"`
	ID   string `json:"id" format:"uuid"`
}

// Resume asks for the durable frames after a seq.
type Resume struct {
	After int64 `json:"after" minimum:"0"`
}

// React gives an emoji to a message. The one who has given it may remove it.
type React struct {
	MessageID string `json:"message_id" format:"uuid"`
	Emoji     string `json:"emoji" minLength:"1" maxLength:"64" doc:"One emoji"`
	Remove    bool   `json:"remove,omitempty" doc:"Take it back"`
}

// Edit says that the person changes an artifact, or is done with it.
type Edit struct {
	ArtifactID string `json:"artifact_id" format:"uuid"`
	BlockID    string `json:"block_id,omitempty" maxLength:"64" doc:"Where in it"`
	Done       bool   `json:"done,omitempty"`
}

// StopTurn asks to stop an agent's turn.
type StopTurn struct {
	TurnID string `json:"turn_id" format:"uuid"`
}
