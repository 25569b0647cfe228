package web

import "net/http"

const (
	v1         = "/api/v1"
	pathHealth = "/healthz"
	pathReady  = "/readyz"
)

const (
	get   = http.MethodGet
	post  = http.MethodPost
	put   = http.MethodPut
	del   = http.MethodDelete
	patch = http.MethodPatch
)

const (
	rejected = http.StatusBadRequest
	denied   = http.StatusUnauthorized
	missing  = http.StatusNotFound
	conflict = http.StatusConflict
	limited  = http.StatusTooManyRequests
	created  = http.StatusCreated
	gone     = http.StatusNoContent
	upstream = http.StatusBadGateway
)

// routes registers every URL of the server, area by area: each has its routes_*.go. An
// entry begins with the method, the address, the operation's name in the document and
// the handler, so that one search for PUT or an address finds the handler. All paths
// under /agents use one parameter name: for OpenAPI /agents/{project_id} and
// /agents/{config_id} are the same path.
func (s *Server) routes(version string) error {
	s.signInRoutes()
	s.userKeyRoutes()
	s.tokenRoutes()
	s.userRoutes()
	s.workspaceRoutes()
	s.courseRoutes()
	s.myCourseRoutes()
	s.courseCopyRoutes()
	s.joiningRoutes()
	s.botRoutes()
	s.announcementRoutes()
	s.reportRoutes()
	s.roomRoutes()
	s.roomAgentRoutes()
	s.messageRoutes()
	s.fileRoutes()
	s.turnRoutes()
	s.workflowRoutes()
	s.agentRoutes()
	s.agentVersionRoutes()
	s.agentTypeRoutes()
	s.adminRoutes()
	s.adminListRoutes()
	s.encryptionRoutes()
	s.backupRoutes()
	s.artifactRoutes()
	s.threadRoutes()
	s.figureRoutes()
	s.usageRoutes()
	s.threadTurnRoutes()
	s.sockets()
	s.mySocket()
	s.myStream()
	open(s, get, v1+"/a2a/health", "a2aHealth", s.a2aHealth,
		route{tag: "Agents", summary: "Tell external agents that this server hears them",
			description: "Answers without a session, to an external agent before it calls the webhook."})
	open(s, post, v1+"/a2a/webhook", "a2aWebhook", s.a2aWebhook,
		route{tag: "Agents", summary: "Say something in a room as an agent outside this program, or answer what it was asked",
			description: "By X-Agent-ID and X-Agent-Token. With the correlation_id of what it was asked, it answers that turn; " +
				"else it speaks in the room of metadata.room_id.",
			example: `{"sender_id":"tutor","type":"broadcast","content":"Good morning!","metadata":{"room_id":"0199c0de-7a4b-7c1e-9c55-3d2f6a1b8e90"}}`,
			peer:    true, errors: []int{rejected, denied, missing, conflict}})
	open(s, get, v1+"/meta", "meta", s.meta,
		route{tag: "Operation", summary: "Tell what a client has to know before anybody signs in",
			description: "Without a session too. It has an ETag.",
			also:        http.StatusNotModified})
	open(s, get, pathHealth, "health", s.health,
		route{tag: "Operation", summary: "Tell that the process is alive",
			description: "Without a session. It needs nothing but the process."})
	open(s, get, pathReady, "ready", s.ready,
		route{tag: "Operation", summary: "Tell whether requests can be served; code names the part that fails",
			description: "Without a session. 503 without the database or its schema, and while the server stops."})
	return s.pages(version)
}
