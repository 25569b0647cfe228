package web

import (
	"reflect"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/coagent-studio/coagent/app/event"
)

// socketFrames returns all frames of all protocols.
func socketFrames() []frameOf {
	return slices.Concat(plainFrames(), requestFrames(), messageFrames(), workFrames(), signalFrames(), myFrames())
}

// plainFrames returns the frames of the plain protocol.
func plainFrames() []frameOf {
	type m = map[string]any
	return []frameOf{
		{"PlainLine", chanPlain, "", true,
			"A message: the whole text frame is what the person says", reflect.TypeFor[string](),
			"Good morning!"},
		{"PlainMessage", chanPlain, event.TypeMessage, false,
			"Somebody said something; the sender gets it too", reflect.TypeFor[plainMessage](),
			m{"type": "message", "sender": "Ada", "content": "Good morning!", "timestamp": anInstant, "room_id": anotherID,
				"metadata": aPerson()}},
		{"PlainSystem", chanPlain, "system", false,
			"A notice of the program; a refusal goes to the refused socket alone", reflect.TypeFor[plainSystem](),
			m{"type": "system", "sender": "System", "content": "Client #Ada left", "timestamp": "", "room_id": anotherID,
				"metadata": nil}},
		{"PlainTrace", chanPlain, event.TypeTrace, false, "Agents are at work with each other", reflect.TypeFor[plainTrace](),
			m{"type": "a2a_trace", "sender": "[A2A PROPOSAL]", "content": "[A2A]|PROPOSAL|Student drafted a contribution",
				"timestamp": "", "room_id": anotherID,
				"metadata": m{"is_a2a": true, "event_type": "PROPOSAL"}}},
		{"PlainArtifactUpdate", chanPlain, event.TypeArtifactUpdate, false,
			"An artifact was made, changed or restored", reflect.TypeFor[plainArtifactUpdate](),
			m{"type": "artifact_update", "artifact": anArtifact(), "timestamp": anInstant}},
		{"PlainArtifactDelete", chanPlain, event.TypeArtifactDelete, false,
			"An artifact was deleted", reflect.TypeFor[plainArtifactDelete](),
			m{"type": "artifact_delete", "artifact_id": anID, "timestamp": anInstant}},
	}
}

// requestFrames returns what a client of coagent.v2 sends.
func requestFrames() []frameOf {
	type m = map[string]any
	return []frameOf{
		{"Post", chanV2, event.RequestPost, true,
			"Say something, once for each client_id", reflect.TypeFor[v2Post](),
			m{"type": "post", "client_id": "7f3a", "text": "Good morning!"}},
		{"IsTyping", chanV2, event.RequestTyping, true,
			"Tell the others that the person types", reflect.TypeFor[v2IsTyping](),
			m{"type": "typing"}},
		{"IsEditing", chanV2, event.RequestEditing, true,
			"Tell the others that the person changes an artifact, every 5 seconds", reflect.TypeFor[v2IsEditing](),
			m{"type": "editing", "artifact_id": anID, "block_id": "3"}},
		{"Resume", chanV2, event.RequestResume, true,
			"Send the durable frames again that come after a seq", reflect.TypeFor[v2Resume](),
			m{"type": "resume", "after": 41}},
		{"WantStop", chanV2, event.RequestStop, true,
			"Stop an agent's turn: staff may, and who asked", reflect.TypeFor[v2WantStop](),
			m{"type": "stop", "turn_id": anID}},
		{"React", chanV2, event.RequestReact, true,
			"Give a message an emoji, or take it back", reflect.TypeFor[v2React](),
			m{"type": "react", "message_id": anID, "emoji": "👍"}},
	}
}

