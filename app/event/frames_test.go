package event

import (
	"testing"

	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/store"
)

// What the four variants get of the events and signals that are neither messages,
// turns nor artifacts.
func TestFramesOfEachVariant(t *testing.T) {
	t.Parallel()
	const end = `,"id":"e1","seq":9,"timestamp":"2026-03-01T12:30:00.000005Z"}`
	system := func(text string) string {
		return `{"type":"system","sender":"System","content":"` + text + `","timestamp":"","room_id":"r1","metadata":null}`
	}
	event := func(kind string, body any) func(realtime.Variant) []byte {
		e := realtime.Event{Room: "r1", Seq: 9, ID: "e1", Type: kind, At: someTime, Body: []byte(store.ToJSON(body))}
		return func(v realtime.Variant) []byte { return Frame(e, v) }
	}
	approval := Approval{StepID: "s1", TurnID: "t1", AgentID: "a1", AgentName: "Ada", Kind: "tool", Name: "draw", Summary: "draw <a> cat", State: "pending"}
	expired, refused := approval, approval
	expired.State, refused.State, refused.DecidedBy = "expired", "rejected", "Sue"
	asked := `{"type":"approval","step_id":"s1","turn_id":"t1","agent_id":"a1","agent_name":"Ada","kind":"tool","name":"draw","summary":"draw <a> cat",`
	trace := `{"type":"a2a_trace","sender":"[A2A DENIED]","content":"[A2A]|DENIED|no","timestamp":"`
	shown := `","room_id":"r1","metadata":{"is_a2a":true,"event_type":"DENIED"}`
	state := func(content string) string {
		return `{"type":"message_hidden","message_id":"m1","message_seq":7,"state":"hidden","content":"` + content + `"` + end
	}
	for name, c := range map[string]struct {
		frame                          func(realtime.Variant) []byte
		plain, plainStaff, v2, v2Staff string
	}{
		"Guard": {event(TypeGuard, Guard{State: GuardStopped, Guard: "agent_row", DecisionID: "d1", Agents: []string{"Ada"}}),
			"", "", "", `{"type":"guard","state":"stopped","guard":"agent_row","decision_id":"d1","agents":["Ada"]` + end},
		"BudgetEmpty": {event(TypeBudget, Budget{State: BudgetEmpty, BudgetID: "b1", ScopeKind: "room", RenewsAt: "2026-04-01T00:00:00.000000Z", Detail: "the budget of this room is used up"}),
			system("The budget for the answers of agents is used up. It renews at 2026-04-01 00:00 UTC."), system("The budget of this room is used up."),
			`{"type":"budget","state":"empty","budget_id":"b1","scope_kind":"room","renews_at":"2026-04-01T00:00:00.000000Z"` + end,
			`{"type":"budget","state":"empty","budget_id":"b1","scope_kind":"room","renews_at":"2026-04-01T00:00:00.000000Z","detail":"the budget of this room is used up"` + end},
		"BudgetLow": {event(TypeBudget, Budget{State: BudgetLow, BudgetID: "b1", ScopeKind: "room", Detail: "most is spent"}), "", system("Most is spent."), "",
			`{"type":"budget","state":"low","budget_id":"b1","scope_kind":"room","detail":"most is spent"` + end},
		"Approval": {event(TypeApproval, approval), "", system("Ada waits for the staff: it wants to draw <a> cat."), "", asked + `"state":"pending"` + end},
		"Expired":  {event(TypeApproval, expired), "", system("Nobody decided in time whether Ada may draw <a> cat."), "", asked + `"state":"expired"` + end},
		"Refused": {event(TypeApproval, refused), "", system("Sue has refused that Ada may draw <a> cat."), "",
			asked + `"state":"rejected","decided_by":"Sue"` + end},
		"Trace": {event(TypeTrace, Trace{Event: TraceDenied, Details: "no", TurnID: "t1"}), trace + shown + "}", trace + shown + "}",
			trace + "2026-03-01T12:30:00.000005Z" + shown + `,"id":"e1","seq":9,"turn_id":"t1"}`,
			trace + "2026-03-01T12:30:00.000005Z" + shown + `,"id":"e1","seq":9,"turn_id":"t1"}`},
		"Hidden": {event(TypeMessageHidden, StateOf(&store.Message{ID: "m1", Seq: 7, Content: "rude", HiddenAt: someTime})),
			"", "", state("(hidden by staff)"), state("rude")},
		"Workflow": {func(v realtime.Variant) []byte {
			w := Workflow{TurnID: "t1", Workflow: "review", Node: "n1", NodeType: "agent", State: "finished", Label: "good"}
			return encodeSignal("r1", realtime.Signal{Type: SignalWorkflow, Body: []byte(store.ToJSON(w))}, v)
		}, "", "", `{"type":"workflow","turn_id":"t1","workflow":"review","node":"n1","node_type":"agent","state":"finished"}`,
			`{"type":"workflow","turn_id":"t1","workflow":"review","node":"n1","node_type":"agent","state":"finished","label":"good"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for i, want := range []string{c.plain, c.plainStaff, c.v2, c.v2Staff} {
				if got := string(c.frame(VariantFor(i > 1, i%2 == 1))); got != want {
					t.Errorf("coagent.v2 %v, staff %v:\n got %s\nwant %s", i > 1, i%2 == 1, got, want)
				}
			}
		})
	}
}

func TestEscapeTrace(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{"[A2A]|PROPOSAL|x": "\u200b[A2A]|PROPOSAL|x", "see [A2A]": "see [A2A]", "": "", "[A2": "[A2"} {
		if got := EscapeTrace(content); got != want {
			t.Errorf("%q: got %q, want %q", content, got, want)
		}
	}
}
