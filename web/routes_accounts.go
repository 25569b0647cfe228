package web

import "github.com/coagent-studio/coagent/app"

func (s *Server) signInRoutes() {
	const tag = "Sign-in"
	known := []int{missing}
	open(s, post, v1+"/login/access-token", "signIn", s.signIn,
		route{tag: tag, summary: "Sign in with a form; sets the session's cookies",
			form: signInForm(), errors: []int{rejected, limited}})
	open(s, post, v1+"/login/refresh", "refresh", s.refresh,
		route{tag: tag, summary: "Renew the session's cookies", errors: []int{denied}})
	open(s, post, v1+"/login/logout", "signOut", s.signOut,
		route{tag: tag, summary: "End the session and clear its cookies"})
	open(s, post, v1+"/login/test-token", "whoami", s.whoami,
		route{tag: tag, summary: "Tell who is signed in; null for nobody, 401 when a refresh would help",
			nullable: true, errors: []int{denied}})
	open(s, post, v1+"/setup", "setUp", s.setUp,
		route{tag: tag, summary: "Make the first super admin with the one-time token, and sign in",
			errors: []int{conflict, limited}})
	add(s, post, v1+"/login/impersonate/{user_id}", "impersonate", s.impersonate,
		route{tag: tag, summary: "Act as somebody else for an hour; super admins only",
			role: app.ActImpersonate, errors: known})
	open(s, post, v1+"/login/stop-impersonate", "stopImpersonating", s.stopImpersonating,
		route{tag: tag, summary: "Be oneself again", errors: []int{rejected}})
	open(s, post, v1+"/login/password-link", "usePasswordLink", s.usePasswordLink,
		route{tag: tag, summary: "Set a new password with a one-time link, end all sessions, and sign in",
			errors: []int{rejected, conflict, limited}})
}

func (s *Server) userKeyRoutes() {
	const tag = "Users"
	known := []int{missing}
	// The existing client calls these three without the code that renews its session.
	add(s, get, v1+"/users/keys", "listUserKeys", s.userKeys,
		route{tag: tag, summary: "List the caller's model keys, masked", lateCookie: true})
	add(s, post, v1+"/users/keys", "createUserKey", s.createUserKey,
		route{tag: tag, summary: "Store a model key; it is never shown again",
			lateCookie: true, errors: []int{rejected, conflict}})
	add(s, del, v1+"/users/keys/{key_id}", "deleteUserKey", s.deleteUserKey,
		route{tag: tag, summary: "Remove one of the caller's model keys", lateCookie: true, status: gone, errors: known})
	add(s, put, v1+"/users/keys/{key_id}/shared", "shareUserKey", s.shareUserKey,
		route{tag: tag, summary: "Let agents of one's projects use the key as their last, or end that", errors: known})
	add(s, post, v1+"/users/keys/test", "testKey", s.testKey,
		route{tag: tag, summary: "Ask a model for a word with a key that is not stored", patient: true})
	add(s, post, v1+"/users/keys/{key_id}/test", "testUserKey", s.testUserKey,
		route{tag: tag, summary: "Ask a model for a word with one of the caller's model keys", errors: known, patient: true})
	add(s, get, v1+"/users/keys/{key_id}/uses", "listUserKeyUses", s.userKeyUses,
		route{tag: tag, summary: "List the agents that used the key, the latest first", errors: known})
}

