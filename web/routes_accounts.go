package web

import "github.com/coagent-studio/coagent/app"

func (s *Server) signInRoutes() {
	const tag = "Sign-in"
	known := []int{missing}
	open(s, post, v1+"/login/access-token", "signIn", s.signIn,
		route{tag: tag, summary: "Sign in with a form, for cookies",
			description: "Without a session. username is the e-mail address or user name.",
			form:        signInForm(), errors: []int{rejected, limited}})
	open(s, post, pathCode, "signInWithCode", s.signInWithCode,
		route{tag: tag, summary: "End a sign-in that was answered with two_factor_needed",
			description: "For who has the cookie of that answer. code is of the authenticator app, or a recovery code.",
			example:     `{"code":"492039"}`,
			errors:      []int{rejected, limited}})
	open(s, get, pathProviders, "listSignOnProviders", s.signOnProviders,
		route{tag: tag, summary: "List the providers of identities with which people sign in",
			description: "Without a session. A browser goes to /api/v1/login/providers/{id}/begin?to=/path."})
	s.signOnPages()
	open(s, post, pathProviders+"/{provider}/logout", "endByProvider", s.endByProvider,
		route{tag: tag, summary: "End the sessions of whom a provider has signed out",
			description: "For providers of identities: OpenID Connect Back-Channel Logout 1.0. A token counts once.",
			form:        logoutForm(), status: gone, errors: []int{rejected, missing, limited}})
	open(s, post, v1+"/login/refresh", "refresh", s.refresh,
		route{tag: tag, summary: "Renew the session's cookies",
			description: "For who has a refresh cookie, which is used up. 401 means to sign in again.",
			errors:      []int{denied}})
	open(s, post, v1+"/login/logout", "signOut", s.signOut,
		route{tag: tag, summary: "End the session and clear its cookies",
			description: "For everybody, without a session too."})
	open(s, post, v1+"/login/test-token", "whoami", s.whoami,
		route{tag: tag, summary: "Tell who is signed in; null for nobody, 401 when a refresh would help",
			description: "Without a session too, and never an error then.",
			nullable:    true, errors: []int{denied}})
	open(s, post, v1+"/setup", "setUp", s.setUp,
		route{tag: tag, summary: "Make the first super admin with the one-time token, and sign in",
			description: "For who has the token that the start prints. Later 409.",
			example:     `{"token":"4Zt0mR2bq8","email":"ada@example.org","password":"correct horse battery","full_name":"Ada Lovelace"}`,
			errors:      []int{conflict, limited}})
	add(s, post, v1+"/login/impersonate/{user_id}", "impersonate", s.impersonate,
		route{tag: tag, summary: "Act as somebody else for an hour",
			description: "For super admins, without the right to passwords, tokens and keys. It is in the audit log.",
			role:        app.ActImpersonate, errors: known})
	open(s, post, v1+"/login/stop-impersonate", "stopImpersonating", s.stopImpersonating,
		route{tag: tag, summary: "Be oneself again",
			description: "For who impersonates: back to the session before.",
			errors:      []int{rejected}})
	open(s, post, v1+"/login/password-link", "usePasswordLink", s.usePasswordLink,
		route{tag: tag, summary: "Set a new password with a one-time link, and sign in",
			description: "For who has the link. Ends all sessions.",
			example:     `{"token":"4Zt0mR2bq8","password":"correct horse battery"}`,
			errors:      []int{rejected, conflict, limited}})
}

