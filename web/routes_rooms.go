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
			description: "For the people of the course; those who are admitted to single rooms see these.",
			errors:      known})
	add(s, get, v1+"/rooms/{room_id}", "getRoom", s.room,
		route{tag: tag, summary: "Show a room",
			description: "For those who may enter the room.",
			errors:      known})
	add(s, put, v1+"/rooms/{room_id}", "updateRoom", s.updateRoom,
		route{tag: tag, summary: "Change what is sent of a room's settings",
			description: "For the course's staff. A member that is not sent keeps its value.",
			example:     `{"ai_mode":"teacher_only"}`,
			errors:      edited})
	add(s, del, v1+"/rooms/{room_id}", "deleteRoom", s.deleteRoom,
		route{tag: tag, summary: "Delete a room with all that was said in it",
			description: "For the course's staff. With dry_run nothing goes, and what would go is counted.",
			status:      gone, also: http.StatusOK, errors: edited})
	add(s, get, v1+"/rooms/{room_id}/people", "listRoomPeople", s.roomPeople,
		route{tag: tag, summary: "List who may be in a room, teachers first, and who is online; without e-mail addresses",
			description: "For those who may enter the room. Admins are not in it. Go on with skip.",
			errors:      known})
	add(s, post, v1+"/rooms/{room_id}/assign", "assignToRoom", s.assignToRoom,
		route{tag: tag, summary: "Admit somebody to one room",
			description: "For the course's staff. The person need not be in the course, and sees this room alone.",
			example:     `{"user_email":"ada@example.org"}`,
			errors:      known})
}

func (s *Server) roomAgentRoutes() {
	const tag = "Rooms"
	known, edited := []int{missing}, []int{missing, conflict}
	add(s, get, v1+"/rooms/{room_id}/agents", "listRoomAgents", s.roomAgents,
		route{tag: tag, summary: "List a room's agents; only their public face for those who are not staff",
			description: "For those who may enter the room.",
			errors:      known})
	add(s, post, v1+"/rooms/{room_id}/agents", "createRoomAgent", s.createRoomAgent,
		route{tag: tag, summary: "Make an agent and put it into a room",
			description: "For the course's staff who may make agents in the project. All of it happens or nothing. Without project_id it goes to a " +
				"project of the caller with agents in the course, or to a new one.",
			example: `{"type":"teacher","name":"Zeno","system_prompt":"Teach by asking questions.","model_provider":"offline","room":{"context_window":20}}`,
			status:  http.StatusCreated, errors: []int{rejected, missing, conflict}})
	add(s, post, v1+"/rooms/{room_id}/agents/{agent_id}", "attachAgent", s.attachAgent,
		route{tag: tag, summary: "Put an agent into a room",
			description: "For the course's staff who may use the project's agents.",
			errors:      known})
	add(s, del, v1+"/rooms/{room_id}/agents/{agent_id}", "detachAgent", s.detachAgent,
		route{tag: tag, summary: "Take an agent out of a room",
			description: "For the course's staff. What it said stays.",
			errors:      known})
	add(s, get, v1+"/rooms/{room_id}/agents/{agent_id}/settings", "getRoomAgent", s.roomAgent,
		route{tag: tag, summary: "Show how an agent is set in a room, and why it may not speak if so; staff only",
			description: "own is what is set here, inherited what the agent has, effective what holds.",
			errors:      known})
	add(s, put, v1+"/rooms/{room_id}/agents/{agent_id}/settings", "setRoomAgent", s.setRoomAgent,
		route{tag: tag, summary: "Change what is sent of how an agent is set in a room, over its own settings; null leaves " +
			"it to those",
			description: "For the course's staff. With version a newer one is not overwritten.",
			example:     `{"trigger_config":{"type":"silence","value":120},"context_window":40}`,
			errors:      edited})
	add(s, post, v1+"/rooms/{room_id}/agents/{agent_id}/settings/copy", "copyRoomAgent", s.copyRoomAgent,
		route{tag: tag, summary: "Set an agent in the course's other rooms as it is set here: in those of room_ids, or in " +
			"all that it is in",
			description: "For the course's staff. Rooms in which the agent is not are named in without.",
			example:     `{"room_ids":null}`,
			errors:      known})
	add(s, get, v1+"/rooms/{room_id}/agents/{agent_id}/state", "getAgentState", s.agentState,
		route{tag: tag, summary: "Show what happened to an agent in a room, and when time will make it speak; staff only",
			description: "Messages, silence and the last decision, from which its trigger is worked out.",
			errors:      known})
	add(s, post, v1+"/rooms/{room_id}/agents/{agent_id}/wake", "wakeAgent", s.wakeAgent,
		route{tag: tag, summary: "Give an agent a turn at once, whatever its trigger says; code tells why it cannot",
			description: "For the course's staff. The turn is queued; the room's socket tells how it goes.",
			errors:      edited})
	add(s, post, v1+"/rooms/{room_id}/agents/{agent_id}/mute", "muteAgent", s.muteAgent,
		route{tag: tag, summary: "Keep an agent from speaking in a room until a time, or for so many minutes",
			description: "For the course's staff. Send until or minutes. It does not answer a mention either.",
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
			description: "For the course's staff. It speaks again when its trigger or a message calls it.",
			errors:      edited})
	add(s, get, v1+"/rooms/{room_id}/decisions", "listDecisions", s.decisions,
		route{tag: tag, summary: "List why each agent spoke or not, newest first; for staff",
			description: "Each names the message or the time that caused it, and every agent that was weighed. Go on with before.",
			errors:      known})
	add(s, post, v1+"/rooms/{room_id}/go-on", "goOn", s.goOn,
		route{tag: tag, summary: "Let the agents go on where a guard has cut them off",
			description: "For the course's staff.",
			errors:      edited})
	add(s, post, v1+"/rooms/{room_id}/turns/{turn_id}/stop", "stopTurn", s.stopTurn,
		route{tag: tag, summary: "Stop an agent's turn: staff may, and who asked; what it has said is kept",
			description: "What the agent has said until then is kept as its message.",
			errors:      known})
}

