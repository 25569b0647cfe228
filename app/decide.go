package app

import (
	"slices"
	"sort"
	"time"

	"github.com/coagent-studio/coagent/app/mention"
	"github.com/coagent-studio/coagent/store"
)

// This file decides which of a room's agents speak. It is pure: it gets a snapshot
// and a source of chance, and returns what each agent does.

// roomSnapshot is the input of a decision.
type roomSnapshot struct {
	Room     store.Room
	Agents   []store.Agent   // the agents of the room, in the order in which they came in
	Messages []store.Message // the newest messages of the room, oldest first
	Now      time.Time
	// RoomAgents are how the agents are set in the room, by id. PersonMessages
	// counts the people's messages that an agent has not read, if the agent's
	// trigger needs it.
	RoomAgents     map[string]*roomAgent
	PersonMessages map[string]int
	// Keyless says, by agent id, why an agent that is called has no key for its
	// model.
	Keyless   map[string]string
	MaxStreak int // the longest streak of agents' messages; then a person has to speak
}

// fresh are the messages that no decision was made about.
func (s *roomSnapshot) fresh() []store.Message {
	i := slices.IndexFunc(s.Messages, func(m store.Message) bool { return m.Seq > s.Room.DecidedSeq })
	if i < 0 {
		return nil
	}
	return s.Messages[i:]
}

// tail is the streak: the agents' messages at the end of the room, oldest first. It
// begins after the point from which staff let the agents go on.
func (s *roomSnapshot) tail() []store.Message {
	i := len(s.Messages)
	for i > 0 && s.Messages[i-1].ByAgent() && s.Messages[i-1].Seq > s.Room.StreakFrom {
		i--
	}
	return s.Messages[i:]
}

// decide says who speaks about the fresh messages. All agents that were called speak,
// in the order of their parts, but no more than the longest streak allows. When none
// was called, the first agent speaks whose trigger or roll says so. People go before
// agents: while a person waits for an answer, calls in agents' messages do not count,
// and neither does the streak so far.
func decide(s roomSnapshot, roll func() float64) decision {
	fresh := s.fresh()
	d := decision{From: s.Room.DecidedSeq, Seq: s.Room.EventSeq}
	if len(fresh) == 0 {
		return d
	}
	switch {
	case slices.ContainsFunc(fresh, func(m store.Message) bool { return !m.ByAgent() && m.Seq > s.Room.StreakFrom }):
		d.Cause = causePost
	case s.Room.DecidedSeq < s.Room.StreakFrom:
		d.Cause = causeGoOn
	default:
		d.Cause = causeAgents
	}
	agents := slices.Clone(s.Agents)
	sort.SliceStable(agents, func(i, j int) bool { return precedence(&agents[i]) < precedence(&agents[j]) })
	may := map[string]bool{}
	for i := range agents {
		why, detail := canSpeak(&s, &agents[i])
		may[agents[i].ID] = why == ""
		d.Candidates = append(d.Candidates, candidate{AgentID: agents[i].ID, Name: agents[i].Name, Rule: why, Detail: detail})
	}
	called := s.called(fresh, namesOf(agents), may, d.Cause)
	someMay := false
	for i := range d.Candidates {
		c := &d.Candidates[i]
		if c.callers, c.Called = called[c.AgentID]; c.Called {
			someMay = someMay || may[c.AgentID]
		}
		if len(c.callers) > 0 {
			c.askedBy = c.callers[len(c.callers)-1]
		}
	}
	if someMay {
		d.speakCalled(&s)
	} else {
		d.speakUnaddressed(&s, agents, roll)
	}
	return d
}

// called returns which agents the messages call, also those that may not speak. For
// each of them it lists the people who asked, each once, the last one last.
func (s *roomSnapshot) called(lines []store.Message, names roomNames, may map[string]bool, cause string) map[string][]string {
	called := map[string][]string{}
	for _, m := range lines {
		if cause == causePost && m.ByAgent() {
			continue
		}
		for _, id := range names.called(m.Content, may) {
			if id == m.AgentID || s.answered(&m, id) {
				continue
			}
			who := s.askedBy(&m)
			others := slices.DeleteFunc(called[id], func(u string) bool { return u == who })
			if called[id] = others; who != "" {
				called[id] = append(others, who)
			}
		}
	}
	return called
}

// answered tells whether an agent has spoken after a message before the point from
// which staff let the agents go on. Such an agent was not cut off, and has said what
// it had to say.
func (s *roomSnapshot) answered(m *store.Message, agentID string) bool {
	return m.Seq <= s.Room.StreakFrom &&
		slices.ContainsFunc(s.Messages, func(l store.Message) bool { return l.AgentID == agentID && l.Seq > m.Seq })
}

// askedBy is the person behind a message: its author, or, for an agent's message, the
// person who spoke last before it.
func (s *roomSnapshot) askedBy(m *store.Message) string {
	for i := len(s.Messages) - 1; i >= 0; i-- {
		if l := &s.Messages[i]; l.Seq <= m.Seq && !l.ByAgent() {
			return l.SenderID
		}
	}
	return ""
}

