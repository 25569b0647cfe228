package web

import (
	"net/http"

	"github.com/gofiber/fiber/v2"

	"github.com/coagent-studio/coagent/store"
)

func (s *Server) roomRoutes() {
	const tag = "Rooms"
	known, edited := []int{missing}, []int{missing, conflict}
	add(s, post, v1+"/rooms/", "createRoom", s.createRoom,
		route{tag: tag, summary: "Make a room in a course",
			description: "For the course's staff.",
			example:     `{"course_id":"0199c0de-7a4b-7c1e-9c55-3d2f6a1b8e90","name":"Group A","ai_mode":"both","ai_frequency":0.5}`,
			errors:      edited})
	add(s, get, v1+"/rooms/", "listRooms", s.rooms,
		route{tag: tag, summary: "List the rooms of a course that the caller can enter",
			description: "For the people of the course, and those who are admitted to single rooms.",
			errors:      known})
	add(s, get, v1+"/rooms/{room_id}", "getRoom", s.room,
		route{tag: tag, summary: "Show a room; with include all that a client opens it with",
			description: "For people of the room.",
			errors:      known})
	add(s, put, v1+"/rooms/{room_id}", "updateRoom", s.updateRoom,
		route{tag: tag, summary: "Change a room's settings",
			description: "For the course's staff.",
			example:     `{"ai_mode":"teacher_only"}`,
			errors:      edited})
	add(s, del, v1+"/rooms/{room_id}", "deleteRoom", s.deleteRoom,
		route{tag: tag, summary: "Delete a room with all that was said in it",
			description: "For the course's staff.",
			status:      gone, also: http.StatusOK, errors: edited})
	add(s, get, v1+"/rooms/{room_id}/people", "listRoomPeople", s.roomPeople,
		route{tag: tag, summary: "List who may be in a room, teachers first, and who is online",
			description: "For people of the room. Admins are not in it.",
			errors:      known})
	add(s, post, v1+"/rooms/{room_id}/assign", "assignToRoom", s.assignToRoom,
		route{tag: tag, summary: "Admit somebody to one room",
			description: "For the course's staff. The person may see this room alone.",
			example:     `{"user_email":"ada@example.org"}`,
			errors:      edited})
}

