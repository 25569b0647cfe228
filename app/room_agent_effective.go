package app

import (
	"fmt"
	"time"

	"github.com/coagent-studio/coagent/app/schedule"
	"github.com/coagent-studio/coagent/store"
)

// roomAgent is an agent in one room, with its effective settings there: the agent's
// own settings, then those of the room, then what the agent has changed itself. The
// later ones win.
type roomAgent struct {
	*store.RoomAgent
	zone *time.Location

	triggerText  store.JSON // the text that trigger was read from
	scheduleText store.JSON
	trigger      *schedule.Trigger
	hours        *schedule.Schedule
	// problems say, for staff, which settings cannot be read. An agent whose trigger
	// cannot be read speaks when it is called. One whose schedule cannot be read
	// speaks at any time.
	problems []string
}

func (a *App) effective(ra *store.RoomAgent, now time.Time) *roomAgent {
	return placedAgent(ra, now, a.zone)
}

func placedAgent(ra *store.RoomAgent, now time.Time, zone *time.Location) *roomAgent {
	p := &roomAgent{RoomAgent: ra, zone: zone}
	trigger := schedule.MergeTrigger(string(ra.Agent.TriggerConfig), string(ra.TriggerConfig))
	if p.overridden(now) {
		trigger = schedule.MergeTrigger(trigger, string(ra.Override))
	}
	hours := schedule.MergeSchedule(string(ra.Agent.ScheduleConfig), string(ra.ScheduleConfig))
	p.triggerText, p.scheduleText = store.JSON(trigger), store.JSON(hours)
	var err error
	if p.trigger, err = schedule.ParseTrigger(trigger); err != nil {
		p.trigger, p.problems = schedule.Never(), append(p.problems, err.Error())
	}
	if p.hours, err = schedule.ParseSchedule(hours, zone); err != nil {
		p.hours, p.problems = schedule.Always(zone), append(p.problems, err.Error())
	}
	return p
}

// overridden tells whether the changes that the agent made itself are in force.
func (p *roomAgent) overridden(now time.Time) bool {
	return p.Override != "" && (p.OverrideUntil.IsZero() || now.Before(p.OverrideUntil))
}

// contextMessages is how many messages of the room its model gets at most.
func (p *roomAgent) contextMessages() int {
	n := p.Agent.ContextWindow
	if p.ContextWindow > 0 {
		n = p.ContextWindow
	}
	switch lines := p.trigger.Lines; {
	case lines == schedule.AllLines:
		n = store.MaxLimit
	case lines > 0:
		n = lines
	}
	return min(n, store.MaxLimit)
}

// since is when its trigger began to count.
func (p *roomAgent) since() time.Time {
	if p.Since.IsZero() {
		return p.CreatedAt
	}
	return p.Since
}

// cleared is when its state was last cleared, or zero for never.
func (p *roomAgent) cleared(now time.Time) time.Time {
	return p.trigger.LastReset(p.since(), now, p.zone)
}

// scheduleFacts are the facts that its trigger is judged by. unread is how many
// people's messages it has not read.
func (p *roomAgent) scheduleFacts(r *store.Room, unread int, now time.Time) schedule.Facts {
	f := schedule.Facts{Now: now, Since: p.since(), Spoke: p.SpokeAt, Messages: unread}
	if !r.PersonAt.Before(p.cleared(now)) {
		f.Person, f.Unread, f.Broken = r.PersonAt, r.PersonSeq > p.ReadSeq, r.PersonSeq > p.BrokeSeq
	}
	return f
}

// canEverSpeak is canSpeak without the reasons that pass by themselves: mute and
// schedule.
func (p *roomAgent) canEverSpeak(r *store.Room, own int, now time.Time) (rule, detail string) {
	switch ag := p.Agent; {
	case ag.IsExternal:
		return ruleExternal, ""
	case !r.IsAIActive || r.AIMode == ModeOff:
		return ruleRoomOff, ""
	case !ag.IsActive:
		return ruleInactive, ""
	case !p.IsActive:
		return ruleOffHere, ""
	case r.AIMode != ModeBoth && partOf(ag) == categoryParticipant:
		return ruleMode, ""
	}
	if why := p.asleep(r, own, now); why != "" {
		return ruleAsleep, why
	}
	return "", ""
}

