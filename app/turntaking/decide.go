package turntaking

import (
	"slices"
	"sort"
	"time"

	"github.com/coagent-studio/coagent/app/mention"
)

// Snapshot is a room as it is at one moment: the input of a decision.
type Snapshot struct {
	Room     Room
	Agents   []*RoomAgent // of the room, in the order in which they came in
	Messages []Message    // the newest of the room, oldest first; see Enough
	Now      time.Time
	// Spoken are messages that have each agent which spoke in the room lately, oldest
	// first. They are needed when people's fresh messages may call somebody.
	Spoken []Message
	// Unread counts, by agent id, the people's messages that an agent has not read,
	// if its trigger needs the number.
	Unread map[string]int
	// Keyless says, by agent id, why an agent that is called has no key for its
	// model.
	Keyless map[string]string
	// Busy has the agents that have a turn, while turns are live and all of them are
	// aside; else it is nil. The number is the TriggerSeq of an agent's newest turn.
	Busy      map[string]int64
	MaxStreak int // the longest streak of agents' messages; then a person has to speak
}

// Fresh are the messages that no decision was made about, without those of people that
// every agent which they call has read in a turn already.
func (s *Snapshot) Fresh() []Message {
	i := slices.IndexFunc(s.Messages, func(m Message) bool { return m.Seq > s.Room.DecidedSeq })
	if i < 0 {
		return nil
	}
	fresh := s.Messages[i:]
	if !slices.ContainsFunc(s.Agents, func(ag *RoomAgent) bool { return ag.ReadSeq >= fresh[0].Seq }) {
		return fresh
	}
	names, may := NamesIn(inOrder(s.Agents)), map[string]bool{}
	for _, ag := range s.Agents {
		rule, _ := s.CanSpeak(ag)
		may[ag.ID] = rule == ""
	}
	return slices.DeleteFunc(slices.Clone(fresh), func(m Message) bool {
		called, read := s.read(&m, names, may)
		return read > 0 && read == called
	})
}

// read counts the agents that a person's message calls, and those of them that have read
// it and spoken then.
func (s *Snapshot) read(m *Message, names Names, may map[string]bool) (called, read int) {
	if m.ByAgent {
		return 0, 0
	}
	for _, id := range names.Called(m.Content, may) {
		if called++; s.readBy(m, id) {
			read++
		}
	}
	return called, read
}

// Enough tells whether older messages than those of s would change nothing in a decision.
// For this they must reach back to a person's message that was decided about, which ends
// the streak of agents' messages, and to the newest one that agents may hear.
func (s *Snapshot) Enough() bool {
	return len(s.Messages) > 0 && s.Messages[0].Seq <= s.Room.PersonSeq+1 &&
		slices.ContainsFunc(s.Messages, func(m Message) bool { return m.ByPerson() && m.Seq <= s.Room.DecidedSeq })
}

// MayCall tells whether fresh messages of people or bots may call somebody, whoever that is.
func (s *Snapshot) MayCall() bool {
	return slices.ContainsFunc(s.Fresh(), func(m Message) bool { return !m.ByAgent && MayCall(m.Content) })
}

// streak has the messages of agents and bots at the end of the room, oldest first. It
// begins after the point from which staff let the agents go on. A bot that answers each
// answer would otherwise go on for ever.
func (s *Snapshot) streak() []Message {
	i := len(s.Messages)
	for i > 0 && !s.Messages[i-1].ByPerson() && s.Messages[i-1].Seq > s.Room.StreakFrom {
		i--
	}
	return s.Messages[i:]
}