func (s *Server) roomAgentRoutes() {
	const tag = "Rooms"
	known, edited := []int{missing}, []int{missing, conflict}
	add(s, get, v1+"/rooms/{room_id}/agents", "listRoomAgents", s.roomAgents,
		route{tag: tag, summary: "List a room's agents",
			description: "For people of the room; only staff see their settings.",
			errors:      known})
	add(s, post, v1+"/rooms/{room_id}/agents", "createRoomAgent", s.createRoomAgent,
		route{tag: tag, summary: "Make an agent and put it into a room",
			description: "For the course's staff who may make agents in the project.",
			example:     `{"type":"teacher","name":"Zeno","system_prompt":"Teach by asking questions.","model_provider":"offline","room":{"context_window":20}}`,
			status:      http.StatusCreated, errors: []int{rejected, missing, conflict}})
	add(s, post, v1+"/rooms/{room_id}/agents/{agent_id}", "attachAgent", s.attachAgent,
		route{tag: tag, summary: "Put an agent into a room",
			description: "For the course's staff who may use the project's agents.",
			errors:      edited})
	add(s, del, v1+"/rooms/{room_id}/agents/{agent_id}", "detachAgent", s.detachAgent,
		route{tag: tag, summary: "Take an agent out of a room",
			description: "For the course's staff. What it said stays.",
			errors:      edited})
	add(s, get, v1+"/rooms/{room_id}/agents/{agent_id}/settings", "getRoomAgent", s.roomAgent,
		route{tag: tag, summary: "Show how an agent is set in a room, and why it may not speak",
			description: "For the course's staff.",
			errors:      known})
	add(s, put, v1+"/rooms/{room_id}/agents/{agent_id}/settings", "setRoomAgent", s.setRoomAgent,
		route{tag: tag, summary: "Change how an agent is set in a room",
			description: "For the course's staff. null leaves it to the agent's own settings.",
			example:     `{"trigger_config":{"type":"silence","value":120},"context_window":40}`,
			errors:      edited})
	add(s, post, v1+"/rooms/{room_id}/agents/{agent_id}/settings/copy", "copyRoomAgent", s.copyRoomAgent,
		route{tag: tag, summary: "Set an agent in the course's other rooms as it is set here",
			description: "For the course's staff.",
			example:     `{"room_ids":null}`,
			errors:      edited})
	add(s, get, v1+"/rooms/{room_id}/agents/{agent_id}/state", "getAgentState", s.agentState,
		route{tag: tag, summary: "Show what happened to an agent in a room, and when it is due",
			description: "For the course's staff. Its trigger is worked out from that.",
			errors:      known})
	add(s, post, v1+"/rooms/{room_id}/agents/{agent_id}/wake", "wakeAgent", s.wakeAgent,
		route{tag: tag, summary: "Give an agent a turn at once, whatever its trigger says",
			description: "For the course's staff. The room's socket tells how it goes.",
			errors:      edited})
	add(s, post, v1+"/rooms/{room_id}/agents/{agent_id}/mute", "muteAgent", s.muteAgent,
		route{tag: tag, summary: "Keep an agent from speaking in a room for some time",
			description: "For the course's staff. It does not answer a mention either.",
			example:     `{"minutes":15}`,
			errors:      edited})
	add(s, post, v1+"/rooms/{room_id}/agents/{agent_id}/unmute", "unmuteAgent", s.unmuteAgent,
		route{tag: tag, summary: "Let a muted agent speak again",
			description: "For the course's staff.",
			errors:      edited})
	add(s, post, v1+"/rooms/{room_id}/agents/{agent_id}/sleep", "putAgentToSleep", s.putAgentToSleep,
		route{tag: tag, summary: "Have an agent passed over until a person speaks",
			description: "For the course's staff.",
			errors:      edited})
	add(s, post, v1+"/rooms/{room_id}/agents/{agent_id}/awake", "rouseAgent", s.clearAgentSleep,
		route{tag: tag, summary: "Rouse an agent that sleeps, without a turn",
			description: "For the course's staff. It speaks when its trigger or a message calls it.",
			errors:      edited})
	add(s, get, v1+"/rooms/{room_id}/decisions", "listDecisions", s.decisions,
		route{tag: tag, summary: "List why each agent spoke or not, newest first",
			description: "For the course's staff.",
			errors:      known})
	add(s, post, v1+"/rooms/{room_id}/go-on", "goOn", s.goOn,
		route{tag: tag, summary: "Let the agents go on where a guard has cut them off",
			description: "For the course's staff.",
			errors:      edited})
	add(s, post, v1+"/rooms/{room_id}/turns/{turn_id}/stop", "stopTurn", s.stopTurn,
		route{tag: tag, summary: "Stop an agent's turn; what it has said is kept",
			description: "For the course's staff, and who asked.",
			errors:      known})
}

