package turntaking

import (
	"time"

	"github.com/coagent-studio/coagent/app/schedule"
	"github.com/coagent-studio/coagent/app/wording"
)

// Settings are how an agent is set: by itself, by the staff of one room, and by what it
// has changed itself there. The later ones win.
type Settings struct {
	AgentTrigger, RoomTrigger string // JSON; members of the later replace those of the earlier
	OwnTrigger                string // what the agent has changed itself
	OwnUntil                  time.Time
	AgentHours, RoomHours     string // JSON
	AgentContext, RoomContext int    // how many messages its model gets; 0 leaves the earlier
	Zone                      *time.Location
}

// State is what happened with an agent in one room.
type State struct {
	On         bool      // staff have not switched it off in this room
	Since      time.Time // its trigger counts from here
	MutedUntil time.Time
	AsleepAt   time.Time // put to sleep, until a person's message after AsleepSeq
	AsleepSeq  int64
	WokenAt    time.Time // staff woke it when the room's newest event was WokenSeq
	WokenSeq   int64
	SpokeAt    time.Time // its last message, or the last time its trigger made it speak
	ReadSeq    int64     // the newest event that its last turn had read
	BrokeSeq   int64     // the newest event when it last broke a silence
	NextDueAt  time.Time // no later than the time when its trigger is due; zero for never
}

// RoomAgent is an agent in one room, with its effective settings there.
type RoomAgent struct {
	Agent
	State
	Trigger *schedule.Trigger
	Hours   *schedule.Schedule
	// TriggerText and HoursText are the JSON that Trigger and Hours were read from.
	TriggerText, HoursText string
	// Overridden says that the changes which the agent made itself are in force.
	Overridden bool
	// Problems say, for staff, which settings cannot be read. An agent whose trigger
	// cannot be read speaks when it is called. One whose hours cannot be read speaks
	// at any time.
	Problems []string

	context int // how many messages its model gets, unless the trigger says so
	zone    *time.Location
}

// InRoom returns an agent in a room with the settings that are effective at now.
func InRoom(ag Agent, set Settings, state State, now time.Time) *RoomAgent {
	p := &RoomAgent{Agent: ag, State: state, zone: set.Zone, context: set.AgentContext,
		Overridden: set.OwnTrigger != "" && (set.OwnUntil.IsZero() || now.Before(set.OwnUntil))}
	if set.RoomContext > 0 {
		p.context = set.RoomContext
	}
	p.TriggerText = schedule.MergeTrigger(set.AgentTrigger, set.RoomTrigger)
	if p.Overridden {
		p.TriggerText = schedule.MergeTrigger(p.TriggerText, set.OwnTrigger)
	}
	p.HoursText = schedule.MergeSchedule(set.AgentHours, set.RoomHours)
	var err error
	if p.Trigger, err = schedule.ParseTrigger(p.TriggerText); err != nil {
		p.Trigger, p.Problems = schedule.Never(), append(p.Problems, err.Error())
	}
	if p.Hours, err = schedule.ParseSchedule(p.HoursText, set.Zone); err != nil {
		p.Hours, p.Problems = schedule.Always(set.Zone), append(p.Problems, err.Error())
	}
	return p
}

// ContextMessages is how many messages of the room its model gets, at most most.
func (p *RoomAgent) ContextMessages(most int) int {
	n := p.context
	switch window := p.Trigger.Window; {
	case window == schedule.AllMessages:
		n = most
	case window > 0:
		n = window
	}
	return min(n, most)
}

// Cleared is when its state was last cleared, or zero for never.
func (p *RoomAgent) Cleared(now time.Time) time.Time {
	return p.Trigger.LastReset(p.Since, now, p.zone)
}

// Facts are the facts that its trigger is judged by. unread is how many people's
// messages it has not read.
func (p *RoomAgent) Facts(r *Room, unread int, now time.Time) schedule.Facts {
	f := schedule.Facts{Now: now, Since: p.Since, Spoke: p.SpokeAt, Messages: unread}
	if !r.PersonAt.Before(p.Cleared(now)) {
		f.Person, f.Unread, f.Broken = r.PersonAt, r.PersonSeq > p.ReadSeq, r.PersonSeq > p.BrokeSeq
	}
	return f
}

// canEverSpeak is CanSpeak without the reasons that pass by themselves: mute and
// hours.
func (p *RoomAgent) canEverSpeak(r *Room, own int, now time.Time) (rule, detail string) {
	switch {
	case !r.On:
		return RuleRoomOff, ""
	case !p.Agent.On:
		return RuleInactive, ""
	case !p.State.On:
		return RuleOffHere, ""
	case !r.Participants && p.Part == Participant:
		return RuleMode, ""
	}
	if why := p.Asleep(r, own, now); why != "" {
		return RuleAsleep, why
	}
	return "", ""
}