// canSpeak returns why an agent may not speak in a room: one of the rules of
// decisions.go, and a detail for staff. rule is "" when the agent may speak. own is
// how many messages it has posted since a person spoke or staff woke it.
func (p *roomAgent) canSpeak(r *store.Room, own int, now time.Time) (rule, detail string) {
	if rule, detail := p.canEverSpeak(r, own, now); rule != "" {
		return rule, detail
	}
	switch {
	case now.Before(p.MutedUntil):
		return ruleMuted, "until " + p.clock(p.MutedUntil)
	case !p.hours.Open(now):
		if next, ok := p.hours.NextOpen(now); ok {
			return ruleSchedule, "until " + p.clock(next)
		}
		return ruleSchedule, "for good"
	}
	return "", ""
}

// clock formats a time for the room's staff, in the program's time zone.
func (p *roomAgent) clock(t time.Time) string { return t.In(p.zone).Format("2006-01-02 15:04 MST") }

// asleep returns why the agent sleeps, or "" when it is awake. A person's message
// always wakes it, so an agent that sleeps has had none since.
func (p *roomAgent) asleep(r *store.Room, own int, now time.Time) string {
	quiet := latest(r.PersonAt, p.WokenAt, p.cleared(now))
	switch t := p.trigger; {
	case !p.AsleepAt.IsZero() && r.PersonSeq <= p.AsleepSeq && !p.AsleepAt.Before(p.cleared(now)):
		return "until a person speaks"
	case t.Monologue > 0 && own >= t.Monologue:
		return fmt.Sprintf("%d lines of its own in a row; until a person speaks", own)
	case t.UserTimeout > 0 && !now.Before(latest(quiet, p.since()).Add(t.UserTimeout)):
		return fmt.Sprintf("no person has spoken for %v", t.UserTimeout)
	}
	return ""
}

func latest(all ...time.Time) time.Time {
	var t time.Time
	for _, u := range all {
		if u.After(t) {
			t = u
		}
	}
	return t
}

// ownMessages counts which of these messages the agent has posted since a person
// spoke, staff woke it, or its state was cleared.
func (p *roomAgent) ownMessages(r *store.Room, lines []store.Message, now time.Time) int {
	n, cleared := 0, p.cleared(now)
	for i := range lines {
		if m := &lines[i]; m.AgentID == p.AgentID && m.Seq > max(r.PersonSeq, p.WokenSeq) && !m.CreatedAt.Before(cleared) {
			n++
		}
	}
	return n
}

// due returns when the passing of time will make the agent speak, now at the
// earliest. The date is within its schedule and after its mute. Zero means never.
func (p *roomAgent) due(r *store.Room, f schedule.Facts, own int) time.Time {
	at, ok := p.trigger.Due(f)
	if !ok {
		return time.Time{}
	}
	if rule, _ := p.canEverSpeak(r, own, f.Now); rule != "" {
		return time.Time{}
	}
	if at, ok = p.hours.NextOpen(latest(at, p.MutedUntil, f.Now)); !ok {
		return time.Time{}
	}
	return at
}

// sooner returns the row that sets a trigger's date to due, if the stored date would
// be too late. A stored date that is too early stays: it is corrected when it comes.
// So not every message in a lively room costs a write.
func (p *roomAgent) sooner(due time.Time) (row store.Rearmed, ok bool) {
	if due.IsZero() || !p.NextDueAt.IsZero() && !due.Before(p.NextDueAt) {
		return row, false
	}
	return store.Rearmed{RoomID: p.RoomID, AgentID: p.AgentID, NextDueAt: due}, true
}
