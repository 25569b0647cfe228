package web

import (
	"net/http"

	"github.com/coagent-studio/coagent/app"
)

func (s *Server) agentRoutes() {
	const tag = "Agents"
	known, edited := []int{missing}, []int{missing, conflict}
	add(s, get, v1+"/users/me/agents", "listMyAgents", s.myAgents,
		route{tag: tag, summary: "List the caller's agents, and those of their projects",
			description: "For everybody. Keys are masked.",
			errors:      known})
	// Fixed names come before {id}, which would match them too.
	add(s, get, v1+"/agents/system", "listSystemAgents", s.systemAgents,
		route{tag: tag, summary: "List the program's own agents, their keys masked",
			description: "For admins: those that design others, write reports and so on.",
			role:        app.ActReadSystemAgents})
	add(s, put, v1+"/agents/system/{agent_type}", "setSystemAgent", s.setSystemAgent,
		route{tag: tag, summary: "Change the system agent of a type, or make it",
			description: "For admins.",
			example:     `{"system_prompt":"Write instructions for agents.","model_provider":"offline","is_active":true}`,
			role:        app.ActWriteSystemAgents, errors: []int{conflict}})
	add(s, post, v1+"/agents/generate", "generateInstructions", s.generateInstructions,
		route{tag: tag, summary: "Have the design agent write the instructions of another agent",
			description: "For teachers and admins. A key that is sent is used once and not stored.",
			example:     `{"requirement":"An agent that asks back","target_agent_type":"teacher","custom_provider":"offline"}`,
			role:        app.ActDesignAgent, patient: true, errors: []int{missing, limited, upstream}})
	add(s, get, v1+"/agents/global/list", "listTemplates", s.templates,
		route{tag: tag, summary: "List the caller's own templates",
			description: "Their keys are masked."})
	add(s, post, v1+"/agents/global", "createTemplate", s.createTemplate,
		route{tag: tag, summary: "Make a template of one's own",
			description: "For teachers and admins. To be copied into projects.",
			example:     `{"type":"teacher","name":"Socrates","system_prompt":"Teach by asking questions.","model_provider":"offline"}`,
			errors:      []int{conflict}})
	add(s, post, v1+"/agents/global/{id}/clone-to-project/{project_id}", "cloneTemplate", s.cloneTemplate,
		route{tag: tag, summary: "Put a copy of the caller's template {id} into a project, switched off",
			description: "For its owner who is an editor of the project. The copy has no key and remembers its template.",
			errors:      edited})
	add(s, get, v1+"/agents/external/list", "listExternalAgents", s.externalAgents,
		route{tag: tag, summary: "List external agents: all for admins, else the caller's own",
			description: "Secrets are masked or left out."})
	add(s, post, v1+"/agents/external/create", "createExternalAgent", s.createExternalAgent,
		route{tag: tag, summary: "Make an agent outside this program",
			description: "For admins. It is called at webhook_url, and calls back with the callback_token, which is in this answer alone.",
			example:     `{"name":"Tutor","webhook_url":"https://agent.example.org/hook","auth_type":"bearer","auth_token":"9f2c41","timeout_ms":30000}`,
			role:        app.ActCreateExternal, errors: []int{conflict}})
	add(s, post, v1+"/agents/external/test-connection", "testExternalAgent", s.testExternalAgent,
		route{tag: tag, summary: "Ask an external agent that is not stored for a sign of life",
			description: "For admins. Calls webhook_url once and stores nothing. How often is bounded.",
			example:     `{"name":"Tutor","webhook_url":"https://agent.example.org/hook","auth_type":"none"}`,
			role:        app.ActCreateExternal, errors: []int{limited}})
	add(s, get, v1+"/agents/{id}", "listAgentsInProject", s.agents,
		route{tag: tag, summary: "List the agents of the project {id}",
			description: "For people of the project. Keys are masked.",
			errors:      known})
	add(s, post, v1+"/agents/{id}", "createAgent", s.createAgent,
		route{tag: tag, summary: "Make an agent in the project {id}",
			description: "For editors of the project. It takes part in a room once it is put there.",
			example: `{"type":"teacher","name":"Socrates","category":"instructor","system_prompt":"Teach by asking questions.","model_provider":"openai",
				"model":"gpt-4o","api_key":"sk-proj-4f1c9d",
				"settings":{"temperature":0.4},"trigger_config":{"logic":"or","trigger":{"enabled_conditions":["message_count"],"message_count":5}},
				"schedule_config":{"mode":"whitelist","rules":[{"type":"day_of_week","days":[1,2,3,4,5],"time_range":["08:00","16:00"]}]},"is_active":true}`,
			errors: edited})
	add(s, put, v1+"/agents/{id}", "updateAgent", s.updateAgent,
		route{tag: tag, summary: "Change the agent {id}",
			description: "For editors of its project. A key stays when its mask comes back.",
			example: `{"name":"Plato","settings":{"temperature":0.4,"review":{"revisions":2}},
				"trigger_config":{"type":"message_count","value":5}}`,
			errors: edited})
	add(s, get, v1+"/agents/{id}/keys", "listAgentKeys", s.agentKeys,
		route{tag: tag, summary: "List the further keys of the agent {id}, masked",
			description: "For people of the project. They are tried behind the agent's own: room, global, backup.",
			errors:      known})
	add(s, put, v1+"/agents/{id}/keys", "setAgentKeys", s.setAgentKeys,
		route{tag: tag, summary: "Set or delete further keys of the agent {id}",
			description: "For editors of its project. null deletes a key, its mask keeps it.",
			example:     `{"room_key":"sk-proj-4f1c9d","backup_key":null}`,
			errors:      edited})
	add(s, post, v1+"/agents/{id}/keys/test", "testAgentKeys", s.testAgentKeys,
		route{tag: tag, summary: "Ask the model of the agent {id} for a word with each of its keys",
			description: "For editors of its project. It costs a few tokens.",
			errors:      known, patient: true})
	add(s, del, v1+"/agents/{id}/api_key", "clearAgentKey", s.clearAgentKey,
		route{tag: tag, summary: "Remove the own key of the agent {id}",
			description: "For editors of its project. It goes on with other keys that it may use.",
			status:      gone, errors: edited})
	add(s, put, v1+"/agents/{id}/activate", "activateAgent", s.activateAgent,
		route{tag: tag, summary: "Switch the agent {id} on and its project's others of the type off",
			description: "For editors of its project.",
			errors:      edited})
	add(s, get, v1+"/agents/{id}/test-connection", "testStoredAgent", s.testStoredAgent,
		route{tag: tag, summary: "Ask the external agent {id} for a sign of life",
			description: "For admins. Calls its address once. How often is bounded.",
			errors:      []int{missing, limited}})
	add(s, post, v1+"/agents/{id}/callback_token", "rotateCallbackToken", s.rotateCallbackToken,
		route{tag: tag, summary: "Give the external agent {id} a new token to call back with",
			description: "For admins. It is in this answer alone, and the old one is refused.",
			errors:      edited})
	add(s, post, v1+"/agents/{id}/sync-from-parent", "syncAgent", s.syncAgent,
		route{tag: tag, summary: "Make the clone {id} what its template is now",
			description: "For editors of its project and sees the template. Keys stay.",
			errors:      edited})
	add(s, del, v1+"/agents/{id}", "deleteAgent", s.deleteAgent,
		route{tag: tag, summary: "Remove the agent {id}; what it said stays",
			description: "For editors of its project. Its open turns go with it.",
			status:      gone, also: http.StatusOK, errors: known})
}

