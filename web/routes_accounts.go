package web

import "github.com/coagent-studio/coagent/app"

func (s *Server) signInRoutes() {
	const tag = "Sign-in"
	known := []int{missing}
	open(s, post, v1+"/login/access-token", "signIn", s.signIn,
		route{tag: tag, summary: "Sign in with a form; sets the session's cookies",
			description: "username is the e-mail address or the user name. Wrong passwords are counted by name and address, and " +
				"after a few one has to wait.",
			form: signInForm(), errors: []int{rejected, limited}})
	open(s, post, v1+"/login/refresh", "refresh", s.refresh,
		route{tag: tag, summary: "Renew the session's cookies",
			description: "The refresh cookie is used up and replaced. 401 means to sign in again.",
			errors:      []int{denied}})
	open(s, post, v1+"/login/logout", "signOut", s.signOut,
		route{tag: tag, summary: "End the session and clear its cookies",
			description: "Answers the same without a session."})
	open(s, post, v1+"/login/test-token", "whoami", s.whoami,
		route{tag: tag, summary: "Tell who is signed in; null for nobody, 401 when a refresh would help",
			description: "Never an error for a browser that is not signed in, unlike me.",
			nullable:    true, errors: []int{denied}})
	open(s, post, v1+"/setup", "setUp", s.setUp,
		route{tag: tag, summary: "Make the first super admin with the one-time token, and sign in",
			description: "The token is printed at the server's start while there is no account. Later it answers 409.",
			example:     `{"token":"4Zt0mR2bq8","email":"ada@example.org","password":"correct horse battery","full_name":"Ada Lovelace"}`,
			errors:      []int{conflict, limited}})
	add(s, post, v1+"/login/impersonate/{user_id}", "impersonate", s.impersonate,
		route{tag: tag, summary: "Act as somebody else for an hour; super admins only",
			description: "The session's cookies are those of the other person, without the right to passwords, tokens and keys. It " +
				"is in the audit log.",
			role: app.ActImpersonate, errors: known})
	open(s, post, v1+"/login/stop-impersonate", "stopImpersonating", s.stopImpersonating,
		route{tag: tag, summary: "Be oneself again",
			description: "Gives back the session with which impersonate was called.",
			errors:      []int{rejected}})
	open(s, post, v1+"/login/password-link", "usePasswordLink", s.usePasswordLink,
		route{tag: tag, summary: "Set a new password with a one-time link, end all sessions, and sign in",
			description: "The token is that of the link, which staff or an admin has made. It works once, until it is out of date.",
			example:     `{"token":"4Zt0mR2bq8","password":"correct horse battery"}`,
			errors:      []int{rejected, conflict, limited}})
}

func (s *Server) userKeyRoutes() {
	const tag = "Users"
	known := []int{missing}
	// The existing client calls these three without the code that renews its session.
	add(s, get, v1+"/users/keys", "listUserKeys", s.userKeys,
		route{tag: tag, summary: "List the caller's model keys, masked",
			description: "A key may be used by agents that its owner made, and by those that share it.",
			lateCookie:  true})
	add(s, post, v1+"/users/keys", "createUserKey", s.createUserKey,
		route{tag: tag, summary: "Store a model key; it is never shown again",
			description: "It is stored encrypted. Names of keys are one's own and unique.",
			example:     `{"provider":"openai","alias":"School","api_key":"sk-proj-4f1c9d"}`,
			lateCookie:  true, errors: []int{rejected, conflict}})
	add(s, del, v1+"/users/keys/{key_id}", "deleteUserKey", s.deleteUserKey,
		route{tag: tag, summary: "Remove one of the caller's model keys",
			description: "Agents that used it go on with the other keys that they may use.",
			lateCookie:  true, status: gone, errors: known})
	add(s, put, v1+"/users/keys/{key_id}/shared", "shareUserKey", s.shareUserKey,
		route{tag: tag, summary: "Let agents of one's projects use the key as their last, or end that",
			description: "Shared, it is the last that agents of the owner's projects try.",
			example:     `{"shared":true}`,
			errors:      known})
	add(s, get, v1+"/models", "listModels", s.models,
		route{tag: "Agents", summary: "List the models that one can choose for an agent",
			description: "Everybody signed in may ask, and sees the providers that need no key or for which they have one. For who may make agents " +
				"of project_id, also those for which its people share a key; for who may change agent_id, also that of the agent's own keys. " +
				"A provider is asked once in ten minutes; one that does not answer has a fault, and its models are those that are known.",
			errors: []int{missing}})
	add(s, post, v1+"/users/keys/test", "testKey", s.testKey,
		route{tag: tag, summary: "Ask a model for a word with a key that is not stored",
			description: "The key is used once and not stored. ok is false with a reason where the provider refuses it.",
			example:     `{"provider":"openai","api_key":"sk-proj-4f1c9d","model":"gpt-4o"}`,
			patient:     true})
	add(s, post, v1+"/users/keys/{key_id}/test", "testUserKey", s.testUserKey,
		route{tag: tag, summary: "Ask a model for a word with one of the caller's model keys",
			description: "It costs a few tokens. ok is false with a reason where the provider refuses it.",
			errors:      known, patient: true})
	add(s, get, v1+"/users/keys/{key_id}/uses", "listUserKeyUses", s.userKeyUses,
		route{tag: tag, summary: "List the agents that used the key, the latest first",
			description: "Calls are counted by agent.",
			errors:      known})
}