func (s *Server) messageRoutes() {
	const tag = "Rooms"
	known := []int{missing}
	add(s, get, v1+"/search", "searchMessages", s.search,
		route{tag: tag, summary: "Find messages in the rooms that the caller may read, newest or best first",
			description: "Words, \"a phrase\", -without, from:NAME, in:ROOM, before: and after:DATE, has:link, has:mention, has:reply, has:file. The last word may be the " +
				"beginning of one. Deleted and hidden messages and threads are never found.",
			errors: []int{missing, limited}})
	add(s, post, v1+"/rooms/{room_id}/messages", "postMessage", s.postMessage,
		route{tag: tag, summary: "Say something, once for each client_id; 200 when it had been said before",
			description: "For those who may write in the room. Agents that it mentions are called. Sent again with the same " +
				"client_id, it is stored once.",
			example: `{"text":"@Teacher, good morning!","client_id":"7f3a"}`,
			status:  created, also: http.StatusOK, errors: []int{missing, conflict, limited}})
	add(s, get, v1+"/rooms/{room_id}/messages", "getMessages", s.messagePage,
		route{tag: tag, summary: "List a part of what was said in a room: the newest, or before, after or around a point",
			description: "For those who may enter the room. Hidden and deleted messages have their place without their text.",
			errors:      known})
	add(s, put, v1+"/rooms/{room_id}/messages/{message_id}", "editMessage", s.editMessage,
		route{tag: tag, summary: "Change the text of one's own line",
			description: "For who said it. Agents are not called again.",
			example:     `{"text":"Good evening!"}`,
			errors:      []int{missing, conflict, limited}})
	add(s, del, v1+"/rooms/{room_id}/messages/{message_id}", "deleteMessage", s.deleteMessage,
		route{tag: tag, summary: "Take one's own line back; it can be restored for 15 minutes",
			description: "For who said it. Its place stays in the room.",
			status:      gone, errors: []int{missing, limited}})
	add(s, post, v1+"/rooms/{room_id}/messages/{message_id}/restore", "restoreMessage", s.restoreMessage,
		route{tag: tag, summary: "Bring one's own deleted line back",
			description: "For who said it and deleted it.",
			errors:      []int{missing, conflict, limited}})
	add(s, post, v1+"/rooms/{room_id}/messages/{message_id}/hide", "hideMessage", s.hideMessage,
		route{tag: tag, summary: "Hide a line from everybody but staff",
			description: "For the course's staff. Agents do not read it either.",
			errors:      known})
	add(s, post, v1+"/rooms/{room_id}/messages/{message_id}/unhide", "unhideMessage", s.showMessage,
		route{tag: tag, summary: "Show a hidden line again",
			description: "For the course's staff.",
			errors:      known})
	add(s, put, v1+"/rooms/{room_id}/read", "markRead", s.markRead,
		route{tag: tag, summary: "Mark a room as read up to a seq, for all devices of the caller",
			description: "For those who may enter the room. A mark never goes down by it, nor above last_seq. Mentions up to there are read too.",
			example:     `{"seq":42}`,
			errors:      known})
	add(s, post, v1+"/rooms/{room_id}/unread", "markUnread", s.markUnread,
		route{tag: tag, summary: "Mark a room as unread from a message on",
			description: "For those who may enter the room. It is the one way down; mentions from there on are unread again.",
			example:     `{"seq":42}`,
			errors:      known})
	add(s, put, v1+"/rooms/{room_id}/messages/{message_id}/reactions", "addReaction", s.addReaction,
		route{tag: tag, summary: "Give an emoji to a message, once each",
			description: "For those who may write in the room. 20 different emoji at most.",
			example:     `{"emoji":"👍"}`,
			errors:      []int{missing, conflict, limited}})
	add(s, del, v1+"/rooms/{room_id}/messages/{message_id}/reactions", "removeReaction", s.removeReaction,
		route{tag: tag, summary: "Take one's own emoji back",
			description: "For those who may write in the room.",
			errors:      []int{missing, conflict, limited}})
	add(s, get, v1+"/rooms/{room_id}/messages/{message_id}/reactions", "listReactions", s.reactors,
		route{tag: tag, summary: "List who has reacted to a message, the first one first",
			description: "For those who may enter the room.",
			errors:      known})
	add(s, put, v1+"/rooms/{room_id}/messages/{message_id}/pin", "pinMessage", s.pin,
		route{tag: tag, summary: "Pin a message for all of its room; 50 at most",
			description: "For the course's staff.",
			status:      gone, errors: []int{missing, conflict, limited}})
	add(s, del, v1+"/rooms/{room_id}/messages/{message_id}/pin", "unpinMessage", s.unpin,
		route{tag: tag, summary: "Take the pin of a message away",
			description: "For the course's staff.",
			status:      gone, errors: []int{missing, limited}})
	add(s, get, v1+"/rooms/{room_id}/pins", "listPins", s.pins,
		route{tag: tag, summary: "List the pinned messages of a room, the newest pin first",
			description: "For those who may enter the room. Deleted and hidden messages are left out.",
			errors:      known})
	add(s, get, v1+"/rooms/{room_id}/messages/{message_id}/replies", "listReplies", s.replies,
		route{tag: tag, summary: "List the replies under a message, or of the thread of a reply, oldest first",
			description: "For those who may enter the room. Hidden and deleted replies have their place without their text.",
			errors:      known})
	add(s, get, v1+"/rooms/{room_id}/export", "exportRoom", s.exportRoom,
		route{tag: tag, summary: "Download all that was said in a room",
			description: "For those who may enter the room, as Markdown or JSON.",
			large:       manyBytes, errors: known})
	s.fiber.Add(get, v1+"/rooms/:room_id/events", s.streamEvents)
	add(s, get, pathEvents, "listEvents", s.events,
		route{tag: tag, summary: "List a room's durable events after a seq; with Accept: text/event-stream as a live " +
			"stream (id = seq, Last-Event-ID)",
			description: "For those who may enter the room; those for staff are left out for others. Go on with after=next while " +
				"more is true. resync says that the cursor is older than what is kept.",
			large: manyBytes, errors: known})
	s.streamed(pathEvents, "")
	add(s, get, v1+"/chat/messages/{room_id}", "listMessages", s.history,
		route{tag: tag, summary: "List what was said in a room, oldest first",
			description: "For those who may enter the room. Hidden and deleted messages have their place without their text.",
			errors:      known})
}