func (s *Server) messageRoutes() {
	const tag = "Rooms"
	known, edited := []int{missing}, []int{missing, conflict}
	add(s, get, v1+"/search", "searchMessages", s.search,
		route{tag: tag, summary: "Find messages in the rooms that the caller may read, newest or best first",
			description: `For everybody. Words, "a phrase", -without, from:NAME, in:ROOM, before: and after:DATE, has:link, ` +
				`has:mention, has:reply, has:file; the last word may be a beginning.`,
			errors: []int{missing, limited}})
	add(s, post, v1+"/rooms/{room_id}/messages", "postMessage", s.postMessage,
		route{tag: tag, summary: "Say something, once for each client_id",
			description: "For who may write in the room. Agents that it mentions are called. 200: it had been said.",
			example:     `{"text":"@Teacher, good morning!","client_id":"7f3a"}`,
			status:      created, also: http.StatusOK, errors: []int{missing, conflict, limited}})
	add(s, get, v1+"/rooms/{room_id}/messages", "getMessages", s.messagePage,
		route{tag: tag, summary: "List messages of a room: the newest, or before, after or around a point",
			description: "For people of the room. Hidden and deleted ones have no text.",
			errors:      known})
	add(s, put, v1+"/rooms/{room_id}/messages/{message_id}", "editMessage", s.editMessage,
		route{tag: tag, summary: "Change the text of one's own message",
			description: "For who said it. Agents are not called again.",
			example:     `{"text":"Good evening!"}`,
			errors:      []int{missing, conflict, limited}})
	add(s, del, v1+"/rooms/{room_id}/messages/{message_id}", "deleteMessage", s.deleteMessage,
		route{tag: tag, summary: "Take one's own message back; it can be restored for 15 minutes",
			description: "For who said it.",
			status:      gone, errors: []int{missing, limited, conflict}})
	add(s, post, v1+"/rooms/{room_id}/messages/{message_id}/restore", "restoreMessage", s.restoreMessage,
		route{tag: tag, summary: "Bring one's own deleted message back",
			description: "For who said it.",
			errors:      []int{missing, conflict, limited}})
	add(s, post, v1+"/rooms/{room_id}/messages/{message_id}/hide", "hideMessage", s.hideMessage,
		route{tag: tag, summary: "Hide a message from everybody but staff",
			description: "For the course's staff. Agents do not read it either.",
			errors:      edited})
	add(s, post, v1+"/rooms/{room_id}/messages/{message_id}/unhide", "unhideMessage", s.showMessage,
		route{tag: tag, summary: "Show a hidden message again",
			description: "For the course's staff.",
			errors:      edited})
	add(s, put, v1+"/rooms/{room_id}/read", "markRead", s.markRead,
		route{tag: tag, summary: "Mark a room as read up to a seq",
			description: "For people of the room. A mark never goes down by it. Mentions up to there are read too.",
			example:     `{"seq":42}`,
			errors:      known})
	add(s, post, v1+"/rooms/{room_id}/unread", "markUnread", s.markUnread,
		route{tag: tag, summary: "Mark a room as unread from a message on",
			description: "For people of the room. Mentions from there on are unread again.",
			example:     `{"seq":42}`,
			errors:      known})
	add(s, put, v1+"/rooms/{room_id}/messages/{message_id}/reactions", "addReaction", s.addReaction,
		route{tag: tag, summary: "Give an emoji to a message, once each",
			description: "For who may write in the room. 20 different ones at most.",
			example:     `{"emoji":"👍"}`,
			errors:      []int{missing, conflict, limited}})
	add(s, del, v1+"/rooms/{room_id}/messages/{message_id}/reactions", "removeReaction", s.removeReaction,
		route{tag: tag, summary: "Take one's own emoji back",
			description: "For who may write in the room.",
			errors:      []int{missing, conflict, limited}})
	add(s, get, v1+"/rooms/{room_id}/messages/{message_id}/reactions", "listReactions", s.reactors,
		route{tag: tag, summary: "List who has reacted to a message, in order",
			description: "For people of the room.",
			errors:      known})
	add(s, put, v1+"/rooms/{room_id}/messages/{message_id}/pin", "pinMessage", s.pin,
		route{tag: tag, summary: "Pin a message for all of its room; 50 at most",
			description: "For the course's staff.",
			status:      gone, errors: []int{missing, conflict, limited}})
	add(s, del, v1+"/rooms/{room_id}/messages/{message_id}/pin", "unpinMessage", s.unpin,
		route{tag: tag, summary: "Unpin a message",
			description: "For the course's staff.",
			status:      gone, errors: []int{missing, limited, conflict}})
	add(s, get, v1+"/rooms/{room_id}/pins", "listPins", s.pins,
		route{tag: tag, summary: "List the pinned messages of a room, newest pin first",
			description: "For people of the room.",
			errors:      known})
	add(s, get, v1+"/rooms/{room_id}/messages/{message_id}/replies", "listReplies", s.replies,
		route{tag: tag, summary: "List the replies under a message, oldest first",
			description: "For people of the room. Hidden and deleted ones have no text.",
			errors:      known})
	add(s, get, v1+"/rooms/{room_id}/export", "exportRoom", s.exportRoom,
		route{tag: tag, summary: "Download all that was said in a room",
			description: "For people of the room.",
			large:       manyBytes, errors: known})
	s.fiber.Add(get, v1+"/rooms/:room_id/events", s.streamEvents)
	add(s, get, pathEvents, "listEvents", s.events,
		route{tag: tag, summary: "List a room's durable events after a seq, or stream them with Accept: text/event-stream",
			description: "For people of the room; some are for staff alone. Go on with after=next while more is true.",
			large:       manyBytes, errors: known})
	s.streamed(pathEvents)
	add(s, get, v1+"/chat/messages/{room_id}", "listMessages", s.history,
		route{tag: tag, summary: "List what was said in a room, oldest first",
			description: "For people of the room. Hidden and deleted ones have no text.",
			errors:      known})
}