func (s *Server) agentVersionRoutes() {
	const tag = "Agents"
	known, edited := []int{missing}, []int{missing, conflict}
	add(s, get, v1+"/agent-config/{project_id}", "listAgentConfigs", s.projectAgents,
		route{tag: tag, summary: "List a project's agents without their keys",
			description: "For people of the project.",
			errors:      known})
	add(s, put, v1+"/agent-config/{project_id}/{agent_type}", "setAgentConfig", s.setProjectAgent,
		route{tag: tag, summary: "Change a project's first agent of a type, or make it",
			description: "For editors of the project.",
			example:     `{"system_prompt":"Teach by asking questions.","model_provider":"offline"}`,
			errors:      edited})
	add(s, post, v1+"/agent-config/{config_id}/versions", "keepAgentVersion", s.keepVersion,
		route{tag: tag, summary: "Keep what an agent is now",
			description: "For its editors. All that makes it but its keys.",
			example:     `{"version_label":"Before the exam"}`,
			errors:      edited})
	add(s, get, v1+"/agent-config/{config_id}/versions", "listAgentVersions", s.versions,
		route{tag: tag, summary: "List the kept versions of an agent, newest first",
			description: "For people of the agent's project. One is also kept before another is restored.",
			errors:      known})
	add(s, post, v1+"/agent-config/{config_id}/versions/{version_id}/restore", "restoreAgentVersion", s.restoreVersion,
		route{tag: tag, summary: "Make an agent again what it was, after keeping what it is",
			description: "For its editors. Its own keys and secrets stay, and whether it is on. Refused as a change is.",
			errors:      edited})
	add(s, get, v1+"/agent-config/{config_id}/versions/{version_id}", "readAgentVersion", s.version,
		route{tag: tag, summary: "Read a version of an agent", description: "For people of the agent's project.", errors: known})
	add(s, get, v1+"/agent-config/{config_id}/versions/{version_id}/diff", "compareAgentVersions", s.versionDiff,
		route{tag: tag, summary: "Compare a version with another, or with what the agent is now",
			description: "For people of the agent's project.", errors: known})
}