// messageFrames returns what coagent.v2 shows of messages.
func messageFrames() []frameOf {
	type m = map[string]any
	return []frameOf{
		{"Message", chanV2, event.TypeMessage, false, "Durable: somebody said something", reflect.TypeFor[v2Message](),
			m{"type": "message", "id": anID, "seq": 7, "sender": "Ada", "content": "Good morning!", "timestamp": anInstant,
				"room_id": anotherID, "metadata": aPerson(), "client_id": "7f3a"}},
		{"System", chanV2, "system", false,
			"For this person alone: an agent that was called cannot answer now", reflect.TypeFor[plainSystem](),
			m{"type": "system", "sender": "System", "content": "Teacher cannot answer now.", "timestamp": "",
				"room_id": anotherID, "metadata": nil}},
		{"LineEdited", chanV2, event.TypeMessageEdited, false,
			"Durable: who said a message has changed it", reflect.TypeFor[v2LineEdited](),
			m{"type": "message_edited", "id": aThirdID, "seq": 8, "timestamp": anInstant, "message_id": anID, "message_seq": 7,
				"state": "shown", "content": "Good evening!", "edited_at": anInstant}},
		{"LineDeleted", chanV2, event.TypeMessageDeleted, false,
			"Durable: who said a message has taken it back", reflect.TypeFor[v2LineDeleted](),
			m{"type": "message_deleted", "id": aThirdID, "seq": 8, "timestamp": anInstant, "message_id": anID, "message_seq": 7,
				"state": "deleted", "content": "(deleted)"}},
		{"Reaction", chanV2, event.TypeReaction, false,
			"Durable: the reactions to a message have changed; at most two a second for one message", reflect.TypeFor[v2Reaction](),
			m{"type": "reaction", "id": aThirdID, "seq": 8, "timestamp": anInstant, "message_id": anID, "message_seq": 7,
				"reactions": []m{{"emoji": "👍", "count": 3}}}},
		{"Pin", chanV2, event.TypePin, false,
			"Durable: staff have pinned a message, or taken the pin away", reflect.TypeFor[v2Pin](),
			m{"type": "pin", "id": aThirdID, "seq": 8, "timestamp": anInstant, "message_id": anID, "message_seq": 7, "pinned": true}},
		{"Archived", chanV2, event.TypeArchived, false,
			"Durable: the room's course was archived, or opened again; then ask anew what you may do", reflect.TypeFor[v2Archived](),
			m{"type": "archived", "id": aThirdID, "seq": 8, "timestamp": anInstant, "archived": true}},
		{"LineHidden", chanV2, event.TypeMessageHidden, false,
			"Durable: staff have hidden a message", reflect.TypeFor[v2LineHidden](),
			m{"type": "message_hidden", "id": aThirdID, "seq": 8, "timestamp": anInstant, "message_id": anID, "message_seq": 7,
				"state": "hidden", "content": "(hidden by staff)"}},
		{"LineShown", chanV2, event.TypeMessageShown, false,
			"Durable: a message that was taken back or hidden is there again", reflect.TypeFor[v2LineShown](),
			m{"type": "message_shown", "id": aThirdID, "seq": 9, "timestamp": anInstant, "message_id": anID, "message_seq": 7,
				"state": "shown", "content": "Good morning!"}},
	}
}

// workFrames returns what coagent.v2 shows of the work of agents.
func workFrames() []frameOf {
	type m = map[string]any
	return []frameOf{
		{"Turn", chanV2, event.TypeTurn, false,
			"An agent's turn began, goes on or ended; durable where it ended without a message. Whoever joins gets " +
				"one first for each turn that runs, with its text so far",
			reflect.TypeFor[v2TurnEnded](),
			m{"type": "turn", "turn_id": anID, "agent_id": anotherID, "agent_name": "Teacher", "state": "started", "attempt": 1}},
		{"Budget", chanV2, event.TypeBudget, false,
			"Durable: a budget is empty, so agents pause; or, for staff alone, 80 % of it are spent", reflect.TypeFor[v2Budget](),
			m{"type": "budget", "id": aThirdID, "seq": 8, "timestamp": anInstant, "state": "empty", "budget_id": anotherID,
				"scope_kind": "course", "renews_at": anInstant}},
		{"Guard", chanV2, event.TypeGuard, false,
			"Durable, for staff alone: a guard keeps agents from going on among themselves, or staff let them go on",
			reflect.TypeFor[v2Guard](),
			m{"type": "guard", "id": aThirdID, "seq": 8, "timestamp": anInstant, "state": "stopped", "guard": "agent_row",
				"decision_id": anotherID, "agents": []string{"Teacher"}}},
		{"Trace", chanV2, event.TypeTrace, false, "Durable: agents are at work with each other", reflect.TypeFor[v2Trace](),
			m{"type": "a2a_trace", "id": aThirdID, "seq": 8, "sender": "[A2A PROPOSAL]",
				"content": "[A2A]|PROPOSAL|Student drafted a contribution", "timestamp": anInstant,
				"room_id": anotherID, "metadata": m{"is_a2a": true, "event_type": "PROPOSAL"}, "turn_id": anID}},
		{"Workflow", chanV2, "workflow", false,
			"A node of a turn's graph begins or is done; best effort", reflect.TypeFor[v2Workflow](),
			m{"type": "workflow", "turn_id": anID, "workflow": "student_teacher_review", "node": "evaluate",
				"node_type": "agent", "state": "started"}},
		{"ArtifactUpdate", chanV2, event.TypeArtifactUpdate, false,
			"Durable: an artifact was made, changed or restored; whoever resumes gets the newest state alone, its " +
				"earlier seqs have no frame",
			reflect.TypeFor[v2ArtifactUpdate](),
			m{"type": "artifact_update", "id": aThirdID, "seq": 8, "artifact": anArtifact(), "timestamp": anInstant}},
		{"ArtifactDelete", chanV2, event.TypeArtifactDelete, false,
			"Durable: an artifact was deleted", reflect.TypeFor[v2ArtifactDelete](),
			m{"type": "artifact_delete", "id": aThirdID, "seq": 9, "artifact_id": anID, "timestamp": anInstant}},
		{"Approval", chanV2, event.TypeApproval, false,
			"Durable, for staff alone: an agent wants to do what a person has to allow, or it was decided; earlier " +
				"states keep their seq",
			reflect.TypeFor[v2Approval](),
			m{"type": "approval", "id": aThirdID, "seq": 9, "timestamp": anInstant, "step_id": anID, "turn_id": anotherID,
				"agent_id": anID, "agent_name": "Teacher", "kind": "tool",
				"name": "manage_artifact", "summary": "delete the task \"Write the report\"", "state": "pending",
				"due_at": anInstant}},
	}
}