func (s *Server) userKeyRoutes() {
	const tag = "Users"
	known := []int{missing}
	// The existing client calls these three without the code that renews its session.
	add(s, get, v1+"/users/keys", "listUserKeys", s.userKeys,
		route{tag: tag, summary: "List the caller's model keys, masked",
			description: "For everybody. Agents that one made may use them.",
			lateCookie:  true})
	add(s, post, v1+"/users/keys", "createUserKey", s.createUserKey,
		route{tag: tag, summary: "Store a model key",
			description: "For everybody. It is encrypted and never shown again.",
			example:     `{"provider":"openai","alias":"School","api_key":"sk-proj-4f1c9d"}`,
			lateCookie:  true, errors: []int{rejected, conflict}})
	add(s, del, v1+"/users/keys/{key_id}", "deleteUserKey", s.deleteUserKey,
		route{tag: tag, summary: "Remove one of the caller's model keys",
			description: "For its owner. Agents go on with other keys that they may use.",
			lateCookie:  true, status: gone, errors: known})
	add(s, put, v1+"/users/keys/{key_id}/shared", "shareUserKey", s.shareUserKey,
		route{tag: tag, summary: "Let agents of one's projects use the key as their last, or end that",
			description: "For its owner.",
			example:     `{"shared":true}`,
			errors:      known})
	add(s, get, v1+"/models", "listModels", s.models,
		route{tag: "Agents", summary: "List the models that one can choose for an agent",
			description: "For everybody: providers without a key or for which the caller has one, and those of the keys of project_id or agent_id. " +
				"One that does not answer has a fault, and its known models.",
			errors: []int{missing}})
	add(s, post, v1+"/users/keys/test", "testKey", s.testKey,
		route{tag: tag, summary: "Ask a model for a word with a key that is not stored",
			description: "For everybody. It is used once.",
			example:     `{"provider":"openai","api_key":"sk-proj-4f1c9d","model":"gpt-4o"}`,
			patient:     true})
	add(s, post, v1+"/users/keys/{key_id}/test", "testUserKey", s.testUserKey,
		route{tag: tag, summary: "Ask a model for a word with one of the caller's model keys",
			description: "For its owner. It costs a few tokens.",
			errors:      known, patient: true})
	add(s, get, v1+"/users/keys/{key_id}/uses", "listUserKeyUses", s.userKeyUses,
		route{tag: tag, summary: "List the agents that used the key, latest first",
			description: "For its owner.",
			errors:      known})
}

// tokenRoutes registers what lets a person in again: personal access tokens and sessions.
func (s *Server) tokenRoutes() {
	const tag = "Users"
	known := []int{missing}
	add(s, get, v1+"/users/me/tokens", "listTokens", s.tokens,
		route{tag: tag, summary: "List the caller's personal access tokens",
			description: "For everybody. Without their secrets."})
	add(s, post, v1+"/users/me/tokens", "createToken", s.createToken,
		route{tag: tag, summary: "Make a personal access token",
			description: "For everybody's scripts. It is shown this once, goes into the Authorization header, and outlives a " +
				"change of the password.",
			example: `{"name":"Grade export","scopes":["read"],"expires_in_days":90}`,
			status:  created, errors: []int{conflict}})
	add(s, del, v1+"/users/me/tokens/{token_id}", "revokeToken", s.revokeToken,
		route{tag: tag, summary: "Revoke one of the caller's tokens",
			description: "For its owner.",
			status:      gone, errors: known})
	add(s, get, v1+"/users/me/sessions", "listSessions", s.sessions,
		route{tag: tag, summary: "List where the caller is signed in",
			description: "For everybody."})
	add(s, del, v1+"/users/me/sessions", "endOtherSessions", s.endOtherSessions,
		route{tag: tag, summary: "Sign the caller out everywhere but here",
			description: "For everybody. Sockets end too; access tokens stay.",
			status:      gone})
	add(s, del, v1+"/users/me/sessions/{session_id}", "endSession", s.endSession,
		route{tag: tag, summary: "Sign the caller out on one device",
			description: "For everybody. Its sockets end too.",
			status:      gone, errors: known})
	add(s, get, v1+"/users/me/identities", "listIdentities", s.identities,
		route{tag: tag, summary: "List the caller's accounts at providers of identities",
			description: "For everybody."})
	add(s, post, v1+"/users/me/identities", "linkIdentity", s.linkIdentity,
		route{tag: tag, summary: "Begin to link an account at a provider",
			description: "For everybody, with the password or a code. The browser then goes to url.",
			example:     `{"provider":"school","password":"correct horse battery","to":"/account/security"}`,
			errors:      []int{rejected, missing, conflict, limited}})
	add(s, del, v1+"/users/me/identities/{identity_id}", "unlinkIdentity", s.unlinkIdentity,
		route{tag: tag, summary: "Unlink one of the caller's accounts at providers",
			description: "For its owner. The last way to sign in stays.",
			status:      gone, errors: []int{missing, conflict}})
	add(s, get, v1+"/users/me/two-factor", "getTwoFactor", s.twoFactor,
		route{tag: tag, summary: "Show how the caller stands with two-factor sign-in",
			description: "For everybody."})
	add(s, post, v1+"/users/me/two-factor", "beginTwoFactor", s.beginTwoFactor,
		route{tag: tag, summary: "Make a key for the caller's authenticator app",
			description: "For everybody. Shown this once; it counts when it is confirmed.",
			example:     `{"password":"correct horse battery"}`,
			errors:      []int{rejected, conflict, limited}})
	add(s, post, v1+"/users/me/two-factor/confirm", "confirmTwoFactor", s.confirmTwoFactor,
		route{tag: tag, summary: "Begin to sign in with two factors, with a code of the new key",
			description: "For everybody. Ends the other sessions, and shows the recovery codes this once.",
			example:     `{"code":"492039"}`,
			errors:      []int{rejected, conflict, limited}})
	add(s, post, v1+"/users/me/two-factor/recovery-codes", "makeRecoveryCodes", s.makeRecoveryCodes,
		route{tag: tag, summary: "Replace the caller's recovery codes",
			description: "For everybody, with the password or a code. Shown this once.",
			example:     `{"password":"correct horse battery"}`,
			errors:      []int{rejected, conflict, limited}})
	add(s, post, v1+"/users/me/two-factor/remove", "removeTwoFactor", s.removeTwoFactor,
		route{tag: tag, summary: "End the caller's two-factor sign-in",
			description: "For everybody, with the password or a code.",
			example:     `{"code":"492039"}`,
			status:      gone, errors: []int{rejected, conflict, limited}})
	add(s, del, v1+"/users/{user_id}/two-factor", "resetTwoFactor", s.resetTwoFactor,
		route{tag: tag, summary: "End the two-factor sign-in of somebody who has lost the phone",
			description: "For admins, within their own rights. Ends all sessions of the person.",
			role:        app.ActResetTwoFactor, status: gone, errors: []int{rejected, missing, conflict}})
	add(s, get, v1+"/users/{user_id}/tokens", "listTokensOf", s.tokensOf,
		route{tag: tag, summary: "List another person's tokens",
			description: "For admins. Without their secrets.",
			role:        app.ActManageTokens, errors: known})
	add(s, del, v1+"/users/{user_id}/tokens", "revokeTokensOf", s.revokeTokensOf,
		route{tag: tag, summary: "Revoke all tokens of another person",
			description: "For admins.",
			role:        app.ActManageTokens, status: gone, errors: known})
}

