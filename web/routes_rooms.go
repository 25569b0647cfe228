package web

import "net/http"

func (s *Server) roomRoutes() {
	const tag = "Rooms"
	known, edited := []int{missing}, []int{missing, conflict}
	add(s, post, v1+"/rooms/", "createRoom", s.createRoom,
		route{tag: tag, summary: "Make a room in a course", errors: edited})
	add(s, get, v1+"/rooms/", "listRooms", s.rooms,
		route{tag: tag, summary: "List the rooms of a course that the caller can enter", errors: known})
	add(s, get, v1+"/rooms/{room_id}", "getRoom", s.room,
		route{tag: tag, summary: "Show a room", errors: known})
	add(s, put, v1+"/rooms/{room_id}", "updateRoom", s.updateRoom,
		route{tag: tag, summary: "Change what is sent of a room's settings", errors: edited})
	add(s, del, v1+"/rooms/{room_id}", "deleteRoom", s.deleteRoom,
		route{tag: tag, summary: "Delete a room with all that was said in it",
			status: gone, also: http.StatusOK, errors: edited})
	add(s, post, v1+"/rooms/{room_id}/assign", "assignToRoom", s.assignToRoom,
		route{tag: tag, summary: "Admit somebody to one room", errors: known})
}

func (s *Server) roomAgentRoutes() {
	const tag = "Rooms"
	known, edited := []int{missing}, []int{missing, conflict}
	add(s, get, v1+"/rooms/{room_id}/agents", "listRoomAgents", s.roomAgents,
		route{tag: tag, summary: "List a room's agents; only their public face for those who are not staff", errors: known})
	add(s, post, v1+"/rooms/{room_id}/agents/{agent_id}", "attachAgent", s.attachAgent,
		route{tag: tag, summary: "Put an agent into a room", errors: known})
	add(s, del, v1+"/rooms/{room_id}/agents/{agent_id}", "detachAgent", s.detachAgent,
		route{tag: tag, summary: "Take an agent out of a room", errors: known})
	add(s, get, v1+"/rooms/{room_id}/agents/{agent_id}/settings", "getRoomAgent", s.roomAgent,
		route{tag: tag, summary: "Show how an agent is set in a room, and why it may not speak if so; staff only",
			errors: known})
	add(s, put, v1+"/rooms/{room_id}/agents/{agent_id}/settings", "setRoomAgent", s.setRoomAgent,
		route{tag: tag, summary: "Change what is sent of how an agent is set in a room, over its own settings; null leaves " +
			"it to those",
			errors: edited})
	add(s, post, v1+"/rooms/{room_id}/agents/{agent_id}/settings/copy", "copyRoomAgent", s.copyRoomAgent,
		route{tag: tag, summary: "Set an agent in the course's other rooms as it is set here: in those of room_ids, or in " +
			"all that it is in",
			errors: known})
	add(s, get, v1+"/rooms/{room_id}/agents/{agent_id}/state", "getAgentState", s.agentState,
		route{tag: tag, summary: "Show what happened to an agent in a room, and when time will make it speak; staff only",
			errors: known})
	add(s, post, v1+"/rooms/{room_id}/agents/{agent_id}/wake", "wakeAgent", s.wakeAgent,
		route{tag: tag, summary: "Give an agent a turn at once, whatever its trigger says; code tells why it cannot",
			errors: edited})
	add(s, post, v1+"/rooms/{room_id}/agents/{agent_id}/mute", "muteAgent", s.muteAgent,
		route{tag: tag, summary: "Keep an agent from speaking in a room until a time, or for so many minutes",
			errors: edited})
	add(s, post, v1+"/rooms/{room_id}/agents/{agent_id}/unmute", "unmuteAgent", s.unmuteAgent,
		route{tag: tag, summary: "Let a muted agent speak again", errors: edited})
	add(s, post, v1+"/rooms/{room_id}/agents/{agent_id}/sleep", "putAgentToSleep", s.putAgentToSleep,
		route{tag: tag, summary: "Have an agent passed over until a person speaks", errors: edited})
	add(s, post, v1+"/rooms/{room_id}/agents/{agent_id}/awake", "rouseAgent", s.clearAgentSleep,
		route{tag: tag, summary: "Rouse an agent that sleeps, without a turn", errors: edited})
	add(s, get, v1+"/rooms/{room_id}/decisions", "listDecisions", s.decisions,
		route{tag: tag, summary: "List why each agent spoke or not, newest first; for staff", errors: known})
	add(s, post, v1+"/rooms/{room_id}/go-on", "goOn", s.goOn,
		route{tag: tag, summary: "Let the agents go on where a guard has cut them off", errors: edited})
	add(s, post, v1+"/rooms/{room_id}/turns/{turn_id}/stop", "stopTurn", s.stopTurn,
		route{tag: tag, summary: "Stop an agent's turn: staff may, and who asked; what it has said is kept", errors: known})
}