// signalFrames returns the signals of coagent.v2, and the answers to what its client sent.
func signalFrames() []frameOf {
	type m = map[string]any
	return []frameOf{
		{"Joined", chanV2, "joined", false,
			"The first frame: how the room is, and what you may do there", reflect.TypeFor[v2Joined](),
			m{"type": "joined", "room_id": anotherID, "head": 41, "archived": false, "read_seq": 38, "my_role": "student", "can": m{"post": true, "react": true,
				"call_everyone": false, "write_artifacts": true, "export": true, "hide": false, "pin": false, "stop": false, "see_decisions": false, "approve": false, "edit": false,
				"delete": false, "manage_people": false, "manage_agents": false, "set_workflow": false},
				"members": []m{{"user_id": aThirdID, "name": "Ada"}}, "typing": []m{}, "editing": []m{}}},
		{"Delta", chanV2, "delta", false,
			"A piece of an answer while the model speaks; best effort, the message is what counts", reflect.TypeFor[v2Delta](),
			m{"type": "delta", "turn_id": anID, "attempt": 1, "offset": 0, "text": "Look, 🌍👩‍🏫: "}},
		{"Ack", chanV2, "ack", false,
			"The post is stored", reflect.TypeFor[v2Ack](),
			m{"type": "ack", "client_id": "7f3a", "id": anID, "seq": 7, "dup": false}},
		{"Presence", chanV2, "presence", false, "Who is in the room now", reflect.TypeFor[v2Presence](),
			m{"type": "presence", "members": []m{{"user_id": aThirdID, "name": "Ada"}}}},
		{"Typing", chanV2, "typing", false,
			"Somebody types; the socket that says so does not get it back", reflect.TypeFor[v2Typing](),
			m{"type": "typing", "user_id": aThirdID, "name": "Ada"}},
		{"Editing", chanV2, "editing", false,
			"Somebody changes an artifact; the socket that says so does not get it back", reflect.TypeFor[v2Editing](),
			m{"type": "editing", "artifact_id": anID, "block_id": "3", "user_id": aThirdID, "name": "Ada"}},
		{"Resync", chanV2, "resync", false,
			"The cursor is older than what is kept: load the history", reflect.TypeFor[v2Resync](),
			m{"type": "resync", "after": 1200}},
		{"Stop", chanV2, "stop", false,
			"The stop is noted; what was said until then is kept", reflect.TypeFor[v2Stop](),
			m{"type": "stop", "turn_id": anID, "state": "running"}},
		{"Reacted", chanV2, "react", false,
			"The reactions to a message after your own; the others get a reaction frame", reflect.TypeFor[v2Reacted](),
			m{"type": "react", "message_id": anID, "reactions": []m{{"emoji": "👍", "count": 2, "mine": true}}}},
		{"Error", chanV2, "error", false, "A frame of this socket had no effect", reflect.TypeFor[v2Error](),
			m{"type": "error", "code": "rate_limited", "detail": "You write very fast. Try again in 3 s.",
				"message": "您發言得太快。請在 3 秒後再試。", "params": m{"what": "You write very fast", "wait": 3}, "client_id": "7f3a", "retry_after": 3}},
	}
}