// Decide says who speaks about the fresh messages. All agents that were called speak,
// in the order of their parts, but no more than the longest streak allows. When none
// was called, the first agent speaks whose trigger or roll says so. People go before
// agents: while a person waits for an answer, calls in agents' messages do not count,
// and neither does the streak so far. A bot's message is answered when it calls an agent,
// and as far as the guards allow. roll returns a number in [0, 1).
func Decide(s Snapshot, roll func() float64) Decision {
	fresh := s.Fresh()
	d := Decision{From: s.Room.DecidedSeq, Seq: s.Room.EventSeq}
	if len(fresh) == 0 {
		return d
	}
	switch {
	case slices.ContainsFunc(fresh, func(m Message) bool { return m.ByPerson() && m.Seq > s.Room.StreakFrom }):
		d.Cause = CausePost
	case s.Room.DecidedSeq < s.Room.StreakFrom:
		d.Cause = CauseGoOn
	default:
		d.Cause = CauseAgents
	}
	agents := inOrder(s.Agents)
	may := map[string]bool{}
	for _, ag := range agents {
		why, detail := s.CanSpeak(ag)
		may[ag.ID] = why == ""
		d.Candidates = append(d.Candidates, Candidate{AgentID: ag.ID, Name: ag.Name, Rule: why, Detail: detail})
	}
	names := NamesIn(agents)
	called := s.Called(fresh, names, may, d.Cause)
	someMay := false
	for i := range d.Candidates {
		c := &d.Candidates[i]
		if c.Callers, c.Called = called[c.AgentID]; c.Called {
			someMay = someMay || may[c.AgentID]
			s.behind(c, fresh, names, may)
		}
		if len(c.Callers) > 0 {
			c.AskedBy = c.Callers[len(c.Callers)-1]
		}
		if c.Called {
			c.RootID = s.threadOf(fresh, names, may, c.AgentID, d.Cause)
		}
	}
	if someMay {
		d.speakCalled(&s)
	} else {
		// An answer to a message that called somebody answers it for the others, too.
		left := d.Cause == CausePost && slices.ContainsFunc(fresh, func(m Message) bool {
			_, read := s.read(&m, names, may)
			return m.ByPerson() && read == 0
		})
		d.speakUnaddressed(&s, agents, left, roll)
	}
	return d
}

// inOrder returns agents in the order in which they speak.
func inOrder(agents []*RoomAgent) []*RoomAgent {
	agents = slices.Clone(agents)
	sort.SliceStable(agents, func(i, j int) bool { return agents[i].precedence() < agents[j].precedence() })
	return agents
}

// Called returns which agents the messages call, also those that may not speak. For
// each of them it lists the people who asked, each once, the last one last.
func (s *Snapshot) Called(messages []Message, names Names, may map[string]bool, cause string) map[string][]string {
	called := map[string][]string{}
	for i := range messages {
		m := &messages[i]
		if cause == CausePost && m.ByAgent {
			continue
		}
		for _, id := range names.Called(m.Content, may) {
			if id == m.AgentID || s.answered(m, id) || s.readBy(m, id) {
				continue
			}
			who := s.askedBy(m)
			others := slices.DeleteFunc(called[id], func(u string) bool { return u == who })
			if called[id] = others; who != "" {
				called[id] = append(others, who)
			}
		}
	}
	return called
}

// readBy tells whether an agent has read a person's message in a turn and spoken then.
func (s *Snapshot) readBy(m *Message, agentID string) bool {
	return !m.ByAgent && m.Seq > s.Room.StreakFrom &&
		slices.ContainsFunc(s.Agents, func(ag *RoomAgent) bool { return ag.ID == agentID && ag.ReadSeq >= m.Seq })
}

// behind has a called agent that is busy speak after its turn, unless that turn is about
// the last message that calls it.
func (s *Snapshot) behind(c *Candidate, fresh []Message, names Names, may map[string]bool) {
	about, busy := s.Busy[c.AgentID]
	if !busy {
		return
	}
	for i := range fresh {
		if m := &fresh[i]; !m.ByAgent && slices.Contains(names.Called(m.Content, may), c.AgentID) {
			c.Behind = m.Seq
		}
	}
	switch {
	case c.Rule != "":
	case c.Behind <= about:
		c.Called, c.Rule = false, RuleBusy
	case c.Behind <= s.Room.StreakFrom: // decided about before; that turn had this seq
		c.Behind = s.Room.EventSeq
	}
}