// tokenRoutes registers what lets a person in again: personal access tokens and sessions.
func (s *Server) tokenRoutes() {
	const tag = "Users"
	known := []int{missing}
	add(s, get, v1+"/users/me/tokens", "listTokens", s.tokens,
		route{tag: tag, summary: "List the caller's personal access tokens",
			description: "Their secrets are not shown again."})
	add(s, post, v1+"/users/me/tokens", "createToken", s.createToken,
		route{tag: tag, summary: "Make a personal access token; it is shown this once, and outlives a change of the " +
			"password",
			description: "For scripts: it goes into the Authorization header. It may do what its scopes and the caller's role allow.",
			example:     `{"name":"Grade export","scopes":["read"],"expires_in_days":90}`,
			status:      created, errors: []int{conflict}})
	add(s, del, v1+"/users/me/tokens/{token_id}", "revokeToken", s.revokeToken,
		route{tag: tag, summary: "Revoke one of the caller's tokens",
			description: "Scripts that have it are refused from now on.",
			status:      gone, errors: known})
	add(s, get, v1+"/users/me/sessions", "listSessions", s.sessions,
		route{tag: tag, summary: "List where the caller is signed in",
			description: "Each with the device and the address that it was last seen with."})
	add(s, del, v1+"/users/me/sessions", "endOtherSessions", s.endOtherSessions,
		route{tag: tag, summary: "Sign the caller out everywhere but here",
			description: "Their sockets end too. Personal access tokens stay.",
			status:      gone})
	add(s, del, v1+"/users/me/sessions/{session_id}", "endSession", s.endSession,
		route{tag: tag, summary: "Sign the caller out on one device",
			description: "Its sockets end too.",
			status:      gone, errors: known})
	add(s, get, v1+"/users/{user_id}/tokens", "listTokensOf", s.tokensOf,
		route{tag: tag, summary: "List another person's tokens; admins only",
			description: "Their secrets are never shown.",
			role:        app.ActManageTokens, errors: known})
	add(s, del, v1+"/users/{user_id}/tokens", "revokeTokensOf", s.revokeTokensOf,
		route{tag: tag, summary: "Revoke all tokens of another person; admins only",
			description: "Scripts that have them are refused from now on.",
			role:        app.ActManageTokens, status: gone, errors: known})
}