func (s *Server) userRoutes() {
	const tag = "Users"
	known, edited := []int{missing}, []int{missing, conflict}
	add(s, get, v1+"/users/me", "me", s.me,
		route{tag: tag, summary: "Show the caller",
			description: "For everybody who is signed in."})
	add(s, post, v1+"/users/", "createUser", s.createUser,
		route{tag: tag, summary: "Make an account",
			description: "For admins, within their own rights. Without a password the person gets in by a link.",
			example:     `{"email":"grace@example.org","username":"grace","full_name":"Grace Hopper","role":"student"}`,
			role:        app.ActCreateUser})
	add(s, put, v1+"/users/me", "updateMe", s.updateMe,
		route{tag: tag, summary: "Change the caller's own account; never its role",
			description: "For everybody. A new password needs the present one and ends the other sessions.",
			example:     `{"full_name":"Ada Lovelace"}`,
			errors:      []int{conflict, limited}})
	add(s, post, v1+"/users/me/avatar", "setAvatar", s.setAvatar,
		route{tag: tag, summary: "Give the caller a picture: PNG, JPEG, GIF or WebP, 2 MiB at most",
			description: "For everybody. A form with the part file. A small picture is made of it.",
			form:        fileForm("The picture"), upload: true})
	add(s, del, v1+"/users/me/avatar", "removeAvatar", s.removeAvatar,
		route{tag: tag, summary: "Leave the caller without a picture",
			description: "For everybody."})
	s.avatars()
	add(s, get, v1+"/users/me/mentions", "listMentions", s.mentions,
		route{tag: tag, summary: "List the messages that mention the caller, newest first",
			description: "For everybody. Without deleted and hidden ones, and rooms that the caller left."})
	add(s, put, v1+"/users/me/mentions/read", "readMentions", s.readMentions,
		route{tag: tag, summary: "Mark mentions of the caller as read",
			description: "For everybody. Send ids, up_to or both.",
			example:     `{"ids":["` + anID + `"]}`})
	add(s, get, v1+"/users/me/bookmarks", "listBookmarks", s.bookmarks,
		route{tag: tag, summary: "List the caller's bookmarks, newest first",
			description: "For the caller alone. Messages that they may not read now are left out."})
	add(s, put, v1+"/users/me/bookmarks/{message_id}", "setBookmark", s.setBookmark,
		route{tag: tag, summary: "Keep a message, with a note of one's own",
			description: "For who may read it. 1000 at most.",
			example:     `{"note":"For the exam"}`,
			status:      gone, errors: []int{missing, conflict, limited}})
	add(s, del, v1+"/users/me/bookmarks/{message_id}", "deleteBookmark", s.deleteBookmark,
		route{tag: tag, summary: "Delete one of the caller's bookmarks",
			description: "For its owner. The message stays.",
			status:      gone})
	add(s, get, v1+"/users/me/rooms", "listMyRooms", s.myRooms,
		route{tag: tag, summary: "List the caller's rooms, newest first, with what is new and what the caller may do",
			description: "For everybody. Admins get rooms of courses in which they are, and pinned ones."})
	add(s, put, v1+"/users/me/rooms/{room_id}", "setMyRoom", s.setMyRoom,
		route{tag: tag, summary: "Change how the caller hears of a room, and whether it is pinned",
			description: "For people of the room, on all of their devices.",
			example:     `{"notify":"mentions","pinned":true}`,
			errors:      known})
	add(s, get, v1+"/users/me/preferences", "getPreferences", s.preferences,
		route{tag: tag, summary: "Show how the caller likes the program",
			description: "For everybody, on all of their devices."})
	add(s, put, v1+"/users/me/preferences", "setPreferences", s.setPreferences,
		route{tag: tag, summary: "Change language, time zone, look, keys, notifications and sound of the caller",
			description: "For everybody.",
			example:     `{"locale":"zh-TW","time_zone":"Asia/Taipei","theme":"dark","send_key":"ctrl_enter","notify":"mentions"}`})
	add(s, get, v1+"/users/", "listUsers", s.users,
		route{tag: tag, summary: "List all accounts, newest first",
			description: "For admins.",
			role:        app.ActListUsers})
	add(s, get, v1+"/users/search", "searchUsers", s.searchUsers,
		route{tag: tag, summary: "Find people by a part of name, user name or e-mail address",
			description: "For everybody; who is not staff finds those of shared courses."})
	add(s, get, v1+"/users/{user_id}", "getUser", s.user,
		route{tag: tag, summary: "Show somebody",
			description: "For the person, admins, and those who share a course with the person.",
			errors:      known})
	add(s, put, v1+"/users/{user_id}", "updateUser", s.updateUser,
		route{tag: tag, summary: "Change somebody's account",
			description: "For the person and admins.",
			example:     `{"full_name":"Ada Lovelace"}`,
			errors:      []int{missing, conflict, limited}})
	add(s, post, v1+"/users/{user_id}/password-link", "makePasswordLink", s.makePasswordLink,
		route{tag: tag, summary: "Make a link with which somebody sets a new password once",
			description: "For admins, and staff for people who have only their course. Shown this once; it expires.",
			errors:      edited})
	add(s, del, v1+"/users/{user_id}", "deleteUser", s.deleteUser,
		route{tag: tag, summary: "Remove an account; its messages stay, its courses and organisations pass to the caller",
			description: "For admins.",
			errors:      edited})
}

func (s *Server) adminRoutes() {
	const tag = "Administration"
	add(s, get, v1+"/admin/audit", "listAuditLog", s.auditLog,
		route{tag: tag, summary: "List who changed what, newest first",
			description: "For admins. Secrets are never in it.",
			role:        app.ActReadAudit})
	add(s, get, v1+"/admin/db/tables", "listTables", s.tables,
		route{tag: tag, summary: "List the tables that admins may look into",
			description: "For admins.",
			role:        app.ActBrowse, errors: []int{rejected}})
	add(s, get, v1+"/admin/db/tables/{table_name}", "listRows", s.rows,
		route{tag: tag, summary: "List rows of a table, newest first",
			description: "For admins. Secrets are left out.",
			role:        app.ActBrowse, errors: []int{rejected, missing}})
}
