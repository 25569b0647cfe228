package web

import (
	"net/http"

	"github.com/coagent-studio/coagent/app"
)

func (s *Server) agentRoutes() {
	const tag = "Agents"
	known, edited := []int{missing}, []int{missing, conflict}
	// Fixed names come before {id}, which would match them too.
	add(s, get, v1+"/agents/system", "listSystemAgents", s.systemAgents,
		route{tag: tag, summary: "List the program's own agents, their keys masked", role: app.ActReadSystemAgents})
	add(s, put, v1+"/agents/system/{agent_type}", "setSystemAgent", s.setSystemAgent,
		route{tag: tag, summary: "Change what is sent of the system agent of a type, or make it",
			role: app.ActWriteSystemAgents, errors: []int{conflict}})
	add(s, post, v1+"/agents/generate", "generateInstructions", s.generateInstructions,
		route{tag: tag, summary: "Have the design agent write the instructions of another agent",
			role: app.ActDesignAgent, patient: true, errors: []int{missing, limited, upstream}})
	add(s, get, v1+"/agents/global/list", "listTemplates", s.templates,
		route{tag: tag, summary: "List the caller's own templates"})
	add(s, post, v1+"/agents/global", "createTemplate", s.createTemplate,
		route{tag: tag, summary: "Make a template of one's own", errors: []int{conflict}})
	add(s, post, v1+"/agents/global/{id}/clone-to-project/{project_id}", "cloneTemplate", s.cloneTemplate,
		route{tag: tag, summary: "Put a copy of the caller's template {id} into a project, switched off", errors: edited})
	add(s, get, v1+"/agents/external/list", "listExternalAgents", s.externalAgents,
		route{tag: tag, summary: "List agents outside this program: all for admins, else the caller's own"})
	add(s, post, v1+"/agents/external/create", "createExternalAgent", s.createExternalAgent,
		route{tag: tag, summary: "Make an agent outside this program; its callback_token is in this answer alone",
			role: app.ActCreateExternal, errors: []int{conflict}})
	add(s, post, v1+"/agents/external/test-connection", "testExternalAgent", s.testExternalAgent,
		route{tag: tag, summary: "Ask an external agent that is not stored for a sign of life",
			role: app.ActCreateExternal, errors: []int{limited}})
	add(s, get, v1+"/agents/{id}", "listAgents", s.agents,
		route{tag: tag, summary: "List the agents of the project {id}", errors: known})
	add(s, post, v1+"/agents/{id}", "createAgent", s.createAgent,
		route{tag: tag, summary: "Make an agent in the project {id}", errors: edited})
	add(s, put, v1+"/agents/{id}", "updateAgent", s.updateAgent,
		route{tag: tag, summary: "Change what is sent of the agent {id}", errors: edited})
	add(s, get, v1+"/agents/{id}/keys", "listAgentKeys", s.agentKeys,
		route{tag: tag, summary: "List the further keys of the agent {id}, masked", errors: known})
	add(s, put, v1+"/agents/{id}/keys", "setAgentKeys", s.setAgentKeys,
		route{tag: tag, summary: "Set or delete further keys of the agent {id}", errors: edited})
	add(s, post, v1+"/agents/{id}/keys/test", "testAgentKeys", s.testAgentKeys,
		route{tag: tag, summary: "Ask the model of the agent {id} for a word with each of the agent's keys", errors: known, patient: true})
	add(s, del, v1+"/agents/{id}/api_key", "clearAgentKey", s.clearAgentKey,
		route{tag: tag, summary: "Remove the own key of the agent {id}", status: gone, errors: edited})
	add(s, put, v1+"/agents/{id}/activate", "activateAgent", s.activateAgent,
		route{tag: tag, summary: "Switch the agent {id} on and its project's others of the same type off", errors: edited})
	add(s, get, v1+"/agents/{id}/test-connection", "testStoredAgent", s.testStoredAgent,
		route{tag: tag, summary: "Ask the external agent {id} for a sign of life", errors: []int{missing, limited}})
	add(s, post, v1+"/agents/{id}/callback_token", "rotateCallbackToken", s.rotateCallbackToken,
		route{tag: tag, summary: "Give the external agent {id} a new token to call back with, shown in this answer alone",
			errors: edited})
	add(s, post, v1+"/agents/{id}/sync-from-parent", "syncAgent", s.syncAgent,
		route{tag: tag, summary: "Make the clone {id} what its template is now", errors: edited})
	add(s, del, v1+"/agents/{id}", "deleteAgent", s.deleteAgent,
		route{tag: tag, summary: "Remove the agent {id}; what it said stays", status: gone, errors: known})
}