func (s *Server) userRoutes() {
	const tag = "Users"
	known, edited := []int{missing}, []int{missing, conflict}
	add(s, get, v1+"/users/me", "me", s.me,
		route{tag: tag, summary: "Show the caller",
			description: "The account whose session or token it is."})
	add(s, post, v1+"/users/", "createUser", s.createUser,
		route{tag: tag, summary: "Make an account",
			description: "For admins, who cannot give more than they may. Without a password the person gets in by a link.",
			example:     `{"email":"grace@example.org","username":"grace","full_name":"Grace Hopper","role":"student"}`,
			role:        app.ActCreateUser})
	add(s, put, v1+"/users/me", "updateMe", s.updateMe,
		route{tag: tag, summary: "Change the caller's own account; never its role",
			description: "A member that is not sent keeps its value. A new password ends the other sessions and needs the present one.",
			example:     `{"full_name":"Ada Lovelace"}`,
			errors:      []int{conflict, limited}})
	add(s, post, v1+"/users/me/avatar", "setAvatar", s.setAvatar,
		route{tag: tag, summary: "Give the caller a picture, by its content: PNG, JPEG, GIF or WebP, 2 MiB at most",
			description: "The file is a part of a form that is called file. It is stored again as a small picture, so that nothing " +
				"else that was in the file is kept.",
			form: fileForm("The picture"), upload: true})
	add(s, del, v1+"/users/me/avatar", "removeAvatar", s.removeAvatar,
		route{tag: tag, summary: "Leave the caller without a picture",
			description: "Who asks for its old address gets nothing."})
	s.avatars()
	add(s, get, v1+"/users/me/mentions", "listMentions", s.mentions,
		route{tag: tag, summary: "List the messages that mention the caller, newest first, over all rooms that the caller may read",
			description: "Deleted and hidden messages are left out, and what was said where the caller may not be any more."})
	add(s, put, v1+"/users/me/mentions/read", "readMentions", s.readMentions,
		route{tag: tag, summary: "Mark mentions of the caller as read: those in some messages, or all up to one",
			description: "Send ids, up_to or both. What is read stays read.",
			example:     `{"ids":["` + anID + `"]}`})
	add(s, get, v1+"/users/me/bookmarks", "listBookmarks", s.bookmarks,
		route{tag: tag, summary: "List the caller's bookmarks, newest first",
			description: "Only the caller sees them. Messages that the caller may not read now are left out."})
	add(s, put, v1+"/users/me/bookmarks/{message_id}", "setBookmark", s.setBookmark,
		route{tag: tag, summary: "Keep a message, with a note of one's own",
			description: "For those who may read it. 1000 at most.",
			example:     `{"note":"For the exam"}`,
			status:      gone, errors: []int{missing, conflict, limited}})
	add(s, del, v1+"/users/me/bookmarks/{message_id}", "deleteBookmark", s.deleteBookmark,
		route{tag: tag, summary: "Delete one of the caller's bookmarks, if it is there",
			description: "The message stays.",
			status:      gone})
	add(s, get, v1+"/users/me/rooms", "listMyRooms", s.myRooms,
		route{tag: tag, summary: "List the rooms that the caller may enter, the newest room first, with what is new in each and what the caller may do there",
			description: "A client opens with it. Admins get the rooms of courses in which they are and those that they have pinned; all asks for every room."})
	add(s, put, v1+"/users/me/rooms/{room_id}", "setMyRoom", s.setMyRoom,
		route{tag: tag, summary: "Change how the caller hears of a room, and whether it is pinned",
			description: "For those who may enter the room. It holds on all devices of the caller. A member that is not sent keeps its value.",
			example:     `{"notify":"mentions","pinned":true}`,
			errors:      known})
	add(s, get, v1+"/users/me/preferences", "getPreferences", s.preferences,
		route{tag: tag, summary: "Show how the caller likes the program",
			description: "On all devices of the caller. What was never set has its default."})
	add(s, put, v1+"/users/me/preferences", "setPreferences", s.setPreferences,
		route{tag: tag, summary: "Change language, time zone, look, keys, notifications and sound of the caller",
			description: "A member that is not sent keeps its value; null leaves locale and time_zone to the device.",
			example:     `{"locale":"zh-TW","time_zone":"Asia/Taipei","theme":"dark","send_key":"ctrl_enter","notify":"mentions"}`})
	add(s, get, v1+"/users/", "listUsers", s.users,
		route{tag: tag, summary: "List all accounts, newest first",
			description: "For admins.",
			role:        app.ActListUsers})
	add(s, get, v1+"/users/search", "searchUsers", s.searchUsers,
		route{tag: tag, summary: "Find people; those who are not staff find whom they share a course with",
			description: "By a part of the name, the user name or the e-mail address, to invite or admit them."})
	add(s, get, v1+"/users/{user_id}", "getUser", s.user,
		route{tag: tag, summary: "Show somebody",
			description: "For the person, admins, and those who share a course with the person.",
			errors:      known})
	add(s, put, v1+"/users/{user_id}", "updateUser", s.updateUser,
		route{tag: tag, summary: "Change somebody's account",
			description: "For the person and admins. A member that is not sent keeps its value.",
			example:     `{"full_name":"Ada Lovelace"}`,
			errors:      []int{missing, conflict, limited}})
	add(s, post, v1+"/users/{user_id}/password-link", "makePasswordLink", s.makePasswordLink,
		route{tag: tag, summary: "Make a link with which somebody sets a new password once; shown this once",
			description: "For admins, and staff for people who have only their course. It works once and for a limited time.",
			errors:      edited})
	add(s, del, v1+"/users/{user_id}", "deleteUser", s.deleteUser,
		route{tag: tag, summary: "Remove an account; its lines stay, its courses and organisations pass to the caller",
			description: "For admins.",
			errors:      edited})
}

func (s *Server) adminRoutes() {
	const tag = "Administration"
	add(s, get, v1+"/admin/audit", "listAuditLog", s.auditLog,
		route{tag: tag, summary: "List who changed what, newest first; admins only",
			description: "Filters may be combined. Secrets are never in it. Go on with before, the id of the last entry.",
			role:        app.ActReadAudit})
	add(s, get, v1+"/admin/db/tables", "listTables", s.tables,
		route{tag: tag, summary: "List the tables that admins may look into",
			description: "For admins.",
			role:        app.ActBrowse, errors: []int{rejected}})
	add(s, get, v1+"/admin/db/tables/{table_name}", "listRows", s.rows,
		route{tag: tag, summary: "List rows of a table without any secret, the newest first",
			description: "For admins. Secrets are left out. Go on with offset.",
			role:        app.ActBrowse, errors: []int{rejected, missing}})
}