func (s *Server) messageRoutes() {
	const tag = "Rooms"
	known := []int{missing}
	add(s, post, v1+"/rooms/{room_id}/messages", "postMessage", s.postMessage,
		route{tag: tag, summary: "Say something, once for each client_id; 200 when it had been said before",
			status: created, also: http.StatusOK, errors: []int{missing, limited}})
	add(s, put, v1+"/rooms/{room_id}/messages/{message_id}", "editMessage", s.editMessage,
		route{tag: tag, summary: "Change the text of one's own line", errors: []int{missing, conflict, limited}})
	add(s, del, v1+"/rooms/{room_id}/messages/{message_id}", "deleteMessage", s.deleteMessage,
		route{tag: tag, summary: "Take one's own line back; it can be restored for 15 minutes",
			status: gone, errors: []int{missing, limited}})
	add(s, post, v1+"/rooms/{room_id}/messages/{message_id}/restore", "restoreMessage", s.restoreMessage,
		route{tag: tag, summary: "Bring one's own deleted line back", errors: []int{missing, conflict, limited}})
	add(s, post, v1+"/rooms/{room_id}/messages/{message_id}/hide", "hideMessage", s.hideMessage,
		route{tag: tag, summary: "Hide a line from everybody but staff", errors: known})
	add(s, post, v1+"/rooms/{room_id}/messages/{message_id}/unhide", "showMessage", s.showMessage,
		route{tag: tag, summary: "Show a hidden line again", errors: known})
	add(s, get, v1+"/rooms/{room_id}/export", "exportRoom", s.exportRoom,
		route{tag: tag, summary: "Download all that was said in a room", large: manyBytes, errors: known})
	s.fiber.Add(get, v1+"/rooms/:room_id/events", s.streamEvents)
	add(s, get, pathEvents, "listEvents", s.events,
		route{tag: tag, summary: "List a room's durable events after a seq; with Accept: text/event-stream as a live " +
			"stream (id = seq, Last-Event-ID)",
			large: manyBytes, errors: known})
	s.streamed(pathEvents, "")
	add(s, get, v1+"/chat/messages/{room_id}", "listMessages", s.history,
		route{tag: tag, summary: "List what was said in a room, oldest first", errors: known})
}

// turnRoutes registers the routes about the agents' turns in a room, for its staff.
func (s *Server) turnRoutes() {
	const tag = "Turns"
	known, edited := []int{missing}, []int{missing, conflict}
	add(s, get, v1+"/rooms/{room_id}/turns", "listTurns", s.turns,
		route{tag: tag, summary: "List the turns of a room's agents, newest first, for staff", errors: known})
	add(s, get, v1+"/rooms/{room_id}/turns/{turn_id}", "getTurn", s.turn,
		route{tag: tag, summary: "Show a turn with its exact prompts, tools, tokens and times, for staff",
			large: manyBytes, errors: known})
	add(s, get, v1+"/rooms/{room_id}/approvals", "listApprovals", s.approvals,
		route{tag: tag, summary: "List what agents want to do and wait for, for staff", errors: known})
	add(s, post, v1+"/rooms/{room_id}/approvals/{step_id}", "decideApproval", s.decideApproval,
		route{tag: tag, summary: "Allow or refuse what an agent wants to do; the first decision counts", errors: edited})
}

