package turntaking

import (
	"math"
	"time"

	"github.com/coagent-studio/coagent/app/mention"
)

// This file tells of most messages, before they are stored, that no agent will answer
// them. Then nothing has to be decided about them.

// Known is what is known of a room's agents after one of its events.
type Known struct {
	Agents []*RoomAgent // in any order
	AsOf   int64        // the seq of that event
	// Unread counts, by agent id, the people's messages that an agent has not read, at
	// least as many as there are, if its trigger needs the number.
	Unread map[string]int
}

// Waits tells whether all agents that do not roll stay silent about a new message of a
// person that calls nobody, and whether no trigger needs another date because of it. This
// holds while the message's seq is not above upTo: a count may be reached then.
func (k *Known) Waits(r Room, now time.Time) (upTo int64, ok bool) {
	r = afterPost(r, now)
	upTo = math.MaxInt64
	for _, p := range k.Agents {
		n := p.Trigger.Messages
		switch {
		case !p.acts(&r, math.MaxInt, now):
		case n > 0 && !p.acts(&r, n-1, now):
			upTo = min(upTo, k.AsOf+int64(n-1-k.Unread[p.ID]))
		default:
			return 0, false
		}
	}
	return upTo, true
}

// Rolled rolls for a new message of a person that calls nobody, for one agent after the
// other until one hits, as Decide does when no other agent speaks.
func (k *Known) Rolled(r Room, now time.Time, roll func() float64) (rolls []float64, hit bool) {
	r = afterPost(r, now)
	for _, p := range inOrder(k.Agents) {
		chance, rolling := p.chance(&r)
		if !p.hears() && (!rolling || !p.Trigger.Chance) {
			continue
		}
		if rule, _ := p.CanSpeak(&r, 0, now); rule != "" {
			continue
		}
		if p.hears() {
			return rolls, true
		}
		rolls = append(rolls, roll())
		if rolls[len(rolls)-1] < chance {
			return rolls, true
		}
	}
	return rolls, false
}

// Silent says about each agent of s why it did not answer a person's message that no
// agent answers. Without s.Unread, it is not known what the agents had read and said when
// the message came.
func Silent(s *Snapshot, rolls []float64) (all []Candidate) {
	next := 0
	roll := func() float64 {
		if next++; next > len(rolls) {
			return 1
		}
		return rolls[next-1]
	}
	for _, p := range inOrder(s.Agents) {
		c := Candidate{AgentID: p.ID, Name: p.Name}
		if c.Rule, c.Detail = p.CanSpeak(&s.Room, 0, s.Now); c.Rule == "" {
			v := triggered(s, p, roll)
			c.Rule, c.Detail, c.Roll, c.Chance = v.Rule, v.Detail, v.Roll, v.Chance
			if s.Unread == nil {
				c.Detail = ""
			}
			if next > len(rolls) { // it came later, or its settings did
				c.Roll, c.Chance = nil, nil
			}
		}
		all = append(all, c)
	}
	return all
}

// MayCall tells whether a text may call somebody, also an agent that is gone. Decide has
// to find out.
func MayCall(text string) bool { return mention.May(text) }

// afterPost is the room after a new message of a person. Its seq is not known yet; it is
// above all others.
func afterPost(r Room, now time.Time) Room {
	r.PersonSeq, r.PersonAt = math.MaxInt64, now
	return r
}

// acts tells whether the agent speaks about a new message of a person or needs an earlier
// date for its trigger, without a roll. unread is how many messages it has not read.
func (p *RoomAgent) acts(r *Room, unread int, now time.Time) bool {
	f := p.Facts(r, unread, now)
	if rule, _ := p.CanSpeak(r, 0, now); rule == "" && !p.Trigger.Chance {
		if met, _, _ := p.Trigger.Met(f); met {
			return true
		}
	}
	return p.Sooner(p.Due(r, f, 0))
}

// Rolls returns the source of rolls for Decide. It gives for each agent the least of the
// rolls that were made for the fresh messages of people when they were posted, and
// together one new roll for those for which none was made.
func (s *Snapshot) Rolls(roll func() float64) func() float64 {
	agent := -1
	return func() float64 {
		agent++
		least, without := math.Inf(1), false
		for _, m := range s.Fresh() {
			switch {
			case !m.ByPerson():
			case agent < len(m.Rolls):
				least = min(least, m.Rolls[agent])
			default:
				without = true
			}
		}
		if without {
			least = min(least, roll())
		}
		return least
	}
}