// CanSpeak returns why an agent may not speak in a room: a rule, and a detail for
// staff. rule is "" when the agent may speak. own is how many messages it has posted
// since a person spoke or staff woke it, see OwnMessages.
func (p *RoomAgent) CanSpeak(r *Room, own int, now time.Time) (rule, detail string) {
	if rule, detail := p.canEverSpeak(r, own, now); rule != "" {
		return rule, detail
	}
	switch {
	case now.Before(p.MutedUntil):
		return RuleMuted, wording.Of("until %s", p.clock(p.MutedUntil)).String()
	case !p.Hours.Open(now):
		if next, ok := p.Hours.NextOpen(now); ok {
			return RuleSchedule, wording.Of("until %s", p.clock(next)).String()
		}
		return RuleSchedule, wording.Of("for good").String()
	}
	return "", ""
}

// clock formats a time for the room's staff, in the zone of the settings.
func (p *RoomAgent) clock(t time.Time) string { return t.In(p.zone).Format("2006-01-02 15:04 MST") }

// Asleep returns why the agent sleeps, or "" when it is awake. A person's message
// always wakes it, so an agent that sleeps has had none since.
func (p *RoomAgent) Asleep(r *Room, own int, now time.Time) string {
	quiet := Latest(r.PersonAt, p.WokenAt, p.Cleared(now))
	switch t := p.Trigger; {
	case !p.AsleepAt.IsZero() && r.PersonSeq <= p.AsleepSeq && !p.AsleepAt.Before(p.Cleared(now)):
		return wording.Of("until a person speaks").String()
	case t.Monologue > 0 && own >= t.Monologue:
		return wording.Of("%d messages of its own in a row; until a person speaks", own).String()
	case t.UserTimeout > 0 && !now.Before(Latest(quiet, p.Since).Add(t.UserTimeout)):
		return wording.Of("no person has spoken for %v", t.UserTimeout).String()
	}
	return ""
}

// Latest returns the latest of these times.
func Latest(all ...time.Time) time.Time {
	var t time.Time
	for _, u := range all {
		if u.After(t) {
			t = u
		}
	}
	return t
}

// OwnMessages counts which of these messages the agent has posted since a person
// spoke, staff woke it, or its state was cleared.
func (p *RoomAgent) OwnMessages(r *Room, messages []Message, now time.Time) int {
	n, cleared := 0, p.Cleared(now)
	for i := range messages {
		if m := &messages[i]; m.AgentID == p.ID && m.Seq > max(r.PersonSeq, p.WokenSeq) && !m.At.Before(cleared) {
			n++
		}
	}
	return n
}

// Due returns when the passing of time will make the agent speak, now at the
// earliest. The date is within its hours and after its mute. Zero means never.
func (p *RoomAgent) Due(r *Room, f schedule.Facts, own int) time.Time {
	at, ok := p.Trigger.Due(f)
	if !ok {
		return time.Time{}
	}
	if rule, _ := p.canEverSpeak(r, own, f.Now); rule != "" {
		return time.Time{}
	}
	if at, ok = p.Hours.NextOpen(Latest(at, p.MutedUntil, f.Now)); !ok {
		return time.Time{}
	}
	return at
}

// Sooner tells whether due has to be stored as the new date of the trigger, because
// the stored date would be too late. A stored date that is too early stays: it is
// corrected when it comes. So not every message in a lively room costs a write.
func (p *RoomAgent) Sooner(due time.Time) bool {
	return !due.IsZero() && (p.NextDueAt.IsZero() || due.Before(p.NextDueAt))
}

// Sooner returns, by agent id, the new dates of triggers that only time will fulfil,
// where the stored date would be too late. It leaves out the agents that speak now.
func (s *Snapshot) Sooner(speakers ...string) map[string]time.Time {
	dates := map[string]time.Time{}
	for _, p := range s.Agents {
		speaks := false
		for _, id := range speakers {
			speaks = speaks || id == p.ID
		}
		if speaks {
			continue
		}
		due := p.Due(&s.Room, p.Facts(&s.Room, s.Unread[p.ID], s.Now), p.OwnMessages(&s.Room, s.Messages, s.Now))
		if p.Sooner(due) {
			dates[p.ID] = due
		}
	}
	return dates
}
