package turntaking

import (
	"slices"

	"github.com/coagent-studio/coagent/app/schedule"
	"github.com/coagent-studio/coagent/app/wording"
)

// What made a room decide. The names are stored, so they are never renamed.
const (
	CausePost   = "post"        // a person's message
	CauseAgents = "agent_lines" // only messages of agents and bots
	CauseGoOn   = "go_on"       // staff let the agents go on after a guard had stopped them
	CauseThread = "thread"      // a person's message to one agent alone
	CauseWake   = "wake"        // staff woke an agent; decisions that time causes have the names of RuleInterval, RuleSilence and RuleCount

	CauseStateless = "stateless" // a person's question in a thread that is thrown away
)

// Why an agent speaks or does not; staff read them together with the detail. They are
// stored, so they are never renamed.
const (
	RuleMentioned = "mentioned"           // a message calls it
	RuleChance    = "chance"              // its roll was below its chance, or not
	RuleCount     = schedule.MessageCount // enough messages since it last spoke
	RuleInterval  = schedule.TimeInterval // enough time since it last spoke
	RuleSilence   = schedule.Silence      // nobody spoke for long enough
	RuleTrigger   = "trigger"             // its trigger cannot be read
	RuleNotCalled = "not_called"          // it speaks only when called, and nobody called it
	RuleOthers    = "others"              // others were called, or an agent before it speaks
	RuleGuard     = "guard"               // it was called, and a guard cut it off
	RuleHears     = "hears"               // it runs outside this program, has no trigger, and hears each message of a person
	RuleRoomOff   = "room_off"            // the room's AI is switched off
	RuleInactive  = "inactive"            // the agent is switched off
	RuleMode      = "mode"                // the room's mode excludes agents of its kind
	RuleOffHere   = "inactive_here"       // the agent is switched off in this room
	RuleMuted     = "muted"               // staff have muted it here
	RuleAsleep    = "asleep"              // it sleeps until a person speaks
	RuleSchedule  = "schedule"            // it is outside its hours
	RuleNoKey     = "no_key"              // it was called, and has no key for its model
	RuleGone      = "gone"                // it was called, and is not in the room any more
	RuleWoken     = "woken"               // staff have woken it
	RuleBusy      = "busy"                // it has a turn already, which is about these messages, too
)

// The guards between agents. The names are stored, so they are never renamed.
const (
	GuardStreak    = "agent_row" // the longest streak of agents' messages is reached
	GuardAgreement = "agreement" // they only agree, thank or repeat each other
)

// Decision is what each agent of a room does about the messages after From up to Seq.
// When the two are equal, there are no new messages. Without a Cause there was
// nothing to decide.
type Decision struct {
	Cause      string
	From, Seq  int64
	Guard      string      // the guard that cut off agents which were called
	Candidates []Candidate // in the order in which they would speak
}

// Candidate is what one agent does, and why. Its JSON is stored.
type Candidate struct {
	AgentID string `json:"agent_id"`
	Name    string `json:"agent_name"`
	Speaks  bool   `json:"speaks"`
	// Called says that a message calls it. If it does not speak then, Rule and
	// Detail say why.
	Called bool     `json:"called,omitempty"`
	Rule   string   `json:"rule"`
	Detail string   `json:"detail,omitempty"`
	Roll   *float64 `json:"roll,omitempty"`
	Chance *float64 `json:"chance,omitempty"`

	// Behind is not 0 when the agent has a turn already: it speaks after that turn, about
	// the messages up to this seq.
	Behind  int64    `json:"-"`
	AskedBy string   `json:"-"` // the person whose message it answers, or who calls it
	Callers []string `json:"-"` // all people who call it, the last one last
	RootID  string   `json:"-"` // the thread in which it answers, "" for none
}

// Speakers are the candidates that speak, in order.
func (d *Decision) Speakers() []Candidate {
	var speak []Candidate
	for _, c := range d.Candidates {
		if c.Speaks {
			speak = append(speak, c)
		}
	}
	return speak
}

// Beside tells whether the decision may be made while turns are aside: a person calls an
// agent that can begin at once.
func (d *Decision) Beside() bool {
	return d.Cause == CausePost && slices.ContainsFunc(d.Candidates, func(c Candidate) bool { return c.Called && c.Speaks && c.Behind == 0 })
}

// AskedFor are the causes of turns for which a person has asked. Such a turn may begin
// beside turns that are aside.
func AskedFor() []string { return []string{CausePost, CauseWake} }

// Unheard are the candidates that were called and do not speak, with the reason and
// the people who called them.
func (d *Decision) Unheard() (silent []Candidate) {
	for _, c := range d.Candidates {
		if c.Called && !c.Speaks {
			silent = append(silent, c)
		}
	}
	return silent
}

// CutOffNames are the names of the agents that a guard keeps from speaking.
func (d *Decision) CutOffNames() (names []string) {
	for _, c := range d.Candidates {
		if c.Rule == RuleGuard {
			names = append(names, c.Name)
		}
	}
	return names
}

// Reason says why an agent may not speak, in words for staff.
func Reason(rule, detail string) string { return Why(rule, detail).String() }

// Why is Reason in every language. The detail stays as it is.
func Why(rule, detail string) wording.Text {
	text := map[string]wording.Text{
		RuleRoomOff: wording.Of("the room's AI is switched off"), RuleInactive: wording.Of("it is switched off"),
		RuleOffHere: wording.Of("it is switched off in this room"), RuleMode: wording.Of("the room's mode leaves its kind out"), RuleMuted: wording.Of("it is muted"),
		RuleSchedule: wording.Of("it is not the time for it"), RuleNoKey: wording.Of("its model cannot be asked"), RuleGone: wording.Of("it is not in this room any more"), RuleAsleep: wording.Of("it sleeps"), RuleGuard: wording.Of("agents have said as much as they may until a person goes on"),
	}[rule]
	if detail != "" {
		return wording.Of("%s, %s", text, detail)
	}
	return text
}
