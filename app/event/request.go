package event

// This file defines what a client of coagent.v2 sends. The file answer.go has what it gets back.

// The types of a Request.
const (
	RequestPost   = "post"   // say something: Post
	RequestTyping = "typing" // tell the others that the person types
	RequestResume = "resume" // send again what comes after a seq: Resume
	RequestStop   = "stop"   // stop a turn: StopTurn
)

// Request is one frame of a client. Type says which of the other members count.
type Request struct {
	Type string `json:"type"`
	Post
	Resume
	StopTurn
}

// Post is a message that a person says.
type Post struct {
	ClientID string `json:"client_id" minLength:"1" maxLength:"64" doc:"Unique per room and person, so that a post is safe to send again"`
	Text     string `json:"text"`

	ReplyTo  string      `json:"reply_to,omitempty" format:"uuid" doc:"The message that this replies to; a reply to a reply hangs under the same message"`
	Mentions []MentionID `json:"mentions,omitempty" maxItems:"50" doc:"Who is meant, where several have the name that the text calls by an @"`
	Files    []string    `json:"files,omitempty" maxItems:"50" doc:"Ids of files that you have uploaded to the room; with one the text may be empty"`
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

// StopTurn asks to stop an agent's turn.
type StopTurn struct {
	TurnID string `json:"turn_id" format:"uuid"`
}
