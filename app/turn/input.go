package turn

import (
	"encoding/json"
	"time"

	"github.com/coagent-studio/coagent/app/turntaking"
	"github.com/coagent-studio/coagent/store"
)

// This file makes the input of package turntaking from rows.

// RoomAgent is an agent in one room: its row, and the settings that are effective there.
type RoomAgent struct {
	*store.RoomAgent
	Effective *turntaking.RoomAgent
}

// Effective reads the settings of an agent in a room that are effective at now. It reads
// schedules in zone.
func Effective(ra *store.RoomAgent, now time.Time, zone *time.Location) *RoomAgent {
	return &RoomAgent{ra, effectiveIn(ra, now, zone)}
}

// effectiveIn reads schedules in zone.
func effectiveIn(ra *store.RoomAgent, now time.Time, zone *time.Location) *turntaking.RoomAgent {
	ag := ra.Agent
	set := turntaking.Settings{AgentTrigger: string(ag.TriggerConfig), RoomTrigger: string(ra.TriggerConfig),
		OwnTrigger: string(ra.Override), OwnUntil: ra.OverrideUntil, AgentHours: string(ag.ScheduleConfig), RoomHours: string(ra.ScheduleConfig),
		AgentContext: ag.ContextWindow, RoomContext: ra.ContextWindow, Zone: zone}
	state := turntaking.State{On: ra.IsActive, Since: ra.Since, MutedUntil: ra.MutedUntil, AsleepAt: ra.AsleepAt, AsleepSeq: ra.AsleepSeq,
		WokenAt: ra.WokenAt, WokenSeq: ra.WokenSeq, SpokeAt: ra.SpokeAt, ReadSeq: ra.ReadSeq, BrokeSeq: ra.BrokeSeq, NextDueAt: ra.NextDueAt}
	if state.Since.IsZero() {
		state.Since = ra.CreatedAt
	}
	return turntaking.InRoom(agentOf(ag), set, state, now)
}

func agentOf(ag *store.Agent) turntaking.Agent {
	return turntaking.Agent{ID: ag.ID, Name: ag.Name, Type: ag.Type, Part: PartOf(ag), Teacher: ag.Type == store.AgentTeacher,
		On: ag.IsActive, External: ag.IsExternal}
}

// PartOf is the part of an agent in a room: its category. A student agent is a
// participant, whatever category is stored.
func PartOf(ag *store.Agent) string {
	if ag.Type == store.AgentStudent {
		return turntaking.Participant
	}
	return ag.Category
}

// namesOf prepares the names by which the agents of a room may be called.
func namesOf(agents []store.Agent) turntaking.Names {
	all := make([]turntaking.Agent, len(agents))
	for i := range agents {
		all[i] = agentOf(&agents[i])
	}
	return turntaking.NamesOf(all)
}

// Listens reports whether agents may see what is posted in a room.
func Listens(r *store.Room) bool {
	return r.IsAIActive && r.AIMode != store.ModeOff && r.ArchivedAt.IsZero()
}

// RoomOf is a room as package turntaking reads it.
func RoomOf(r *store.Room) *turntaking.Room {
	return &turntaking.Room{On: Listens(r), Participants: r.AIMode == store.ModeBoth, Frequency: r.AIFrequency,
		EventSeq: r.EventSeq, DecidedSeq: r.DecidedSeq, StreakFrom: r.StreakFrom, PersonSeq: r.PersonSeq, PersonAt: r.PersonAt}
}

// MessagesOf are messages as package turntaking reads them.
func MessagesOf(rows []store.Message) []turntaking.Message {
	all := make([]turntaking.Message, len(rows))
	for i := range rows {
		m := &rows[i]
		all[i] = turntaking.Message{Seq: m.Seq, At: m.CreatedAt, ByAgent: m.ByAgent(), ByBot: m.ByBot(), AgentID: m.AgentID, AgentName: m.AgentName,
			SenderID: m.SenderID, Content: m.Content, RootID: m.RootID}
		all[i].Rolls = rollsOf(m.Rolls)
	}
	return all
}

// rollsOf reads the rolls for a message. Without them the agents roll anew.
func rollsOf(text store.JSON) (rolls []float64) {
	if text != "" {
		_ = json.Unmarshal([]byte(text), &rolls)
	}
	return rolls
}
