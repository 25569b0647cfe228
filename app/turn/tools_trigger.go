package turn

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/schedule"
	"github.com/coagent-studio/coagent/store"
)

// triggerArgs are the arguments of update_trigger.
type triggerArgs struct {
	Type  string  `json:"trigger_type"`
	Value float64 `json:"value"`
}

// updateTrigger asks to change when the agent speaks by itself. The change is only for
// this room, stays within the limits that staff have set there, and lasts as long as
// they say. If staff have set no limits, the agent can change nothing.
func updateTrigger() *Tool {
	return &Tool{Name: "update_trigger", Needs: []string{CapTriggerWrite}, Plan: planTrigger, Run: runTrigger,
		useful: (*RoomAgent).mayChangeTrigger,
		Description: "Change when you speak by yourself in this room: message_count is after so many messages of people, time_interval every so many seconds, " +
			"silence after so many seconds in which nobody spoke. A value beyond what the staff allow becomes the nearest that they do.",
		Schema: `{"type":"object","properties":{"trigger_type":{"type":"string","enum":["message_count","time_interval","silence"]},` +
			`"value":{"type":"number","exclusiveMinimum":0,"maximum":1000000}},"required":["trigger_type","value"],"additionalProperties":false}`}
}

var errTriggerFixed = toolErrorf("forbidden", "the staff of this room let you change nothing of when you speak")

// mayChangeTrigger reports whether staff let the agent change when it speaks.
func (p *RoomAgent) mayChangeTrigger() bool {
	_, _, ok := p.Effective.Trigger.Changed(schedule.MessageCount, 1)
	return ok
}

func planTrigger(_ context.Context, c *Call) (Plan, error) {
	args, err := Arguments[triggerArgs](c)
	if err != nil {
		return Plan{}, err
	}
	here := c.run.roomAgents[c.part.agent.ID]
	if here == nil {
		return Plan{}, errTriggerFixed
	}
	patch, lasting, ok := here.Effective.Trigger.Changed(args.Type, args.Value)
	if !ok {
		return Plan{}, errTriggerFixed
	}
	how := "until it is set anew"
	if lasting > 0 {
		how = "for " + lasting.String()
	}
	return Plan{Effect: EffectOutgoing, Summary: fmt.Sprintf("change when it speaks by itself in this room, %s, to %s", how, patch)}, nil
}

// runTrigger makes the change, within what the room's settings allow now. The agent's
// trigger is then judged anew.
func runTrigger(ctx context.Context, tx *store.Tx, c *Call) (Result, error) {
	args, err := Arguments[triggerArgs](c)
	if err != nil {
		return Result{}, err
	}
	e, now := c.run.engine, c.run.engine.instant()
	ra, err := tx.RoomAgentForUpdate(ctx, c.run.turn.RoomID, c.part.agent.ID)
	if err != nil {
		return Result{}, err
	}
	if ra.Agent, err = tx.Agent(ctx, ra.AgentID); err != nil {
		return Result{}, err
	}
	patch, lasting, ok := effectiveIn(ra, now, e.zone).Trigger.Changed(args.Type, args.Value)
	if !ok {
		return Result{}, errTriggerFixed
	}
	ra.Override, ra.OverrideUntil, ra.NextDueAt = store.JSON(patch), time.Time{}, now
	if lasting > 0 {
		ra.OverrideUntil = now.Add(lasting)
	}
	if err := tx.UpdateRoomAgent(ctx, ra); err != nil {
		return Result{}, err
	}
	return Reply(struct {
		Changed json.RawMessage `json:"changed"`
		Until   string          `json:"until,omitempty"`
	}{json.RawMessage(ra.Override), untilText(ra.OverrideUntil)}), nil
}

func untilText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return event.Timestamp(t)
}
