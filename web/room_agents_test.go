package web

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/store"
)

func TestRoomAgents(t *testing.T) {
	// of makes a room with the world's agent, where what was said is decided, and gives
	// the path of the agent there.
	of := func(t *testing.T, w *world) string {
		room := w.livelyRoom(t)
		apptest.Await(t, "the decision", func() bool { return len(w.as(ta).must(t, 200, get, v1+"/rooms/"+room+"/decisions").list(t)) > 0 })
		return v1 + "/rooms/" + room + "/agents/" + w.agent
	}
	eachWorld(t, map[string]func(*testing.T, *world){
		"settings lie over the agent's own": func(t *testing.T, w *world) {
			path := of(t, w)
			got := w.as(ta).must(t, 200, get, path+"/settings").object(t)
			wantMembers(t, got, "room_id", "agent_id", "version", "is_active", "muted_until", "own", "inherited", "override", "effective",
				"available", "reason", "detail", "problems")
			if got["available"] != true || got["reason"] != nil || got["is_active"] != true || text(got["own"]) != `{"context_window":null,"schedule_config":null,"trigger_config":null}` {
				t.Errorf("fresh: got %s", text(got))
			}
			w.as(owner).must(t, 200, put, v1+"/agents/"+w.agent, body{"trigger_config": body{"type": "silence", "value": 60}})
			got = w.as(ta).must(t, 200, put, path+"/settings", body{"trigger_config": body{"value": 90}, "context_window": 20}).object(t)
			effective := got["effective"].(map[string]any)
			if text(effective["trigger_config"]) != `{"type":"silence","value":90}` || effective["context_window"] != 20.0 {
				t.Errorf("effective: got %s", text(effective))
			}
			if text(got["inherited"].(map[string]any)["trigger_config"]) != `{"type":"silence","value":60}` {
				t.Errorf("inherited: got %s", text(got["inherited"]))
			}
			version := got["version"]
			got = w.as(owner).must(t, 200, put, path+"/settings", body{"trigger_config": nil, "version": version}).object(t)
			if text(got["effective"].(map[string]any)["trigger_config"]) != `{"type":"silence","value":60}` || got["own"].(map[string]any)["context_window"] != 20.0 {
				t.Errorf("after null: got %s", text(got))
			}
			wantProblem(t, w.as(owner).do(t, put, path+"/settings", body{"is_active": false, "version": version}), 409,
				"Agent in this room was changed by somebody else; load it again")
			got = w.as(owner).must(t, 200, put, path+"/settings", body{"is_active": false}).object(t)
			if got["available"] != false || got["reason"] != "inactive_here" {
				t.Errorf("off: got %s", text(got))
			}
		},
		"invalid": func(t *testing.T, w *world) {
			path := of(t, w) + "/settings"
			w.as(owner).must(t, 200, put, v1+"/agents/"+w.agent, body{"trigger_config": body{"type": "silence", "value": 60}})
			for sent, detail := range map[string]string{
				`{"trigger_config": {"value": 0}}`:                                               "trigger_config.value: must be a number from 1 to 86400",
				`{"trigger_config": {"trigger": {"enabled_conditions": ["message_count"]}}}`:     "trigger_config.trigger.message_count: must be a number from 1 to 10000",
				`{"schedule_config": {"mode": "whitelist", "rules": [{"type": "day_of_week"}]}}`: "schedule_config.rules[0].days: name at least one day, from 1 for Monday to 7 for Sunday",
				`{"context_window": 0}`: "context_window: must be between 1 and 1000",
				`{"is_active": null}`:   "is_active: must not be null, leave it out to keep what is stored",
				`{"trigger_config": 7}`: "trigger_config: must be an object",
			} {
				wantProblem(t, w.as(owner).do(t, put, path, sent), 422, detail)
			}
			wantProblem(t, w.as(owner).do(t, get, v1+"/rooms/"+w.room+"/agents/"+store.NewID()+"/settings"), 404, "Agent not assigned to this room")
			wantProblem(t, w.as(owner).do(t, get, v1+"/rooms/"+store.NewID()+"/agents/"+w.agent+"/settings"), 404, "Room not found")
		},
		"copy": func(t *testing.T, w *world) {
			from, to, without := of(t, w), w.livelyRoom(t), w.as(owner).must(t, 200, post, v1+"/rooms/", body{"name": "Bare", "course_id": w.course}).text(t, "id")
			w.as(owner).must(t, 200, put, from+"/settings", body{"trigger_config": body{"type": "manual"}, "context_window": 3})
			got := w.as(owner).must(t, 200, post, from+"/settings/copy", body{"room_ids": []string{to, without}}).object(t)
			if text(got) != `{"copied":["`+to+`"],"without":["`+without+`"]}` {
				t.Errorf("got %s", text(got))
			}
			own := w.as(owner).must(t, 200, get, v1+"/rooms/"+to+"/agents/"+w.agent+"/settings").object(t)["own"].(map[string]any)
			if text(own) != `{"context_window":3,"schedule_config":null,"trigger_config":{"type":"manual"}}` {
				t.Errorf("the copy: got %s", text(own))
			}
			if all := w.as(owner).must(t, 200, post, from+"/settings/copy", body{}).body; !strings.Contains(all, to) {
				t.Errorf("to all: got %s", all)
			}
			wantProblem(t, w.as(owner).do(t, post, from+"/settings/copy", body{"room_ids": []string{store.NewID()}}), 404, "Room not found")
			_, foreign := w.newRoom(t, otherTeacher)
			wantProblem(t, w.as(owner).do(t, post, from+"/settings/copy", body{"room_ids": []string{foreign}}), 404, "Room not found")
		},
		"mute": func(t *testing.T, w *world) {
			path := of(t, w)
			until := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
			got := w.as(ta).must(t, 200, post, path+"/mute", body{"until": until}).object(t)
			if got["muted_until"] != until.Format(time.RFC3339) || got["available"] != false || got["reason"] != "muted" {
				t.Errorf("got %s", text(got))
			}
			if a := w.as(ta).do(t, post, path+"/wake"); a.status != 409 || !strings.HasPrefix(a.text(t, "detail"), "The agent cannot speak now: it is muted, until ") || a.text(t, "code") != "muted" {
				t.Errorf("wake: got %d %s", a.status, a.body)
			}
			if got := w.as(ta).must(t, 200, post, path+"/unmute").object(t); got["muted_until"] != nil || got["available"] != true {
				t.Errorf("got %s", text(got))
			}
			w.as(ta).must(t, 200, post, path+"/mute", body{"minutes": 5})
			for sent, detail := range map[string]string{
				`{}`: "until: send either until, a time, or minutes",
				`{"minutes": 1, "until": "2999-01-01T00:00:00Z"}`: "until: send either until, a time, or minutes",
				`{"minutes": 0}`:                    "minutes: must be between 1 and 527040",
				`{"until": "2001-01-01T00:00:00Z"}`: "until: must be in the future, within a year",
				`{"until": "2999-01-01T00:00:00Z"}`: "until: must be in the future, within a year",
			} {
				wantProblem(t, w.as(ta).do(t, post, path+"/mute", sent), 422, detail)
			}
		},
		"wake and state": func(t *testing.T, w *world) {
			path := of(t, w)
			if got := w.as(ta).must(t, 200, post, path+"/sleep").object(t); got["reason"] != "asleep" {
				t.Errorf("asleep: got %s", text(got))
			}
			woken := w.as(ta).must(t, 200, post, path+"/wake").object(t)
			wantMembers(t, woken, "turn_id", "state")
			var state map[string]any
			apptest.Await(t, "the agent's line", func() bool {
				state = w.as(ta).must(t, 200, get, path+"/state").object(t)
				return state["last_agent_message"] != nil && state["unread_user_messages"] == 0.0 && state["messages_in_a_row"] == 1.0
			})
			wantMembers(t, state, "room_id", "agent_id", "last_agent_message", "last_user_message", "asleep", "asleep_because", "muted_until",
				"messages_in_a_row", "unread_user_messages", "user_messages_since_reset", "reset_at", "override", "next_due_at", "last_decision")
			decided := state["last_decision"].(map[string]any)
			if state["asleep"] != false ||
				state["last_user_message"].(map[string]any)["content"] != "hello" || decided["cause"] != "wake" || decided["rule"] != "woken" || decided["speaks"] != true {
				t.Errorf("got %s", text(state))
			}
			if a := w.as(ta).do(t, post, v1+"/rooms/"+w.room+"/agents/"+w.agent+"/wake"); a.status != http.StatusConflict || a.text(t, "code") != "room_off" {
				t.Errorf("in a room that is off: got %d %s", a.status, a.body)
			}
		},
		"wake in an empty room": func(t *testing.T, w *world) {
			room := w.as(owner).must(t, 200, post, v1+"/rooms/", body{"name": "Empty", "course_id": w.course}).text(t, "id")
			w.as(owner).must(t, 200, post, v1+"/rooms/"+room+"/agents/"+w.agent)
			wantProblem(t, w.as(owner).do(t, post, v1+"/rooms/"+room+"/agents/"+w.agent+"/wake"), 409, "Nothing has been said in this room yet")
		},
	})
}
