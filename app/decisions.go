package app

import (
	"context"
	"time"

	"github.com/coagent-studio/coagent/app/schedule"
	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
)

// What made a room decide.
const (
	causePost   = "post"        // a person's message
	causeAgents = "agent_lines" // only agents' messages
	causeGoOn   = "go_on"       // staff let the agents go on after a guard had stopped them
	causeWake   = "wake"        // staff woke an agent; decisions that time causes have the names of ruleInterval, ruleSilence and ruleCount
)

// Why an agent speaks or does not; staff read them together with the detail. They are
// stored, so they are never renamed.
const (
	ruleMentioned = "mentioned"           // a message calls it
	ruleChance    = "chance"              // its roll was below its chance, or not
	ruleCount     = schedule.MessageCount // enough messages since it last spoke
	ruleInterval  = schedule.TimeInterval // enough time since it last spoke
	ruleSilence   = schedule.Silence      // nobody spoke for long enough
	ruleTrigger   = "trigger"             // its trigger cannot be read
	ruleNotCalled = "not_called"          // it speaks only when called, and nobody called it
	ruleOthers    = "others"              // others were called, or an agent before it speaks
	ruleGuard     = "guard"               // it was called, and a guard cut it off
	ruleExternal  = "external"            // it runs outside this program and takes no turns
	ruleRoomOff   = "room_off"            // the room's AI is switched off
	ruleInactive  = "inactive"            // the agent is switched off
	ruleMode      = "mode"                // the room's mode excludes agents of its kind
	ruleOffHere   = "inactive_here"       // the agent is switched off in this room
	ruleMuted     = "muted"               // staff have muted it here
	ruleAsleep    = "asleep"              // it sleeps until a person speaks
	ruleSchedule  = "schedule"            // it is outside its hours
	ruleNoKey     = reasonNoKey           // it was called, and has no key for its model
	ruleGone      = "gone"                // it was called, and is not in the room any more
	ruleWoken     = "woken"               // staff have woken it
	ruleBusy      = "busy"                // it is about to speak already
)

// decision is what each agent of a room does about the messages after From up to Seq.
// When the two are equal, there are no new messages. Without a Cause there was
// nothing to decide.
type decision struct {
	Cause      string
	From, Seq  int64
	Guard      string      // the guard that cut off agents which were called
	Candidates []candidate // in the order in which they would speak
}

// candidate is what one agent does, and why. Its JSON is stored.
type candidate struct {
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

	askedBy string   // the person whose message it answers, or who calls it
	callers []string // all people who call it, the last one last
}

// speakers are the candidates that speak, in order.
func (d *decision) speakers() []candidate {
	var speak []candidate
	for _, c := range d.Candidates {
		if c.Speaks {
			speak = append(speak, c)
		}
	}
	return speak
}

// unheard are the candidates that were called and do not speak, with the reason and
// the people who called them.
func (d *decision) unheard() (silent []candidate) {
	for _, c := range d.Candidates {
		if c.Called && !c.Speaks {
			silent = append(silent, c)
		}
	}
	return silent
}

// cutOffNames are the names of the agents that a guard keeps from speaking.
func (d *decision) cutOffNames() (names []string) {
	for _, c := range d.Candidates {
		if c.Rule == ruleGuard {
			names = append(names, c.Name)
		}
	}
	return names
}

// storeDecision stores a decision and the turns that follow from it. It returns
// store.ErrStale when another decision about these messages was faster, and
// store.ErrExists when a turn has begun in the room.
func (a *App) storeDecision(ctx context.Context, tx *store.Tx, roomID string, d *decision) error {
	if d.From < d.Seq {
		if err := tx.SetDecided(ctx, roomID, d.From, d.Seq); err != nil {
			return err
		}
	}
	if d.Cause == "" {
		return nil
	}
	now := a.instant()
	row, turns := d.rows(roomID, now)
	if err := tx.CreateDecisions(ctx, []store.Decision{row}); err != nil {
		return err
	}
	if d.Guard != "" {
		if err := a.storeGuard(ctx, tx, roomID, GuardEvent{State: guardStopped, Guard: d.Guard, DecisionID: row.ID, Agents: d.cutOffNames()}); err != nil {
			return err
		}
	}
	if len(turns) == 0 {
		return nil
	}
	a.queued(&turns[0], now)
	if err := tx.CreateTurns(ctx, turns); err != nil {
		return err
	}
	return a.queue.Add(ctx, tx, jobs.RunTurn{TurnID: turns[0].ID, Attempt: 1})
}

// rows returns the decision as it is stored, and its turns, which all wait.
func (d *decision) rows(roomID string, now time.Time) (store.Decision, []store.Turn) {
	row := store.Decision{ID: store.NewID(), RoomID: roomID, Cause: d.Cause, FromSeq: d.From, Seq: d.Seq, Guard: d.Guard,
		Candidates: toJSON(append([]candidate{}, d.Candidates...)), CreatedAt: now}
	var turns []store.Turn
	for i, c := range d.speakers() {
		turns = append(turns, store.Turn{ID: store.NewID(), RoomID: roomID, AgentID: c.AgentID, TriggerSeq: d.Seq, Position: i,
			State: store.TurnWaiting, Attempt: 1, CreatedAt: now, DecisionID: row.ID, Cause: d.Cause, AskedBy: c.askedBy})
	}
	return row, turns
}

// queued marks a turn as queued: its job is added in the same transaction.
func (a *App) queued(t *store.Turn, now time.Time) {
	t.State, t.LeaseUntil = store.TurnQueued, now.Add(a.cfg.Turns.Lease)
}
