// Package turntaking decides who speaks in a room: which agents a message calls, whose
// trigger is due, and when agents have said enough to each other.
//
// It is pure. Its functions get what is so as values, with the present time and a
// source of chance, and return what each agent does and why. They read no database,
// no clock and no configuration, and change none of what they get. The engine (package
// app/turn) reads rows, converts them into the types of this package, and stores the
// result.
//
// # Where to find things
//
//   - Who speaks about new messages: Decide, in decide.go.
//   - What keeps agents from talking with each other for ever: guards.go.
//   - Which settings of an agent hold in a room, and whether it may speak there: RoomAgent, in room_agent.go.
//   - What becomes of triggers that are due by time alone: JudgeDue, in due.go.
//   - What a decision says, and the names of its causes, rules and guards: Decision, in decision.go.
package turntaking

import "time"

// Room is what a decision needs to know about a room.
type Room struct {
	On           bool    // agents may speak in it
	Participants bool    // agents that are participants may, too
	Frequency    float64 // the chance of an instructor to answer a message that calls nobody, from 0 to 1
	EventSeq     int64   // of its newest event
	DecidedSeq   int64   // of the newest event about which a decision was made
	StreakFrom   int64   // agents' messages up to here do not count towards their streak
	PersonSeq    int64   // of the newest message of a person that agents may hear
	PersonAt     time.Time
}

// Agent is what a decision needs to know about an agent.
type Agent struct {
	ID, Name string
	Type     string // people may call it by this too
	Part     string // Instructor, Participant, or any other: it speaks when it is called
	Teacher  bool   // the words for a teacher mean it
	On       bool
	External bool // it runs outside of this program
}

// The parts of agents in a room.
const (
	Instructor  = "instructor"
	Participant = "participant"
)

// precedence puts instructors before participants, and these before all others.
func (a *Agent) precedence() int {
	switch a.Part {
	case Instructor:
		return 0
	case Participant:
		return 1
	}
	return 2
}

// Message is what a decision needs to know about a message.
type Message struct {
	Seq       int64
	At        time.Time
	ByAgent   bool
	ByBot     bool   // a bot wrote it: a program, which may call agents, and is no person
	AgentID   string // "" if the agent was deleted
	AgentName string
	SenderID  string // of a person or a bot
	Content   string
	RootID    string    // of the thread in which it is, "" for none
	Rolls     []float64 // that were made for a person's message when it was posted
}

// ByPerson tells whether a person wrote the message. Only such a message ends the guards
// and is answered without a call.
func (m *Message) ByPerson() bool { return !m.ByAgent && !m.ByBot }