func (s *Server) fileRoutes() {
	const tag = "Files"
	known := []int{missing}
	add(s, post, v1+"/rooms/{room_id}/files", "uploadFile", s.uploadFile,
		route{tag: tag, summary: "Upload a file to a room, once for each client_id",
			description: "For who may write in the room. It is the caller's until a message names it, and goes after a day without " +
				"one. 200: it had been uploaded.",
			form: uploadForm(), streams: true, status: created, also: http.StatusOK, errors: []int{rejected, missing, conflict, limited}})
	add(s, get, v1+"/rooms/{room_id}/files", "listFiles", s.roomFiles,
		route{tag: tag, summary: "List the files of a room's messages, newest first",
			description: "For people of the room; those of hidden messages for staff alone.",
			errors:      known})
	add(s, get, v1+"/files/{file_id}", "downloadFile", s.originalFile,
		route{tag: tag, summary: "Download a file as it was uploaded",
			description: "For who may read its message, before that for its uploader. With Range a part of it.",
			streams:     true, errors: []int{missing, http.StatusRequestedRangeNotSatisfiable}})
	add(s, get, v1+"/files/{file_id}/image", "imageOfFile", s.imageOfFile(store.BlobImage),
		route{tag: tag, summary: "Show a picture of a file, of the size of a screen",
			description: "For who may download the file.",
			streams:     true, errors: []int{missing, http.StatusRequestedRangeNotSatisfiable}})
	add(s, get, v1+"/files/{file_id}/thumbnail", "thumbnailOfFile", s.imageOfFile(store.BlobThumbnail),
		route{tag: tag, summary: "Show a small picture of a file",
			description: "For who may download the file.",
			streams:     true, errors: []int{missing, http.StatusRequestedRangeNotSatisfiable}})
	add(s, del, v1+"/files/{file_id}", "deleteFile", s.deleteFile,
		route{tag: tag, summary: "Delete a file that no message shows yet",
			description: "For its uploader.",
			status:      gone, errors: []int{missing, conflict}})
	for path, kind := range map[string]string{"": fiber.MIMEOctetStream, "/image": "image/*", "/thumbnail": "image/*"} {
		s.sends(v1+"/files/{file_id}"+path, kind)
	}
}

// turnRoutes registers the routes about the agents' turns in a room, for its staff.
func (s *Server) turnRoutes() {
	const tag = "Turns"
	known, edited := []int{missing}, []int{missing, conflict}
	add(s, get, v1+"/rooms/{room_id}/turns", "listTurns", s.turns,
		route{tag: tag, summary: "List the turns of a room's agents, newest first",
			description: "For the course's staff.",
			errors:      known})
	add(s, get, v1+"/rooms/{room_id}/turns/{turn_id}", "getTurn", s.turn,
		route{tag: tag, summary: "Show a turn with its exact prompts, tools, tokens and times",
			description: "For the course's staff.",
			large:       manyBytes, errors: known})
	add(s, get, v1+"/rooms/{room_id}/approvals", "listApprovals", s.approvals,
		route{tag: tag, summary: "List what agents want to do and wait for",
			description: "For the course's staff.",
			errors:      known})
	add(s, post, v1+"/rooms/{room_id}/approvals/{step_id}", "decideApproval", s.decideApproval,
		route{tag: tag, summary: "Allow or refuse what an agent wants to do; the first decision counts",
			description: "For the course's staff. The agent goes on at once.",
			example:     `{"decision":"reject","note":"Keep the old one."}`,
			errors:      edited})
}