func (s *Server) agentTypeRoutes() {
	const tag = "Agent types"
	known, edited := []int{missing}, []int{missing, conflict}
	add(s, post, v1+"/schedules/preview", "previewSchedule", s.previewSchedule,
		route{tag: "Agents", summary: "Say in words, and with the next times, when an agent with these settings speaks",
			description: "For everybody who is signed in. Nothing is stored.",
			example: `{"trigger_config":{"trigger":{"enabled_conditions":["user_silent_mins"],"user_silent_mins":10}},` +
				`"schedule_config":{"mode":"whitelist","rules":[{"type":"day_of_week","days":[1,3],"time_range":["08:00","09:59"]}]},"timezone":"Asia/Taipei"}`})
	add(s, get, v1+"/agent-types", "listAgentTypes", s.agentTypes,
		route{tag: tag, summary: "List what agents can be, the system's own types first",
			description: "For teachers and admins.",
			role:        app.ActReadAgentTypes})
	add(s, post, v1+"/agent-types", "createAgentType", s.createAgentType,
		route{tag: tag, summary: "Describe a new type of agent",
			description: "For admins. Agents of the type begin with these values.",
			example:     `{"type_name":"coach","display_name":"Coach","category":"instructor","default_system_prompt":"Encourage."}`,
			role:        app.ActWriteAgentTypes, status: created})
	add(s, get, v1+"/agent-types/{type_name}", "getAgentType", s.agentType,
		route{tag: tag, summary: "Show a type of agent",
			description: "For teachers and admins.",
			role:        app.ActReadAgentTypes, errors: known})
	add(s, put, v1+"/agent-types/{type_name}", "updateAgentType", s.updateAgentType,
		route{tag: tag, summary: "Change a type of agent; agents that exist stay",
			description: "For admins.",
			example:     `{"display_name":"Coach","icon":"whistle"}`,
			role:        app.ActWriteAgentTypes, errors: edited})
	add(s, del, v1+"/agent-types/{type_name}", "deleteAgentType", s.deleteAgentType,
		route{tag: tag, summary: "Delete a type that no agent has",
			description: "For admins. The program's own types stay.",
			role:        app.ActWriteAgentTypes, status: gone, errors: edited})
	add(s, get, v1+"/agent-types/{type_name}/schema", "getAgentTypeSchema", s.agentTypeSchema,
		route{tag: tag, summary: "Show what a new agent of a type starts with",
			description: "For teachers and admins.",
			role:        app.ActReadAgentTypes, errors: known})
}