// myFrames returns the frames of a person's socket beside those of rooms.
func myFrames() []frameOf {
	type m = map[string]any
	said := func(more m) m {
		all := m{"message_id": anID, "seq": 7, "sender": "Ada", "sender_id": aThirdID, "excerpt": "@Bob, good morning!", "created_at": anInstant}
		for name, v := range more {
			all[name] = v
		}
		return all
	}
	return []frameOf{
		{"Subscribe", chanMe, event.RequestSubscribe, true, "Get the frames of rooms, each as over the room's socket with coagent.v2", reflect.TypeFor[meSubscribe](),
			m{"type": "subscribe", "rooms": []m{{"room_id": anotherID, "after": 41}}}},
		{"Unsubscribe", chanMe, event.RequestUnsubscribe, true, "Get them no more", reflect.TypeFor[meUnsubscribe](),
			m{"type": "unsubscribe", "room_ids": []string{anotherID}}},
		{"MyPost", chanMe, event.RequestPost, true, "Say something in a room, once for each client_id", reflect.TypeFor[mePost](),
			m{"type": "post", "room_id": anotherID, "client_id": "7f3a", "text": "Good morning!"}},
		{"MyTyping", chanMe, event.RequestTyping, true, "Tell the others in a room that you type; the room must be subscribed to", reflect.TypeFor[meIsTyping](),
			m{"type": "typing", "room_id": anotherID}},
		{"MyEditing", chanMe, event.RequestEditing, true, "Tell the others in a room that you change an artifact", reflect.TypeFor[meIsEditing](),
			m{"type": "editing", "room_id": anotherID, "artifact_id": anID}},
		{"MyStop", chanMe, event.RequestStop, true, "Stop an agent's turn: staff may, and who asked", reflect.TypeFor[meWantStop](),
			m{"type": "stop", "room_id": anotherID, "turn_id": anID}},
		{"MyReact", chanMe, event.RequestReact, true, "Give a message an emoji, or take it back", reflect.TypeFor[meReact](),
			m{"type": "react", "room_id": anotherID, "message_id": anID, "emoji": "👍"}},
		{"MyRooms", chanMe, "rooms", false, "How your rooms are now; changes come together, four times a second at most", reflect.TypeFor[meRooms](),
			m{"type": "rooms", "all": true, "rooms": []m{{"room_id": anotherID, "course_id": aThirdID, "name": "Monday", "last_seq": 7, "read_seq": 5,
				"unread": 1, "mentions": 1, "online": 3, "last_message": said(nil), "agents_at_work": []m{{"turn_id": anID, "agent_id": anotherID, "agent_name": "Darwin"}}}}}},
		{"MyMention", chanMe, "mention", false, "A message calls you, since now or since an edit", reflect.TypeFor[meMention](), said(m{"type": "mention", "room_id": anotherID})},
		{"Unsubscribed", chanMe, "unsubscribed", false, "No more frames of a room come", reflect.TypeFor[meGone](),
			m{"type": "unsubscribed", "room_id": anotherID, "reason": "not_member"}},
		{"RoomGone", chanMe, "room_gone", false, "A room is not among your rooms any more", reflect.TypeFor[meRoomGone](), m{"type": "room_gone", "room_id": anotherID}},
		{"CourseCopied", chanMe, "course_copy", false, "How far your copy of a course is, and that it is over", reflect.TypeFor[meCourseCopy](),
			m{"type": "course_copy", "copy_id": anID, "state": "done", "done": 3, "total": 3, "course_id": aThirdID}},
		{"AccountChanged", chanMe, "account", false, "Your account, role or preferences have changed: read /users/me again", reflect.TypeFor[meAccount](),
			m{"type": "account"}},
	}
}

// thenOf returns the frames that follow the example of a frame. The text of the deltas
// has a different length in bytes, in characters and in UTF-16.
func thenOf(name string) []any {
	type m = map[string]any
	if name != "Delta" {
		return nil
	}
	return []any{
		m{"type": "delta", "turn_id": anID, "attempt": 1, "offset": 15, "text": "天空是"},
		m{"type": "delta", "turn_id": anID, "attempt": 1, "offset": 18, "text": "藍色的。"},
	}
}

// frameSchemas registers the schemas of all frames and returns each by the name of its
// frame.
func frameSchemas(r huma.Registry) map[string]*huma.Schema {
	all := map[string]*huma.Schema{}
	for _, f := range socketFrames() {
		all[f.name] = f.schema(r)
	}
	return all
}

func (f *frameOf) schema(r huma.Registry) *huma.Schema {
	return r.Schema(f.shape, true, f.name+"Payload")
}