// speakCalled lets all agents speak that were called, as far as the guards allow it.
func (d *decision) speakCalled(s *roomSnapshot) {
	left, guard := s.MaxStreak, guardStreak
	if d.Cause == causeAgents {
		left, guard = s.guarded()
	}
	for i := range d.Candidates {
		c := &d.Candidates[i]
		switch {
		case c.Rule != "":
		case !c.Called:
			c.Rule = ruleOthers
		case left <= 0:
			c.Rule, c.Detail, d.Guard = ruleGuard, guard, guard
		default:
			c.Speaks, c.Rule = true, ruleMentioned
			left--
		}
	}
}

// speakUnaddressed lets the first agent speak whose trigger or roll says so. Agents'
// messages that call nobody need no answer.
func (d *decision) speakUnaddressed(s *roomSnapshot, agents []store.Agent, roll func() float64) {
	taken := false
	for i := range d.Candidates {
		c := &d.Candidates[i]
		switch {
		case c.Rule != "":
		case d.Cause != causePost:
			c.Rule = ruleNotCalled
		case taken:
			c.Rule = ruleOthers
		default:
			v := triggered(s, &agents[i], roll)
			c.Speaks, c.Rule, c.Detail, c.Roll, c.Chance = v.Speak, v.Rule, v.Detail, v.Roll, v.Chance
			if taken = v.Speak; taken {
				c.askedBy = s.askedBy(&s.Messages[len(s.Messages)-1])
			}
		}
	}
}

// canSpeak returns why an agent may not speak in the room at all: one of the rules of
// decisions.go, and a detail for staff. rule is "" when the agent may speak.
func canSpeak(s *roomSnapshot, ag *store.Agent) (rule, detail string) {
	p := s.roomAgent(ag)
	rule, detail = p.canSpeak(&s.Room, p.ownMessages(&s.Room, s.Messages, s.Now), s.Now)
	if why := s.Keyless[ag.ID]; rule == "" && why != "" {
		return ruleNoKey, why
	}
	return rule, detail
}

// roomAgent is how an agent is set in the room. An agent without settings there has
// its own settings.
func (s *roomSnapshot) roomAgent(ag *store.Agent) *roomAgent {
	if p := s.RoomAgents[ag.ID]; p != nil {
		return p
	}
	return placedAgent(&store.RoomAgent{AgentID: ag.ID, IsActive: true, Agent: ag}, s.Now, time.UTC)
}

// partOf is the part of an agent in a room: its category. A student agent is a
// participant, whatever category is stored.
func partOf(ag *store.Agent) string {
	if ag.Type == AgentStudent {
		return categoryParticipant
	}
	return ag.Category
}

// precedence puts instructors before participants, and these before utilities.
func precedence(ag *store.Agent) int {
	switch partOf(ag) {
	case categoryInstructor:
		return 0
	case categoryParticipant:
		return 1
	}
	return 2
}

// verdict is what an agent's trigger says about messages that call nobody.
type verdict struct {
	Speak        bool
	Rule         string // one of the rules of decisions.go
	Detail       string // more about the rule, for staff
	Roll, Chance *float64
}

// triggered tells whether messages that call nobody make an agent speak. An agent
// with a trigger speaks when the trigger's conditions hold. Other agents roll once
// against the room's frequency, participants against 80 % of it, so that they do not
// drown the class. Utilities wait until they are called.
func triggered(s *roomSnapshot, ag *store.Agent, roll func() float64) verdict {
	p := s.roomAgent(ag)
	if len(p.problems) > 0 && !p.trigger.Chance {
		return verdict{Rule: ruleTrigger, Detail: p.problems[0]}
	}
	if !p.trigger.Chance {
		met, by, why := p.trigger.Met(p.scheduleFacts(&s.Room, s.PersonMessages[ag.ID], s.Now))
		return verdict{Speak: met, Rule: by, Detail: why}
	}
	switch partOf(ag) {
	case categoryInstructor:
		return rolled(roll(), s.Room.AIFrequency)
	case categoryParticipant:
		return rolled(roll(), 0.8*s.Room.AIFrequency)
	}
	return verdict{Rule: ruleNotCalled}
}

// rolled is the verdict of a roll against a chance.
func rolled(roll, chance float64) verdict {
	return verdict{Speak: roll < chance, Rule: ruleChance, Roll: &roll, Chance: &chance}
}

// roomNames are the names of a room's agents, prepared once for many messages.
type roomNames struct{ *mention.Names }

func namesOf(agents []store.Agent) roomNames {
	all := make([]mention.Agent, len(agents))
	for i := range agents {
		ag := &agents[i]
		all[i] = mention.Agent{ID: ag.ID, Name: ag.Name, Type: ag.Type, Teacher: ag.Type == AgentTeacher,
			Instructor: partOf(ag) == categoryInstructor}
	}
	return roomNames{mention.Of(all)}
}

// called returns the ids of the agents that a text calls, each once. A word that can
// mean several agents means the first of them that may speak; when none may, or may
// is nil, the first of all.
func (n roomNames) called(content string, may map[string]bool) []string {
	var ids []string
	for _, meant := range n.In(content) {
		id := meant[0]
		if i := slices.IndexFunc(meant, func(id string) bool { return may[id] }); i >= 0 {
			id = meant[i]
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}