// workflowRoutes registers the routes about the graphs of turns, for staff.
func (s *Server) workflowRoutes() {
	const tag = "Workflows"
	known, edited := []int{missing}, []int{missing, conflict}
	add(s, get, v1+"/workflows", "listWorkflows", s.workflows,
		route{tag: tag, summary: "List a course's workflows and those that ship with the program",
			description: "For the course's staff. Without the graphs.",
			errors:      known})
	add(s, post, v1+"/workflows", "createWorkflow", s.createWorkflow,
		route{tag: tag, summary: "Make a workflow; 422 names all that is wrong with its graph",
			description: "For the course's staff.",
			example: `{"course_id":"0199c0de-7a4b-7c1e-9c55-3d2f6a1b8e90","name":"Answer","graph":{"name":"Answer","start_node":"start",
				"nodes":{"start":{"type":"start"},"say":{"type":"agent","handler":"speaker","config":{"mode":"say","output":"answer"}},
				"post":{"type":"action","handler":"broadcast","config":{"of":"answer"}},"end":{"type":"end","config":{"status":"said"}}},
				"edges":[{"from":"start","to":"say"},{"from":"say","to":"post"},{"from":"post","to":"end"}]}}`,
			status: created, errors: edited})
	add(s, get, v1+"/workflows/{workflow_id}", "getWorkflow", s.workflow,
		route{tag: tag, summary: "Show a workflow with its graph",
			description: "For the course's staff; built-in ones for everybody who runs a course.",
			errors:      known})
	add(s, put, v1+"/workflows/{workflow_id}", "updateWorkflow", s.updateWorkflow,
		route{tag: tag, summary: "Change a workflow; runs that have begun keep theirs",
			description: "For the course's staff.",
			example:     `{"name":"Answer at once"}`,
			errors:      edited})
	add(s, del, v1+"/workflows/{workflow_id}", "deleteWorkflow", s.deleteWorkflow,
		route{tag: tag, summary: "Delete a workflow; its rooms do what fits their agents",
			description: "For the course's staff.",
			status:      gone, also: http.StatusOK, errors: edited})
	add(s, get, v1+"/rooms/{room_id}/workflow", "getRoomWorkflow", s.roomWorkflow,
		route{tag: tag, summary: "Tell which workflow a room's turns go through",
			description: "For the course's staff. null: a review where there is an instructor, else the direct answer.",
			errors:      known})
	add(s, put, v1+"/rooms/{room_id}/workflow", "setRoomWorkflow", s.setRoomWorkflow,
		route{tag: tag, summary: "Have a room's turns go through a workflow from now on",
			description: "For the course's staff. Turns that have begun keep theirs.",
			example:     `{"workflow_id":"student_teacher_review"}`,
			errors:      edited})
	add(s, get, v1+"/rooms/{room_id}/a2a", "listExchanges", s.exchanges,
		route{tag: tag, summary: "List what a room's agents wrote to each other by turns, newest first",
			description: "For the course's staff: drafts, verdicts, scores, feedback.",
			errors:      known})
	add(s, get, v1+"/rooms/{room_id}/runs", "listRuns", s.runs,
		route{tag: tag, summary: "List the turns that go through a graph, newest first",
			description: "For the course's staff.",
			errors:      known})
	add(s, get, v1+"/courses/{course_id}/runs", "listCourseRuns", s.courseRuns,
		route{tag: tag, summary: "List the runs of all rooms of a course, newest first",
			description: "For the course's staff.",
			errors:      known})
	add(s, get, v1+"/users/me/approvals", "listMyApprovals", s.myApprovals,
		route{tag: tag, summary: "List what agents wait for in all rooms that the caller runs, oldest first",
			description: "For everybody; empty for who runs no course."})
	add(s, get, v1+"/runs/{run_id}", "getRun", s.run,
		route{tag: tag, summary: "Show a run with its graph and its steps",
			description: "For the course's staff.",
			large:       manyBytes, errors: known})
	add(s, post, v1+"/runs/{run_id}/pause", "pauseRun", s.pauseRun,
		route{tag: tag, summary: "Let a run stop between two of its nodes",
			description: "For the course's staff. The node that works ends first.",
			errors:      edited})
	add(s, post, v1+"/runs/{run_id}/resume", "resumeRun", s.resumeRun,
		route{tag: tag, summary: "Let a paused run go on",
			description: "For the course's staff.",
			errors:      edited})
	add(s, post, v1+"/runs/{run_id}/cancel", "cancelRun", s.cancelRun,
		route{tag: tag, summary: "Stop a run for good",
			description: "For the course's staff. What it has said stays.",
			errors:      edited})
}