// answered tells whether an agent has spoken after a message before the point from
// which staff let the agents go on. Such an agent was not cut off, and has said what
// it had to say.
func (s *Snapshot) answered(m *Message, agentID string) bool {
	return m.Seq <= s.Room.StreakFrom &&
		slices.ContainsFunc(s.Messages, func(l Message) bool { return l.AgentID == agentID && l.Seq > m.Seq })
}

// askedBy is who is behind a message: its author, or, for an agent's message, the person
// or bot that spoke last before it.
func (s *Snapshot) askedBy(m *Message) string {
	for i := len(s.Messages) - 1; i >= 0; i-- {
		if l := &s.Messages[i]; l.Seq <= m.Seq && !l.ByAgent {
			return l.SenderID
		}
	}
	return ""
}

// lastPerson is the person who spoke last.
func (s *Snapshot) lastPerson() string {
	for i := len(s.Messages) - 1; i >= 0; i-- {
		if m := &s.Messages[i]; m.ByPerson() {
			return m.SenderID
		}
	}
	return ""
}

// speakCalled lets all agents speak that were called, as far as the guards allow it.
func (d *Decision) speakCalled(s *Snapshot) {
	left, guard := s.MaxStreak, GuardStreak
	if d.Cause == CauseAgents {
		left, guard = s.guarded()
	}
	for i := range d.Candidates {
		c := &d.Candidates[i]
		switch {
		case c.Rule != "":
		case !c.Called:
			c.Rule = RuleOthers
		case left <= 0:
			c.Rule, c.Detail, d.Guard = RuleGuard, guard, guard
		default:
			c.Speaks, c.Rule = true, RuleMentioned
			left--
		}
	}
}

// speakUnaddressed lets the first agent speak whose trigger or roll says so, if a message
// of a person is left that nobody has answered. Agents' messages that call nobody need no
// answer. An agent that hears each message speaks besides: most often it has nothing to
// say, and nobody knows before it was asked.
func (d *Decision) speakUnaddressed(s *Snapshot, agents []*RoomAgent, left bool, roll func() float64) {
	taken := false
	for i := range d.Candidates {
		c := &d.Candidates[i]
		switch {
		case c.Rule != "":
		case !left:
			c.Rule = RuleNotCalled
		case taken && !agents[i].hears():
			c.Rule = RuleOthers
		default:
			v := triggered(s, agents[i], roll)
			c.Speaks, c.Rule, c.Detail, c.Roll, c.Chance = v.Speak, v.Rule, v.Detail, v.Roll, v.Chance
			taken = taken || v.Speak && !agents[i].hears()
			if v.Speak {
				c.AskedBy = s.lastPerson()
				c.RootID = s.threadAnswered(agents[i])
			}
		}
	}
}

// CanSpeak returns why an agent may not speak in the room at all: a rule, and a detail
// for staff. rule is "" when the agent may speak.
func (s *Snapshot) CanSpeak(ag *RoomAgent) (rule, detail string) {
	rule, detail = ag.CanSpeak(&s.Room, ag.OwnMessages(&s.Room, s.Messages, s.Now), s.Now)
	if why := s.Keyless[ag.ID]; rule == "" && why != "" {
		return RuleNoKey, why
	}
	return rule, detail
}

// BotAsks tells whether a bot wrote one of the fresh messages.
func (s *Snapshot) BotAsks() bool {
	return slices.ContainsFunc(s.Fresh(), func(m Message) bool { return m.ByBot })
}

// IsBot tells whether the author of a fresh message is a bot.
func (s *Snapshot) IsBot(senderID string) bool {
	return slices.ContainsFunc(s.Fresh(), func(m Message) bool { return m.ByBot && m.SenderID == senderID })
}