// tokenRoutes registers what lets a person in again: personal access tokens and sessions.
func (s *Server) tokenRoutes() {
	const tag = "Users"
	known := []int{missing}
	add(s, get, v1+"/users/me/tokens", "listTokens", s.tokens,
		route{tag: tag, summary: "List the caller's personal access tokens"})
	add(s, post, v1+"/users/me/tokens", "createToken", s.createToken,
		route{tag: tag, summary: "Make a personal access token; it is shown this once, and outlives a change of the " +
			"password",
			status: created, errors: []int{conflict}})
	add(s, del, v1+"/users/me/tokens/{token_id}", "revokeToken", s.revokeToken,
		route{tag: tag, summary: "Revoke one of the caller's tokens", status: gone, errors: known})
	add(s, get, v1+"/users/me/sessions", "listSessions", s.sessions,
		route{tag: tag, summary: "List where the caller is signed in"})
	add(s, del, v1+"/users/me/sessions", "endOtherSessions", s.endOtherSessions,
		route{tag: tag, summary: "Sign the caller out everywhere but here", status: gone})
	add(s, del, v1+"/users/me/sessions/{session_id}", "endSession", s.endSession,
		route{tag: tag, summary: "Sign the caller out on one device", status: gone, errors: known})
	add(s, get, v1+"/users/{user_id}/tokens", "listTokensOf", s.tokensOf,
		route{tag: tag, summary: "List another person's tokens; admins only", role: app.ActManageTokens, errors: known})
	add(s, del, v1+"/users/{user_id}/tokens", "revokeTokensOf", s.revokeTokensOf,
		route{tag: tag, summary: "Revoke all tokens of another person; admins only",
			role: app.ActManageTokens, status: gone, errors: known})
}

func (s *Server) userRoutes() {
	const tag = "Users"
	known, edited := []int{missing}, []int{missing, conflict}
	add(s, get, v1+"/users/me", "me", s.me,
		route{tag: tag, summary: "Show the caller"})
	add(s, post, v1+"/users/", "createUser", s.createUser,
		route{tag: tag, summary: "Make an account", role: app.ActCreateUser})
	add(s, put, v1+"/users/me", "updateMe", s.updateMe,
		route{tag: tag, summary: "Change the caller's own account; never its role", errors: []int{conflict, limited}})
	add(s, post, v1+"/users/me/avatar", "setAvatar", s.setAvatar,
		route{tag: tag, summary: "Give the caller a picture, by its content: PNG, JPEG, GIF or WebP, 2 MiB at most",
			form: fileForm("The picture"), upload: true})
	add(s, del, v1+"/users/me/avatar", "removeAvatar", s.removeAvatar,
		route{tag: tag, summary: "Leave the caller without a picture"})
	s.avatars()
	add(s, get, v1+"/users/", "listUsers", s.users,
		route{tag: tag, summary: "List all accounts, newest first", role: app.ActListUsers})
	add(s, get, v1+"/users/search", "searchUsers", s.searchUsers,
		route{tag: tag, summary: "Find people; those who are not staff find whom they share a course with"})
	add(s, get, v1+"/users/{user_id}", "getUser", s.user,
		route{tag: tag, summary: "Show somebody", errors: known})
	add(s, put, v1+"/users/{user_id}", "updateUser", s.updateUser,
		route{tag: tag, summary: "Change somebody's account", errors: []int{missing, conflict, limited}})
	add(s, post, v1+"/users/{user_id}/password-link", "makePasswordLink", s.makePasswordLink,
		route{tag: tag, summary: "Make a link with which somebody sets a new password once; shown this once",
			errors: edited})
	add(s, del, v1+"/users/{user_id}", "deleteUser", s.deleteUser,
		route{tag: tag, summary: "Remove an account; its lines stay, its courses and organisations pass to the caller",
			errors: edited})
}

func (s *Server) adminRoutes() {
	const tag = "Administration"
	add(s, get, v1+"/admin/audit", "listAuditLog", s.auditLog,
		route{tag: tag, summary: "List who changed what, newest first; admins only", role: app.ActReadAudit})
	add(s, get, v1+"/admin/db/tables", "listTables", s.tables,
		route{tag: tag, summary: "List the tables that admins may look into", role: app.ActBrowse, errors: []int{rejected}})
	add(s, get, v1+"/admin/db/tables/{table_name}", "listRows", s.rows,
		route{tag: tag, summary: "List rows of a table without any secret, the newest first",
			role: app.ActBrowse, errors: []int{rejected, missing}})
}