func (s *Server) threadRoutes() {
	const tag = "Threads"
	known, edited := []int{missing}, []int{missing, conflict}
	asking := []int{missing, limited, upstream}
	add(s, post, v1+"/threads/stateless/{agent_id}", "simulateAgent", s.simulate,
		route{tag: tag, summary: "Let an agent answer one message, and keep nothing",
			description: "For who may use the project's agents.",
			example:     `{"message":"What is light?"}`,
			patient:     true, errors: asking})
	add(s, post, v1+"/threads/stateless/{agent_id}/stream", "listenToAgent", s.listenToSandbox,
		route{tag: tag, summary: "Let an agent answer one message, and hear it as it comes",
			description: "As simulateAgent, as server-sent events. start has the prompt for who may change the agent; who leaves " +
				"ends the call.",
			example: `{"message":"What is light?"}`,
			errors:  asking})
	s.heard(v1 + "/threads/stateless/{agent_id}/stream")
	// Clients call the collection with and without the slash.
	for _, all := range []struct {
		path, suffix string
		twin         bool
	}{{v1 + "/threads/", "", false}, {v1 + "/threads", "Bare", true}} {
		add(s, post, all.path, "createThread"+all.suffix, s.createThread,
			route{tag: tag, twin: all.twin, summary: "Begin a conversation with an agent",
				description: "For who may use the project's agents.",
				example:     `{"project_id":"0199c0de-7a4b-7c1e-9c55-3d2f6a1b8e90","agent_id":"0199c0de-7a4b-7c1e-9c55-3d2f6a1b8e90","name":"Homework"}`,
				errors:      edited})
		add(s, get, all.path, "listThreads"+all.suffix, s.threads,
			route{tag: tag, twin: all.twin, summary: "List the caller's threads, the last used first",
				description: "For everybody; nobody else sees them, not even staff."})
	}
	add(s, get, v1+"/threads/{thread_id}", "getThread", s.thread,
		route{tag: tag, summary: "Show one of the caller's threads",
			description: "For who began it.",
			errors:      known})
	add(s, put, v1+"/threads/{thread_id}", "updateThread", s.updateThread,
		route{tag: tag, summary: "Change a thread",
			description: "For who began it.",
			example:     `{"name":"Homework of Monday"}`,
			errors:      edited})
	add(s, del, v1+"/threads/{thread_id}", "deleteThread", s.deleteThread,
		route{tag: tag, summary: "Delete a thread with all that is in it",
			description: "For who began it.",
			status:      gone, also: http.StatusOK, errors: edited})
	add(s, post, v1+"/threads/{thread_id}/messages", "talkInThread", s.talkInThread,
		route{tag: tag, summary: "Say something to a thread's agent and get its answer",
			description: "For who began it. Waits for the answer; askInThread does not. Your message is kept if the agent fails.",
			example:     `{"message":"What is light?","client_id":"7f3a"}`,
			patient:     true, errors: append([]int{conflict}, asking...)})
	add(s, post, v1+"/threads/{thread_id}/messages/stream", "listenInThread", s.listenInThread,
		route{tag: tag, summary: "Say something to a thread's agent, and hear its answer",
			description: "As talkInThread, as server-sent events. Who leaves does not stop the turn; its answer is kept.",
			example:     `{"message":"What is light?","client_id":"7f3b"}`,
			errors:      append([]int{conflict}, asking...)})
	s.heard(v1 + "/threads/{thread_id}/messages/stream")
	add(s, get, v1+"/threads/{thread_id}/messages", "listThreadMessages", s.threadMessages,
		route{tag: tag, summary: "List the newest 1000 messages of a thread, oldest first",
			description: "For who began the thread.",
			errors:      known})
}