func (s *Server) agentVersionRoutes() {
	const tag = "Agents"
	known, edited := []int{missing}, []int{missing, conflict}
	add(s, get, v1+"/agent-config/{project_id}", "listProjectAgents", s.projectAgents,
		route{tag: tag, summary: "List a project's agents, without masks", errors: known})
	add(s, put, v1+"/agent-config/{project_id}/{agent_type}", "setProjectAgent", s.setProjectAgent,
		route{tag: tag, summary: "Change what is sent of a project's first agent of a type, or make it", errors: edited})
	add(s, post, v1+"/agent-config/{config_id}/versions", "keepVersion", s.keepVersion,
		route{tag: tag, summary: "Keep what an agent is now", errors: edited})
	add(s, get, v1+"/agent-config/{config_id}/versions", "listVersions", s.versions,
		route{tag: tag, summary: "List what is kept of an agent, newest first", errors: known})
	add(s, post, v1+"/agent-config/{config_id}/versions/{version_id}/restore", "restoreVersion", s.restoreVersion,
		route{tag: tag, summary: "Make an agent again what it was; what it was until now is kept first", errors: edited})
}

func (s *Server) agentTypeRoutes() {
	const tag = "Agent types"
	known, edited := []int{missing}, []int{missing, conflict}
	add(s, get, v1+"/agent-types", "listAgentTypes", s.agentTypes,
		route{tag: tag, summary: "List what agents can be, the system's own types first", role: app.ActReadAgentTypes})
	add(s, post, v1+"/agent-types", "createAgentType", s.createAgentType,
		route{tag: tag, summary: "Describe a new type of agent", role: app.ActWriteAgentTypes, status: created})
	add(s, get, v1+"/agent-types/{type_name}", "getAgentType", s.agentType,
		route{tag: tag, summary: "Show a type of agent", role: app.ActReadAgentTypes, errors: known})
	add(s, put, v1+"/agent-types/{type_name}", "updateAgentType", s.updateAgentType,
		route{tag: tag, summary: "Change what is sent of a type of agent; agents that exist stay as they are",
			role: app.ActWriteAgentTypes, errors: edited})
	add(s, del, v1+"/agent-types/{type_name}", "deleteAgentType", s.deleteAgentType,
		route{tag: tag, summary: "Delete a type that no agent has",
			role: app.ActWriteAgentTypes, status: gone, errors: edited})
	add(s, get, v1+"/agent-types/{type_name}/schema", "agentTypeSchema", s.agentTypeSchema,
		route{tag: tag, summary: "Show what a new agent of a type starts with", role: app.ActReadAgentTypes, errors: known})
}

func (s *Server) threadRoutes() {
	const tag = "Threads"
	known, edited := []int{missing}, []int{missing, conflict}
	asking := []int{missing, limited, upstream}
	add(s, post, v1+"/threads/stateless/{agent_id}", "simulateAgent", s.simulate,
		route{tag: tag, summary: "Let an agent answer one message, of which nothing is kept", patient: true, errors: asking})
	// Clients call the collection with and without the slash.
	for _, all := range []struct{ path, suffix string }{{v1 + "/threads/", ""}, {v1 + "/threads", "Bare"}} {
		add(s, post, all.path, "createThread"+all.suffix, s.createThread,
			route{tag: tag, summary: "Begin a conversation of one's own with an agent", errors: edited})
		add(s, get, all.path, "listThreads"+all.suffix, s.threads,
			route{tag: tag, summary: "List the caller's threads, the last used first"})
	}
	add(s, get, v1+"/threads/{thread_id}", "getThread", s.thread,
		route{tag: tag, summary: "Show one of the caller's threads", errors: known})
	add(s, put, v1+"/threads/{thread_id}", "updateThread", s.updateThread,
		route{tag: tag, summary: "Change what is sent of a thread, for example its name", errors: edited})
	add(s, del, v1+"/threads/{thread_id}", "deleteThread", s.deleteThread,
		route{tag: tag, summary: "Delete a thread with all that is in it", status: gone, also: http.StatusOK, errors: edited})
	add(s, post, v1+"/threads/{thread_id}/messages", "talkInThread", s.talkInThread,
		route{tag: tag, summary: "Say something to a thread's agent and get its answer; what is said is kept when the " +
			"agent fails",
			patient: true, errors: append([]int{conflict}, asking...)})
	add(s, get, v1+"/threads/{thread_id}/messages", "listThreadMessages", s.threadMessages,
		route{tag: tag, summary: "List what was said in a thread, oldest first, the newest 1000 at most", errors: known})
}
