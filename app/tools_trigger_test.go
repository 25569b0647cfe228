package app_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/app/workflow"
	"github.com/coagent-studio/coagent/store/storetest"
)

// boundedTrigger is a trigger that its agent may change, within bounds.
const boundedTrigger = `{"trigger":{"enabled_conditions":["message_count"],"message_count":50},
	"self_modification":{"duration_hours":2,"bounds":{"message_count":{"min":20,"max":40}}}}`

// A node of a graph is offered what the direct answer is: a tool that can do nothing in
// the room is not there.
func TestGraphOffersWhatIsUseful(t *testing.T) {
	t.Parallel()
	graph := &workflow.Graph{Name: "own", Start: "s", Nodes: map[string]workflow.Node{"s": {Type: workflow.Start}, "end": {Type: workflow.End},
		"try":  {Type: workflow.Tool, Handler: "update_trigger", Config: workflow.Config{Arguments: json.RawMessage(`{"trigger_type":"message_count","value":3}`)}},
		"talk": {Type: workflow.Agent, Handler: workflow.WhoSpeaker, Config: workflow.Config{Mode: workflow.ModeSay, Output: "said"}},
		"post": {Type: workflow.Action, Handler: workflow.Broadcast, Config: workflow.Config{Of: "said"}}},
		Edges: []workflow.Edge{{From: "s", To: "try"}, {From: "try", To: "end", Condition: workflow.LabelOK},
			{From: "try", To: "talk", Condition: workflow.LabelError}, {From: "talk", To: "post"}, {From: "post", To: "end"}}}
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		c := silentClass(t, r)
		equip(t, r, c, turn.CapTriggerWrite, turn.CapMembersRead)
		useGraph(t, r, c, graph)
		ask(t, r, c, llmtest.Say("I may not."))
		if got := r.Model.Requests(); len(got) != 1 || !slices.Equal(got[0].Tools, []string{"list_members"}) {
			t.Errorf("the model was asked %+v, want once, with list_members alone", got)
		}
		want(t, "messages", contents(t, r, c.Room.ID), []string{"@teacher please", "I may not."})
		_, err := r.UpdateAgent(t.Context(), c.Teacher, c.TeacherAgent.ID, app.AgentSettings{TriggerConfig: app.Some(json.RawMessage(boundedTrigger))})
		must(t, err)
		ask(t, r, c, llmtest.Say("Never said."))
		if a := waiting(t, r, c); !strings.Contains(a.Summary, "20") {
			t.Errorf("summary: got %q, want the change of the graph's node", a.Summary)
		}
	})
}

// An agent changes when it speaks where staff let it, in this room alone,
// within their bounds, and with a person's consent.
func TestUpdateTrigger(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		c := silentClass(t, r)
		equip(t, r, c, turn.CapTriggerWrite)
		other, err := r.CreateRoom(t.Context(), c.Teacher, c.Course.ID, app.RoomSettings{Name: app.Some("Other")})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.AttachAgent(t.Context(), c.Teacher, other.ID, c.TeacherAgent.ID); err != nil {
			t.Fatal(err)
		}
		change := use("update_trigger", `{"trigger_type":"message_count","value":3}`)
		t.Run("OffByDefault", func(t *testing.T) {
			ask(t, r, c, llmtest.InTurn(change, say("I may not.")))
			if got := result(t, r, 2); !strings.Contains(got, "there is no tool") || len(r.Model.Requests()[0].Tools) != 0 {
				t.Errorf("the model was offered %q and told %s", r.Model.Requests()[0].Tools, got)
			}
		})
		if _, err := r.UpdateAgent(t.Context(), c.Teacher, c.TeacherAgent.ID, app.AgentSettings{TriggerConfig: app.Some(json.RawMessage(boundedTrigger))}); err != nil {
			t.Fatal(err)
		}
		before := r.Model.Count()
		ask(t, r, c, func(req llmtest.Request) llmtest.Response {
			if req.Number == before+1 {
				return change
			}
			return say("Done.")
		})
		if got := r.Model.Requests()[before].Tools; !slices.Equal(got, []string{"update_trigger"}) {
			t.Errorf("the model was offered %q", got)
		}
		a := waiting(t, r, c)
		if !strings.Contains(a.Summary, "2h0m0s") || !strings.Contains(a.Summary, "20") {
			t.Errorf("summary: got %q", a.Summary)
		}
		if _, err := r.DecideApproval(t.Context(), c.Teacher, c.Room.ID, a.Step.ID, app.DecisionApprove, ""); err != nil {
			t.Fatal(err)
		}
		r.Idle(t, c.Room.ID)
		here, err := r.DB.RoomAgent(t.Context(), c.Room.ID, c.TeacherAgent.ID)
		if err != nil || !strings.Contains(string(here.Override), `"message_count":20`) || time.Until(here.OverrideUntil) > 2*time.Hour || time.Until(here.OverrideUntil) < time.Hour {
			t.Errorf("here: got %+v (%v)", here, err)
		}
		there, err := r.DB.RoomAgent(t.Context(), other.ID, c.TeacherAgent.ID)
		if err != nil || there.Override != "" || strings.Contains(string(there.Agent.TriggerConfig), `"message_count":20`) {
			t.Errorf("in the other room: got %+v (%v)", there, err)
		}
		if got := result(t, r, r.Model.Count()); !strings.Contains(got, `"until":`) {
			t.Errorf("the model was told %s", got)
		}
	})
}