// Gone returns the agents that fresh messages of people and bots call and that have spoken in
// the room lately, but are not in it any more.
func (s *Snapshot) Gone(d *Decision) []Candidate {
	if d.Cause != CausePost && !s.BotAsks() {
		return nil
	}
	was := map[string]*Candidate{}
	var names []mention.Agent
	for i := range s.Spoken {
		m := &s.Spoken[i]
		here := slices.ContainsFunc(s.Agents, func(ag *RoomAgent) bool { return ag.ID == m.AgentID || ag.Name == m.AgentName })
		if !m.ByAgent || m.AgentID == "" || here || was[m.AgentID] != nil {
			continue
		}
		was[m.AgentID] = &Candidate{AgentID: m.AgentID, Name: m.AgentName, Called: true, Rule: RuleGone}
		names = append(names, mention.Agent{ID: m.AgentID, Name: m.AgentName})
	}
	var found []Candidate
	for id, callers := range s.Called(s.Fresh(), Names{mention.Of(names)}, nil, CausePost) {
		c := *was[id]
		c.Callers = callers
		found = append(found, c)
	}
	sort.Slice(found, func(i, j int) bool { return found[i].AgentID < found[j].AgentID })
	return found
}

// verdict is what an agent's trigger says about messages that call nobody.
type verdict struct {
	Speak        bool
	Rule         string
	Detail       string // more about the rule, for staff
	Roll, Chance *float64
}

// triggered tells whether messages that call nobody make an agent speak. An agent
// with a trigger speaks when the trigger's conditions hold. Other agents roll once
// against the room's frequency, participants against 80 % of it, so that they do not
// drown the class. An agent outside this program hears each message. Agents of any other
// part wait until they are called.
func triggered(s *Snapshot, ag *RoomAgent, roll func() float64) verdict {
	if len(ag.Problems) > 0 && !ag.Trigger.Chance {
		return verdict{Rule: RuleTrigger, Detail: ag.Problems[0]}
	}
	if !ag.Trigger.Chance {
		met, by, why := ag.Trigger.Met(ag.Facts(&s.Room, s.Unread[ag.ID], s.Now))
		return verdict{Speak: met, Rule: by, Detail: why}
	}
	if ag.hears() {
		return verdict{Speak: true, Rule: RuleHears}
	}
	if chance, ok := ag.chance(&s.Room); ok {
		return rolled(roll(), chance)
	}
	return verdict{Rule: RuleNotCalled}
}

// hears tells whether an agent hears each message of a person: it is outside this program,
// and nothing says when it speaks.
func (p *RoomAgent) hears() bool { return p.External && p.Trigger.Chance }

// chance is how likely an agent without a trigger answers a message that calls nobody. ok
// is false for an agent that waits until it is called.
func (a *Agent) chance(r *Room) (chance float64, ok bool) {
	switch a.Part {
	case Instructor:
		return r.Frequency, true
	case Participant:
		return 0.8 * r.Frequency, true
	}
	return 0, false
}

// rolled is the verdict of a roll against a chance.
func rolled(roll, chance float64) verdict {
	return verdict{Speak: roll < chance, Rule: RuleChance, Roll: &roll, Chance: &chance}
}

// Names are the names of a room's agents, prepared once for many messages.
type Names struct{ *mention.Names }

// NamesOf prepares the names of agents.
func NamesOf(agents []Agent) Names {
	all := make([]mention.Agent, len(agents))
	for i := range agents {
		all[i] = agents[i].named()
	}
	return Names{mention.Of(all)}
}

// NamesIn is NamesOf for the agents of a room.
func NamesIn(agents []*RoomAgent) Names {
	all := make([]mention.Agent, len(agents))
	for i, ag := range agents {
		all[i] = ag.named()
	}
	return Names{mention.Of(all)}
}

func (a *Agent) named() mention.Agent {
	return mention.Agent{ID: a.ID, Name: a.Name, Type: a.Type, Teacher: a.Teacher, Instructor: a.Part == Instructor}
}

// Called returns the ids of the agents that a text calls, each once. A word that can
// mean several agents means the first of them that may speak; when none may, or may
// is nil, the first of all.
func (n Names) Called(content string, may map[string]bool) []string {
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