func (s *Server) artifactRoutes() {
	const tag = "Artifacts"
	known, edited := []int{missing}, []int{missing, conflict}
	add(s, get, v1+"/workspaces/{room_id}/artifacts", "listArtifacts", s.artifacts,
		route{tag: tag, summary: "List a room's tasks, documents and processes, newest first",
			description: "For people of the room.",
			errors:      known})
	add(s, post, v1+"/workspaces/{room_id}/artifacts", "createArtifact", s.createArtifact,
		route{tag: tag, summary: "Put a task, a document or a process into a room",
			description: "For people of the room.",
			example:     `{"type":"task","title":"Write the report","content":{"status":"todo","priority":"high","order":1}}`,
			large:       manyBytes, status: created, errors: []int{rejected, missing, conflict, limited}})
	add(s, get, v1+"/workspaces/artifacts/{artifact_id}", "getArtifact", s.artifact,
		route{tag: tag, summary: "Show an artifact",
			description: "For people of the room.",
			large:       manyBytes, errors: known})
	add(s, put, v1+"/workspaces/artifacts/{artifact_id}", "updateArtifact", s.updateArtifact,
		route{tag: tag, summary: "Change an artifact's title or content",
			description: "For people of the room. With base_version the change is merged into a newer one.",
			example:     `{"content":{"status":"done"},"expected_version":1}`,
			large:       manyBytes, errors: []int{missing, conflict, limited}})
	add(s, put, v1+"/workspaces/artifacts/{artifact_id}/position", "moveCard", s.moveCard,
		route{tag: tag, summary: "Move a task on the board, to a column and between two tasks",
			description: "For people of the room. Sets its status and order; 409 stale if a neighbour was moved meanwhile.",
			example:     `{"column":"done"}`,
			large:       manyBytes, errors: []int{missing, conflict, limited}})
	add(s, del, v1+"/workspaces/artifacts/{artifact_id}", "deleteArtifact", s.deleteArtifact,
		route{tag: tag, summary: "Delete an artifact, so that it can be restored",
			description: "For people of the room. Its versions stay with it.",
			status:      gone, errors: edited})
	add(s, post, v1+"/workspaces/artifacts/{artifact_id}/restore", "restoreArtifact", s.restoreArtifact,
		route{tag: tag, summary: "Bring a deleted artifact back",
			description: "For who deleted it and the course's staff.",
			large:       manyBytes, errors: edited})
	add(s, get, v1+"/workspaces/artifacts/{artifact_id}/versions", "listArtifactVersions", s.artifactVersions,
		route{tag: tag, summary: "List what an artifact was before it was changed, newest first",
			description: "For people of the room. Without their contents.",
			errors:      known})
	add(s, get, v1+"/workspaces/artifacts/{artifact_id}/versions/{version}", "getArtifactVersion", s.artifactVersion,
		route{tag: tag, summary: "Show an earlier version of an artifact",
			description: "For people of the room.",
			large:       manyBytes, errors: known})
	add(s, post, v1+"/workspaces/artifacts/{artifact_id}/versions/{version}/restore", "restoreArtifactVersion", s.restoreArtifactVersion,
		route{tag: tag, summary: "Make an artifact again what it was, after keeping what it is",
			description: "For people of the room.",
			large:       manyBytes, errors: []int{missing, conflict, limited}})
}