func (s *Server) fileRoutes() {
	const tag = "Files"
	known := []int{missing}
	add(s, post, v1+"/rooms/{room_id}/files", "uploadFile", s.uploadFile,
		route{tag: tag, summary: "Upload a file to a room, once for each client_id; 200 when it had been uploaded before",
			description: "For those who may write in the room. The file is the caller's alone until a message names it in files, and " +
				"goes after a day without one. Its type is found by its content.",
			form: uploadForm(), streams: true, status: created, also: http.StatusOK, errors: []int{rejected, missing, conflict, limited}})
	add(s, get, v1+"/rooms/{room_id}/files", "listFiles", s.roomFiles,
		route{tag: tag, summary: "List the files of a room's messages, newest first",
			description: "For those who may enter the room; those of hidden messages for staff alone.",
			errors:      known})
	add(s, get, v1+"/files/{file_id}", "downloadFile", s.originalFile,
		route{tag: tag, summary: "Download a file as it was uploaded; a range of it with Range",
			description: "For those who may read the message that shows it; before that for its uploader.",
			streams:     true, errors: []int{missing, http.StatusRequestedRangeNotSatisfiable}})
	add(s, get, v1+"/files/{file_id}/image", "imageOfFile", s.imageOfFile(store.BlobImage),
		route{tag: tag, summary: "Show a picture of the size of a screen that was made of a file",
			description: "For those who may download the file. It has no more than the pixels.",
			streams:     true, errors: []int{missing, http.StatusRequestedRangeNotSatisfiable}})
	add(s, get, v1+"/files/{file_id}/thumbnail", "thumbnailOfFile", s.imageOfFile(store.BlobThumbnail),
		route{tag: tag, summary: "Show a small picture that was made of a file",
			description: "For those who may download the file.",
			streams:     true, errors: []int{missing, http.StatusRequestedRangeNotSatisfiable}})
	add(s, del, v1+"/files/{file_id}", "deleteFile", s.deleteFile,
		route{tag: tag, summary: "Delete a file that no message shows yet",
			description: "For its uploader. Those of messages go with their message.",
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
		route{tag: tag, summary: "List the turns of a room's agents, newest first, for staff",
			description: "What ran, waits or failed, and why.",
			errors:      known})
	add(s, get, v1+"/rooms/{room_id}/turns/{turn_id}", "getTurn", s.turn,
		route{tag: tag, summary: "Show a turn with its exact prompts, tools, tokens and times, for staff",
			description: "Each step has what the model was sent and what it said. Keys are never in it.",
			large:       manyBytes, errors: known})
	add(s, get, v1+"/rooms/{room_id}/approvals", "listApprovals", s.approvals,
		route{tag: tag, summary: "List what agents want to do and wait for, for staff",
			description: "Each says what the agent wants to do, with which arguments, and until when it waits.",
			errors:      known})
	add(s, post, v1+"/rooms/{room_id}/approvals/{step_id}", "decideApproval", s.decideApproval,
		route{tag: tag, summary: "Allow or refuse what an agent wants to do; the first decision counts",
			description: "For the course's staff. The agent goes on at once; a refused one is told the note.",
			example:     `{"decision":"reject","note":"Keep the old one."}`,
			errors:      edited})
}

// workflowRoutes registers the routes about the graphs of turns, for staff.
func (s *Server) workflowRoutes() {
	const tag = "Workflows"
	known, edited := []int{missing}, []int{missing, conflict}
	add(s, get, v1+"/workflows", "listWorkflows", s.workflows,
		route{tag: tag, summary: "List the workflows that ship with the program and a course's own, for staff",
			description: "The graphs are in the workflows themselves.",
			errors:      known})
	add(s, post, v1+"/workflows", "createWorkflow", s.createWorkflow,
		route{tag: tag, summary: "Make a workflow; 422 names all that is wrong with its graph",
			description: "For the course's staff. A room goes through it once it is set there.",
			example: `{"course_id":"0199c0de-7a4b-7c1e-9c55-3d2f6a1b8e90","name":"Answer","graph":{"name":"Answer","start_node":"start",
				"nodes":{"start":{"type":"start"},"say":{"type":"agent","handler":"speaker","config":{"mode":"say","output":"answer"}},
				"post":{"type":"action","handler":"broadcast","config":{"of":"answer"}},"end":{"type":"end","config":{"status":"said"}}},
				"edges":[{"from":"start","to":"say"},{"from":"say","to":"post"},{"from":"post","to":"end"}]}}`,
			status: created, errors: edited})
	add(s, get, v1+"/workflows/{workflow_id}", "getWorkflow", s.workflow,
		route{tag: tag, summary: "Show a workflow with its graph",
			description: "For the course's staff; those that ship with the program for everybody who runs a course.",
			errors:      known})
	add(s, put, v1+"/workflows/{workflow_id}", "updateWorkflow", s.updateWorkflow,
		route{tag: tag, summary: "Change what is sent of a workflow; runs that have begun keep their graph",
			description: "For the course's staff. With version a newer one is not overwritten.",
			example:     `{"name":"Answer at once"}`,
			errors:      edited})
	add(s, del, v1+"/workflows/{workflow_id}", "deleteWorkflow", s.deleteWorkflow,
		route{tag: tag, summary: "Delete a workflow; rooms that have it do what fits their agents",
			description: "For the course's staff. With dry_run nothing goes, and the rooms that have it are counted.",
			status:      gone, also: http.StatusOK, errors: edited})
	add(s, get, v1+"/rooms/{room_id}/workflow", "getRoomWorkflow", s.roomWorkflow,
		route{tag: tag, summary: "Tell which workflow a room's turns go through, for staff",
			description: "null means what fits the room's agents: the review where there is an instructor, else the direct answer.",
			errors:      known})
	add(s, put, v1+"/rooms/{room_id}/workflow", "setRoomWorkflow", s.setRoomWorkflow,
		route{tag: tag, summary: "Have a room's turns go through a workflow from now on",
			description: "For the course's staff. Turns that have begun keep their graph.",
			example:     `{"workflow_id":"student_teacher_review"}`,
			errors:      edited})
	add(s, get, v1+"/rooms/{room_id}/a2a", "listExchanges", s.exchanges,
		route{tag: tag, summary: "List what a room's agents wrote to each other, newest first, for staff: drafts, " +
			"verdicts, scores, feedback",
			description: "Each turn with the messages between its agents. Go on with before.",
			errors:      known})
	add(s, get, v1+"/rooms/{room_id}/runs", "listRuns", s.runs,
		route{tag: tag, summary: "List the turns that go through a graph, newest first, for staff",
			description: "Each run is the turn whose graph it follows. Go on with before.",
			errors:      known})
	add(s, get, v1+"/courses/{course_id}/runs", "listCourseRuns", s.courseRuns,
		route{tag: tag, summary: "List the runs of all rooms of a course, newest first, for staff",
			description: "As listRuns. Go on with before.",
			errors:      known})
	add(s, get, v1+"/users/me/approvals", "listMyApprovals", s.myApprovals,
		route{tag: tag, summary: "List what agents wait for in all rooms of the courses that the caller runs, the oldest first",
			description: "Each with its room. Those who run no course get an empty list."})
	add(s, get, v1+"/runs/{run_id}", "getRun", s.run,
		route{tag: tag, summary: "Show a run with its graph and its steps, for staff",
			description: "The steps say what each node did, with its tokens and times.",
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
			description: "For the course's staff. What it has said stays; it cannot be resumed.",
			errors:      edited})
}

func (s *Server) artifactRoutes() {
	const tag = "Artifacts"
	known, edited := []int{missing}, []int{missing, conflict}
	add(s, get, v1+"/workspaces/{room_id}/artifacts", "listArtifacts", s.artifacts,
		route{tag: tag, summary: "List a room's tasks, documents and processes, newest first",
			description: "For those who may enter the room. Contents are in it.",
			errors:      known})
	add(s, post, v1+"/workspaces/{room_id}/artifacts", "createArtifact", s.createArtifact,
		route{tag: tag, summary: "Put a task, a document or a process into a room",
			description: "For those who may enter the room.",
			example:     `{"type":"task","title":"Write the report","content":{"status":"todo","priority":"high","order":1}}`,
			large:       manyBytes, status: created, errors: []int{rejected, missing, conflict, limited}})
	add(s, get, v1+"/workspaces/artifacts/{artifact_id}", "getArtifact", s.artifact,
		route{tag: tag, summary: "Show an artifact",
			description: "For those who may enter the room.",
			large:       manyBytes, errors: known})
	add(s, put, v1+"/workspaces/artifacts/{artifact_id}", "updateArtifact", s.updateArtifact,
		route{tag: tag, summary: "Change an artifact's title or content",
			description: "For those who may enter the room. With expected_version a newer one is not overwritten: 409. With base_version the change is merged into it.",
			example:     `{"content":{"status":"done"},"expected_version":1}`,
			large:       manyBytes, errors: []int{missing, conflict, limited}})
	add(s, put, v1+"/workspaces/artifacts/{artifact_id}/position", "moveCard", s.moveCard,
		route{tag: tag, summary: "Move a task on the board, to a column and between two tasks",
			description: "For those who may enter the room. Sets its status and order; 409 stale if a neighbour was moved meanwhile.",
			example:     `{"column":"done"}`,
			large:       manyBytes, errors: []int{missing, conflict, limited}})
	add(s, del, v1+"/workspaces/artifacts/{artifact_id}", "deleteArtifact", s.deleteArtifact,
		route{tag: tag, summary: "Delete an artifact, so that it can be restored",
			description: "For those who may enter the room. Its versions stay with it.",
			status:      gone, errors: edited})
	add(s, post, v1+"/workspaces/artifacts/{artifact_id}/restore", "restoreArtifact", s.restoreArtifact,
		route{tag: tag, summary: "Bring a deleted artifact back",
			description: "For who deleted it and the course's staff.",
			large:       manyBytes, errors: edited})
	add(s, get, v1+"/workspaces/artifacts/{artifact_id}/versions", "listArtifactVersions", s.artifactVersions,
		route{tag: tag, summary: "List what an artifact was before it was changed, newest first",
			description: "Their contents are in the versions themselves.",
			errors:      known})
	add(s, get, v1+"/workspaces/artifacts/{artifact_id}/versions/{version}", "getArtifactVersion", s.artifactVersion,
		route{tag: tag, summary: "Show an earlier version of an artifact",
			description: "For those who may enter the room.",
			large:       manyBytes, errors: known})
	add(s, post, v1+"/workspaces/artifacts/{artifact_id}/versions/{version}/restore", "restoreArtifactVersion", s.restoreArtifactVersion,
		route{tag: tag, summary: "Make an artifact again what it was; what it is now becomes an earlier version",
			description: "For those who may enter the room.",
			large:       manyBytes, errors: []int{missing, conflict, limited}})
}
