package event

import "time"

// This file defines what a person's socket gets beside the frames of the rooms that it
// follows.

// Rooms tells how the person's rooms are now. What it says of a room replaces what was said
// before.
type Rooms struct {
	All   bool       `json:"all" doc:"All rooms: at first, and when you may enter others. Else those that have changed"`
	More  bool       `json:"more,omitempty" doc:"There are more than the 500 newest, of which this socket tells"`
	Rooms []RoomNews `json:"rooms" nullable:"false"`
}

// RoomNews is what is new in one of the person's rooms.
type RoomNews struct {
	RoomID   string `json:"room_id" format:"uuid"`
	CourseID string `json:"course_id" format:"uuid"`
	Name     string `json:"name"`
	LastSeq  int64  `json:"last_seq" minimum:"0"`
	ReadSeq  int64  `json:"read_seq" minimum:"0"`
	Unread   int    `json:"unread" minimum:"0" maximum:"100" doc:"Messages of others; 100 for 100 or more"`
	Mentions int    `json:"mentions" minimum:"0" maximum:"100" doc:"Unread; 100 for 100 or more"`
	Online   int    `json:"online" minimum:"0" doc:"People in the room now"`
	Last     *Said  `json:"last_message,omitempty" doc:"The newest that everybody may read"`
	AtWork   []Work `json:"agents_at_work" nullable:"false"`
}

// Said is a message as a list shows it.
type Said struct {
	MessageID string `json:"message_id" format:"uuid"`
	Seq       int64  `json:"seq" minimum:"1"`
	Sender    string `json:"sender"`
	SenderID  string `json:"sender_id,omitempty" format:"uuid" doc:"Absent for agents"`
	AgentID   string `json:"agent_id,omitempty" format:"uuid"`
	Excerpt   string `json:"excerpt" doc:"One line, 140 characters at most"`
	CreatedAt string `json:"created_at" format:"date-time"`
}

// Work is an agent that answers in a room.
type Work struct {
	TurnID    string `json:"turn_id" format:"uuid"`
	AgentID   string `json:"agent_id" format:"uuid"`
	AgentName string `json:"agent_name"`
}

// MentionNews says that a message calls the person.
type MentionNews struct {
	RoomID string `json:"room_id" format:"uuid"`
	Said
}

// Gone says that a socket does not follow a room any more.
type Gone struct {
	RoomID string `json:"room_id" format:"uuid"`
	Reason string `json:"reason" enum:"asked,not_member,role_changed" doc:"not_member: gone, or not yours to enter; role_changed: subscribe again with your last seq"`
}

// RoomGone says that a room is not among the person's rooms any more.
type RoomGone struct {
	RoomID   string `json:"room_id" format:"uuid"`
	Archived bool   `json:"archived,omitempty"`
}

// CourseCopy says how far a copy of a course is, for which the person has asked, and that it
// is over.
type CourseCopy struct {
	CopyID   string `json:"copy_id" format:"uuid"`
	State    string `json:"state"`
	Done     int    `json:"done"` // rooms that are read
	Total    int    `json:"total"`
	CourseID string `json:"course_id,omitempty" format:"uuid"`
}

// Frame is the frame as it is sent.
func (c CourseCopy) Frame() []byte { return typed("course_copy", c) }

// SaidAt fills in what a list shows of a message.
func SaidAt(id string, seq int64, m *Message, at time.Time) Said {
	return Said{MessageID: id, Seq: seq, Sender: shownSender(m), SenderID: m.SenderID, AgentID: m.AgentID, Excerpt: Excerpt(m.Content), CreatedAt: Timestamp(at)}
}

// shownSender is an agent's name, or that of the person.
func shownSender(m *Message) string {
	if m.AgentName != "" {
		return m.AgentName
	}
	return m.Sender
}

// Calls tells whether a message calls a person, by name or as everyone. Nobody calls
// themselves.
func (m *Message) Calls(userID string) bool {
	if m.SenderID == userID {
		return false
	}
	for _, c := range m.Mentions {
		if c.Kind == MentionEveryone || c.Kind == MentionPerson && c.ID == userID {
			return true
		}
	}
	return false
}

// Frame is the frame as it is sent.
func (r Rooms) Frame() []byte {
	return typed("rooms", r)
}

// Frame is the frame as it is sent.
func (m MentionNews) Frame() []byte {
	return typed("mention", m)
}

// Frame is the frame as it is sent.
func (g Gone) Frame() []byte {
	return typed("unsubscribed", g)
}

// Frame is the frame as it is sent.
func (g RoomGone) Frame() []byte {
	return typed("room_gone", g)
}

// AccountFrame says that the person's own account, role or preferences have changed.
func AccountFrame() []byte { return []byte(`{"type":"account"}`) }
