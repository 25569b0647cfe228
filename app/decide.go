package app

import (
	"slices"
	"sort"
	"time"

	"github.com/coagent-studio/coagent/app/mention"
	"github.com/coagent-studio/coagent/store"
)

// This file decides who of a room's agents speaks. It is pure: a snapshot and
// a source of chance in, what becomes of each agent out.

// roomSnapshot is what a decision is made from.
type roomSnapshot struct {
	Room     store.Room
	Agents   []store.Agent   // those in the room, in the order they came in
	Messages []store.Message // the newest lines of the room, oldest first
	Now      time.Time
	// Places are how the agents are set in the room, by id. PersonMessages counts
	// the people's lines that they have not read, where their trigger asks for it.
	RoomAgents     map[string]*roomAgent
	PersonMessages map[string]int
	// Keyless says, by their ids, why agents that are called cannot ask their model.
	Keyless   map[string]string
	MaxStreak int // agent lines in a row after which a person has to speak
}

// fresh are the lines that no decision has been made about.
func (s *roomSnapshot) fresh() []store.Message {
	i := slices.IndexFunc(s.Messages, func(m store.Message) bool { return m.Seq > s.Room.DecidedSeq })
	if i < 0 {
		return nil
	}
	return s.Messages[i:]
}

// tail are the agents' lines at the end of the room, oldest first, behind the
// point from which staff let them go on.
func (s *roomSnapshot) tail() []store.Message {
	i := len(s.Messages)
	for i > 0 && s.Messages[i-1].ByAgent() && s.Messages[i-1].Seq > s.Room.StreakFrom {
		i--
	}
	return s.Messages[i:]
}

// decide says who speaks about the fresh lines: everybody who was called, in
// the order of their parts, but no more than may speak in a row; if nobody was,
// the first whose trigger or roll says so. People go before agents: while
// a person waits for an answer, what agents said to each other does not count,
// nor does the row that they have made meanwhile.
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

// called tells which of the room's agents the lines call, whether they may
// speak or not, and who asked in that way, each person once and the last one
// last.
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

// answered tells whether an agent has spoken after a line that staff let the
// agents go on from: who was not cut off then has said what there was to say.
func (s *roomSnapshot) answered(m *store.Message, agentID string) bool {
	return m.Seq <= s.Room.StreakFrom &&
		slices.ContainsFunc(s.Messages, func(l store.Message) bool { return l.AgentID == agentID && l.Seq > m.Seq })
}

// askedBy is the person behind a line: who said it, or, of an agent's line, the
// person who spoke last before it.
func (s *roomSnapshot) askedBy(m *store.Message) string {
	for i := len(s.Messages) - 1; i >= 0; i-- {
		if l := &s.Messages[i]; l.Seq <= m.Seq && !l.ByAgent() {
			return l.SenderID
		}
	}
	return ""
}

// speakCalled lets everybody speak who was called, as far as the guards do.
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

// speakUnaddressed lets the first agent speak whose trigger or roll says so;
// what agents say without calling anybody asks for no answer.
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

// canSpeak is the reason why an agent may not speak in the room at all, one of the
// rules of decisions.go with more about it for staff; "" when it may.
func canSpeak(s *roomSnapshot, ag *store.Agent) (rule, detail string) {
	p := s.roomAgent(ag)
	rule, detail = p.canSpeak(&s.Room, p.ownMessages(&s.Room, s.Messages, s.Now), s.Now)
	if why := s.Keyless[ag.ID]; rule == "" && why != "" {
		return ruleNoKey, why
	}
	return rule, detail
}

// roomAgent is how an agent is set in the room; one of which nothing is known there
// has its own settings.
func (s *roomSnapshot) roomAgent(ag *store.Agent) *roomAgent {
	if p := s.RoomAgents[ag.ID]; p != nil {
		return p
	}
	return placedAgent(&store.RoomAgent{AgentID: ag.ID, IsActive: true, Agent: ag}, s.Now, time.UTC)
}

// partOf is what an agent is in a room: that of its category, whatever its type
// is called. A student agent is one of the class however it was stored.
func partOf(ag *store.Agent) string {
	if ag.Type == AgentStudent {
		return categoryParticipant
	}
	return ag.Category
}

// precedence orders instructors before participants before utilities.
func precedence(ag *store.Agent) int {
	switch partOf(ag) {
	case categoryInstructor:
		return 0
	case categoryParticipant:
		return 1
	}
	return 2
}

// verdict is what an agent's trigger says about unaddressed lines.
type verdict struct {
	Speak        bool
	Rule         string // one of the rules of decisions.go
	Detail       string // more about it, for staff
	Roll, Chance *float64
}

// triggered tells whether unaddressed lines make an agent speak: by its
// trigger, whose conditions may also have come true meanwhile. Without one it is one roll against the room's frequency, a little less for
// participants, so that they do not drown the class; utilities wait to be
// mentioned.
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

// rolled is the verdict of chance.
func rolled(roll, chance float64) verdict {
	return verdict{Speak: roll < chance, Rule: ruleChance, Roll: &roll, Chance: &chance}
}

// roomNames are the names of a room's agents, made ready once for many lines.
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

// called are the ids of the agents that a text calls, each once: of several
// that a word may mean, the first of those that may speak, or of all when none
// may or nothing is known about it.
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