// workflowRoutes registers the routes about the graphs of turns, for staff.
func (s *Server) workflowRoutes() {
	const tag = "Workflows"
	known, edited := []int{missing}, []int{missing, conflict}
	add(s, get, v1+"/workflows", "listWorkflows", s.workflows,
		route{tag: tag, summary: "List the workflows that ship with the program and a course's own, for staff",
			errors: known})
	add(s, post, v1+"/workflows", "createWorkflow", s.createWorkflow,
		route{tag: tag, summary: "Make a workflow; 422 names all that is wrong with its graph",
			status: created, errors: edited})
	add(s, get, v1+"/workflows/{workflow_id}", "getWorkflow", s.workflow,
		route{tag: tag, summary: "Show a workflow with its graph", errors: known})
	add(s, put, v1+"/workflows/{workflow_id}", "updateWorkflow", s.updateWorkflow,
		route{tag: tag, summary: "Change what is sent of a workflow; runs that have begun keep their graph", errors: edited})
	add(s, del, v1+"/workflows/{workflow_id}", "deleteWorkflow", s.deleteWorkflow,
		route{tag: tag, summary: "Delete a workflow; rooms that have it do what fits their agents",
			status: gone, also: http.StatusOK, errors: edited})
	add(s, get, v1+"/rooms/{room_id}/workflow", "getRoomWorkflow", s.roomWorkflow,
		route{tag: tag, summary: "Tell which workflow a room's turns go through, for staff", errors: known})
	add(s, put, v1+"/rooms/{room_id}/workflow", "setRoomWorkflow", s.setRoomWorkflow,
		route{tag: tag, summary: "Have a room's turns go through a workflow from now on", errors: edited})
	add(s, get, v1+"/rooms/{room_id}/a2a", "listExchanges", s.exchanges,
		route{tag: tag, summary: "List what a room's agents wrote to each other, newest first, for staff: drafts, " +
			"verdicts, scores, feedback",
			errors: known})
	add(s, get, v1+"/rooms/{room_id}/runs", "listRuns", s.runs,
		route{tag: tag, summary: "List the turns that go through a graph, newest first, for staff", errors: known})
	add(s, get, v1+"/runs/{run_id}", "getRun", s.run,
		route{tag: tag, summary: "Show a run with its graph and its steps, for staff", large: manyBytes, errors: known})
	add(s, post, v1+"/runs/{run_id}/pause", "pauseRun", s.pauseRun,
		route{tag: tag, summary: "Let a run stop between two of its nodes", errors: edited})
	add(s, post, v1+"/runs/{run_id}/resume", "resumeRun", s.resumeRun,
		route{tag: tag, summary: "Let a paused run go on", errors: edited})
	add(s, post, v1+"/runs/{run_id}/cancel", "cancelRun", s.cancelRun,
		route{tag: tag, summary: "Stop a run for good", errors: edited})
}

func (s *Server) artifactRoutes() {
	const tag = "Artifacts"
	known, edited := []int{missing}, []int{missing, conflict}
	add(s, get, v1+"/workspaces/{room_id}/artifacts", "listArtifacts", s.artifacts,
		route{tag: tag, summary: "List a room's tasks, documents and processes, newest first", errors: known})
	add(s, post, v1+"/workspaces/{room_id}/artifacts", "createArtifact", s.createArtifact,
		route{tag: tag, summary: "Put a task, a document or a process into a room",
			large: manyBytes, status: created, errors: []int{rejected, missing, conflict, limited}})
	add(s, get, v1+"/workspaces/artifacts/{artifact_id}", "getArtifact", s.artifact,
		route{tag: tag, summary: "Show an artifact", large: manyBytes, errors: known})
	add(s, put, v1+"/workspaces/artifacts/{artifact_id}", "updateArtifact", s.updateArtifact,
		route{tag: tag, summary: "Change an artifact's title or content",
			large: manyBytes, errors: []int{missing, conflict, limited}})
	add(s, del, v1+"/workspaces/artifacts/{artifact_id}", "deleteArtifact", s.deleteArtifact,
		route{tag: tag, summary: "Delete an artifact, so that it can be restored", status: gone, errors: edited})
	add(s, post, v1+"/workspaces/artifacts/{artifact_id}/restore", "restoreArtifact", s.restoreArtifact,
		route{tag: tag, summary: "Bring a deleted artifact back", large: manyBytes, errors: edited})
	add(s, get, v1+"/workspaces/artifacts/{artifact_id}/versions", "listArtifactVersions", s.artifactVersions,
		route{tag: tag, summary: "List what an artifact was before it was changed, newest first", errors: known})
	add(s, get, v1+"/workspaces/artifacts/{artifact_id}/versions/{version}", "getArtifactVersion", s.artifactVersion,
		route{tag: tag, summary: "Show an earlier version of an artifact", large: manyBytes, errors: known})
	add(s, post, v1+"/workspaces/artifacts/{artifact_id}/versions/{version}/restore", "restoreArtifactVersion", s.restoreArtifactVersion,
		route{tag: tag, summary: "Make an artifact again what it was; what it is now becomes an earlier version",
			large: manyBytes, errors: []int{missing, conflict, limited}})
}
