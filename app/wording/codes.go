package wording

// Code says what is wrong, for programs. The set is closed; new codes may come.
type Code string

// The codes of problems, and of what is wrong with single members of a request. They are
// never renamed. docs/problems.md is made of this table.
const (
	Unauthenticated             Code = "unauthenticated"
	BadToken                    Code = "bad_token"
	TokenExpired                Code = "token_expired"
	BadRefreshToken             Code = "bad_refresh_token"
	NoRefreshToken              Code = "no_refresh_token"
	WrongPassword               Code = "wrong_password"
	Inactive                    Code = "inactive"
	TwoFactorNeeded             Code = "two_factor_needed"
	TwoFactorRequired           Code = "two_factor_required"
	TwoFactorUnavailable        Code = "two_factor_unavailable"
	TwoFactorOn                 Code = "two_factor_on"
	TwoFactorOff                Code = "two_factor_off"
	TwoFactorOver               Code = "two_factor_over"
	WrongCode                   Code = "wrong_code"
	SignOnDown                  Code = "sign_on_down"
	SignOnOver                  Code = "sign_on_over"
	SignOnRefused               Code = "sign_on_refused"
	SignOnNoAccount             Code = "sign_on_no_account"
	SignOnLinked                Code = "sign_on_linked"
	SignOnLast                  Code = "sign_on_last"
	SignOnLogout                Code = "sign_on_logout"
	AgentTokenInvalid           Code = "agent_token_invalid"
	AgentIDMissing              Code = "agent_id_missing"
	AgentIDInvalid              Code = "agent_id_invalid"
	Forbidden                   Code = "forbidden"
	NoNewAccounts               Code = "no_new_accounts"
	AccountNotMadeHere          Code = "account_not_made_here"
	SignedIn                    Code = "signed_in"
	Bot                         Code = "bot"
	IsBot                       Code = "is_bot"
	Scope                       Code = "scope"
	Impersonating               Code = "impersonating"
	NotImpersonating            Code = "not_impersonating"
	ForeignOrigin               Code = "foreign_origin"
	UnknownHost                 Code = "unknown_host"
	LinkSpent                   Code = "link_spent"
	SetupDone                   Code = "setup_done"
	NotFound                    Code = "not_found"
	Invitation                  Code = "invitation"
	MethodNotAllowed            Code = "method_not_allowed"
	NotAcceptable               Code = "not_acceptable"
	BadRequest                  Code = "bad_request"
	RequestTimeout              Code = "request_timeout"
	PreconditionFailed          Code = "precondition_failed"
	UpgradeRequired             Code = "upgrade_required"
	UnsupportedMediaType        Code = "unsupported_media_type"
	RequestHeaderFieldsTooLarge Code = "request_header_fields_too_large"
	TooLarge                    Code = "too_large"
	TooMany                     Code = "too_many"
	Invalid                     Code = "invalid"
	InvalidType                 Code = "invalid_type"
	InvalidFileType             Code = "invalid_file_type"
	FileTooLarge                Code = "file_too_large"
	ImageTooLarge               Code = "image_too_large"
	Exists                      Code = "exists"
	UserExists                  Code = "user_exists"
	UsernameTaken               Code = "username_taken"
	AliasExists                 Code = "alias_exists"
	AgentExists                 Code = "agent_exists"
	AgentTypeExists             Code = "agent_type_exists"
	AgentTypeUsed               Code = "agent_type_used"
	SystemType                  Code = "system_type"
	BuiltIn                     Code = "built_in"
	Referenced                  Code = "referenced"
	Stale                       Code = "stale"
	Member                      Code = "member"
	IsOwner                     Code = "is_owner"
	LastAdmin                   Code = "last_admin"
	LastSuperAdmin              Code = "last_super_admin"
	OwnAccount                  Code = "own_account"
	OwnPassword                 Code = "own_password"
	OwnRole                     Code = "own_role"
	NameOfAgent                 Code = "name_of_agent"
	TooManyInvitations          Code = "too_many_invitations"
	OtherKeys                   Code = "other_keys"
	Quota                       Code = "quota"
	Archived                    Code = "archived"
	UploadsUnderWay             Code = "uploads_under_way"
	FilesUnavailable            Code = "files_unavailable"
	NotKept                     Code = "not_kept"
	Posted                      Code = "posted"
	RangeNotSatisfiable         Code = "requested_range_not_satisfiable"
	Decided                     Code = "decided"
	Expired                     Code = "expired"
	Approval                    Code = "approval"
	TurnOver                    Code = "turn_over"
	RunOver                     Code = "run_over"
	NotDone                     Code = "not_done"
	Deleted                     Code = "deleted"
	Erased                      Code = "erased"
	IDReused                    Code = "id_reused"
	Answering                   Code = "answering"
	Stopped                     Code = "stopped"
	GaveWay                     Code = "gave_way"
	LinesGone                   Code = "lines_gone"
	Denied                      Code = "denied"
	NoTemplate                  Code = "no_template"
	NoParent                    Code = "no_parent"
	NotExternal                 Code = "not_external"
	NoAnalyticsAgent            Code = "no_analytics_agent"
	Shape                       Code = "shape"
	MergeConflict               Code = "merge_conflict"
	BaseGone                    Code = "base_gone"
	RateLimited                 Code = "rate_limited"
	TooManyConnections          Code = "too_many_connections"
	NotSubscribed               Code = "not_subscribed"
	Limited                     Code = "limited"
	Budget                      Code = "budget"
	BudgetNoPrice               Code = "budget_no_price"
	BudgetNoLimit               Code = "budget_no_limit"
	Busy                        Code = "busy"
	BusyCourse                  Code = "busy_course"
	AnswersUnderWay             Code = "answers_under_way"
	Overload                    Code = "overload"
	TooMuch                     Code = "too_much"
	Timeout                     Code = "timeout"
	Shutdown                    Code = "shutdown"
	Unavailable                 Code = "unavailable"
	StorageFull                 Code = "storage_full"
	Database                    Code = "database"
	Schema                      Code = "schema"
	Listener                    Code = "listener"
	Demo                        Code = "demo"
	Internal                    Code = "internal"
	ModelFailed                 Code = "model_failed"
	NoKey                       Code = "no_key"
	BadKey                      Code = "bad_key"
	UnknownProvider             Code = "unknown_provider"
	SaidNothing                 Code = "said_nothing"
	OnlyThought                 Code = "only_thought"
	Filtered                    Code = "filtered"
	PromptTooLong               Code = "prompt_too_long"
	TooLong                     Code = "too_long"
	TooManySteps                Code = "too_many_steps"
	TooManyTokens               Code = "too_many_tokens"
	RepeatsItself               Code = "repeats_itself"
	Lost                        Code = "lost"
	NotAble                     Code = "not_able"
	Floor                       Code = "floor"
	WasRead                     Code = "was_read"
	Broken                      Code = "broken"
	Canceled                    Code = "canceled"
	Open                        Code = "open"
	WroteCall                   Code = "wrote_call"
	Refused                     Code = "refused"
	ThoughtAloud                Code = "thought_aloud"
	NoLines                     Code = "no_lines"
	RoomOff                     Code = "room_off"
	InactiveHere                Code = "inactive_here"
	Mode                        Code = "mode"
	Muted                       Code = "muted"
	Asleep                      Code = "asleep"
	Schedule                    Code = "schedule"
	Guard                       Code = "guard"
	Gone                        Code = "gone"
	Mentioned                   Code = "mentioned"
	Chance                      Code = "chance"
	Trigger                     Code = "trigger"
	NotCalled                   Code = "not_called"
	Others                      Code = "others"
	Hears                       Code = "hears"
	Woken                       Code = "woken"
	Missing                     Code = "missing"
	Null                        Code = "null"
	Empty                       Code = "empty"
	TooShort                    Code = "too_short"
	TooManyEntries              Code = "too_many_entries"
	TooManyBytes                Code = "too_many_bytes"
	TooDeep                     Code = "too_deep"
	OutOfRange                  Code = "out_of_range"
	OneOf                       Code = "one_of"
	UnknownMember               Code = "unknown_member"
	Twice                       Code = "twice"
	WrongKind                   Code = "wrong_kind"
	NotJSON                     Code = "not_json"
	NotUUID                     Code = "not_uuid"
	NotADate                    Code = "not_a_date"
	NotAnAddress                Code = "not_an_address"
	NotUTF8                     Code = "not_utf8"
	Characters                  Code = "characters"
	WrongForm                   Code = "wrong_form"
	Taken                       Code = "taken"
	Unknown                     Code = "unknown"
	Conflict                    Code = "conflict"
	Graph                       Code = "graph"
)

// Meaning says of a code what it means and what helps.
type Meaning struct {
	Code         Code
	What, Remedy string
	Problem      bool // it is the code of a problem
	Member       bool // it is the code of one member of a request, in errors
}

// Meanings are all codes, each once.
func Meanings() []Meaning {
	return []Meaning{
		{Unauthenticated, "Nobody is signed in.", "Sign in, or send a token.", true, false},
		{BadToken, "The token is not valid, or its session has ended.", "Sign in again.", true, false},
		{TokenExpired, "The access token has expired.", "Refresh it, then send the request again.", true, false},
		{BadRefreshToken, "The refresh token is not valid.", "Sign in again.", true, false},
		{NoRefreshToken, "There is no refresh token.", "Sign in again.", true, false},
		{WrongPassword, "The password, or the name with it, is not right.", "Try again, or ask for a link.", true, false},
		{Inactive, "The account is switched off. Where an agent is to speak: the agent is.", "Ask an admin, or switch the agent on.", true, false},
		{TwoFactorNeeded, "The password is right, and the person signs in with a second factor.", "Send the code of the authenticator app, or a recovery code.", true, false},
		{TwoFactorRequired, "The operator asks two-factor sign-in of people with this role, and the person has not set it up.", "Set it up; everything else then works.", true, false},
		{TwoFactorUnavailable, "The operator has turned two-factor sign-in off.", "Ask the operator.", true, false},
		{TwoFactorOn, "Two-factor sign-in is set up already.", "Remove it first.", true, false},
		{TwoFactorOff, "Two-factor sign-in is not set up.", "Set it up first.", true, false},
		{TwoFactorOver, "The time for the code of a sign-in is over.", "Sign in again.", true, false},
		{WrongCode, "The code of the second factor is wrong, or was used before.", "Wait for the next one, or use a recovery code.", true, false},
		{SignOnDown, "A provider of identities does not answer.", "Try again in a moment, or sign in with a password.", true, false},
		{SignOnOver, "A way to a provider of identities took too long, was used, or began in another browser.", "Begin again.", true, false},
		{SignOnRefused, "A provider of identities did not sign the person in.", "Try again, or ask whoever looks after it.", true, false},
		{SignOnNoAccount, "Nobody here has the account at the provider, or it is not one that signs in here.", "Sign in with a password and link it, or ask for an account.", true, false},
		{SignOnLinked, "The account at the provider is somebody's already.", "Use another one, or unlink it there.", true, false},
		{SignOnLogout, "What a provider of identities says of a sign-out there does not hold, or came before.", "Look into the server's log.", true, false},
		{SignOnLast, "The person could not sign in any more.", "Link another account or set a password first.", true, false},
		{AgentTokenInvalid, "The token of an agent outside this program is not valid.", "Use the callback token that was shown when it was made, or rotate it.", true, false},
		{AgentIDMissing, "The header X-Agent-ID is missing.", "Send it.", true, false},
		{AgentIDInvalid, "The header X-Agent-ID is no id.", "Send the id of the agent.", true, false},
		{Forbidden, "The person may not do this.", "Ask somebody who may.", true, false},
		{NoNewAccounts, "Nobody can make an account here, or not with this code.", "Ask the staff of the course for one.", true, false},
		{AccountNotMadeHere, "The account was not made on the way into the course.", "Remove the person from the course alone.", true, false},
		{SignedIn, "The person is signed in, and sent an account to make.", "Leave it out, or sign out first.", true, false},
		{Bot, "Bots may not do this.", "Have a person do it.", true, false},
		{IsBot, "The account is a bot.", "Choose a person.", true, false},
		{Scope, "The token lacks a scope, or tokens may not do this at all.", "Use a token that has it, or sign in.", true, false},
		{Impersonating, "Nobody may do this who acts as somebody else.", "Stop acting as somebody else first.", true, false},
		{NotImpersonating, "The session acts as nobody else.", "There is nothing to stop.", true, false},
		{UnknownHost, "The server does not know the name by which it is asked for.", "Ask by the right one, or let its operator list it in http.hosts.", true, false},
		{ForeignOrigin, "The request comes from a page of another site.", "Send it from the server's own page, or list the origin in the configuration.", true, false},
		{LinkSpent, "The link is not valid any more.", "Ask for a new one.", true, false},
		{SetupDone, "The link that sets the server up is not valid any more.", "Sign in, or restart the server for a new one.", true, false},
		{NotFound, "The thing does not exist, or is hidden from this person.", "Load the list again.", true, false},
		{Invitation, "The invitation is not valid any more.", "Ask for a new one.", true, false},
		{MethodNotAllowed, "The address exists, and does not take this method.", "See the header Allow.", true, false},
		{NotAcceptable, "The answer cannot be given in the form that Accept asks for.", "Accept application/json.", true, false},
		{BadRequest, "The head of the request, or the request as a whole, cannot be read.", "Send it as HTTP/1.1 says.", true, false},
		{RequestTimeout, "The request came too slowly.", "Send it again.", true, false},
		{PreconditionFailed, "The thing is not in the state that the request names.", "Load it again.", true, false},
		{UpgradeRequired, "This address is for sockets.", "Open it as a WebSocket.", true, false},
		{UnsupportedMediaType, "The body has a form that is not understood.", "Send JSON, not compressed.", true, false},
		{RequestHeaderFieldsTooLarge, "The head of the request is too large.", "Delete this site's cookies.", true, false},
		{TooLarge, "The body, or one thing in it, is too large.", "Send less.", true, false},
		{TooMany, "The place has as many of these things as it can hold.", "Delete some first.", true, false},
		{Invalid, "Members of the request are missing or wrong. Of one member: it is wrong in a way that has no code.", "See errors, and the message.", true, true},
		{InvalidType, "The type of artifact does not exist.", "Use one of those that the text names.", true, false},
		{InvalidFileType, "The file is no picture that is understood.", "Send PNG, JPEG, GIF or WebP.", true, false},
		{FileTooLarge, "The picture has too many bytes.", "Send a smaller one.", true, false},
		{ImageTooLarge, "The picture has too many pixels.", "Send a smaller one.", true, false},
		{Exists, "A thing with this name or id exists.", "Choose another.", true, false},
		{UserExists, "An account with this e-mail address or name exists.", "Choose another.", true, false},
		{UsernameTaken, "Somebody else has this user name.", "Choose another.", true, false},
		{AliasExists, "A key with this name exists.", "Choose another name.", true, false},
		{AgentExists, "The project has an agent of this type with this name.", "Choose another name.", true, false},
		{AgentTypeExists, "An agent type with this name exists.", "Choose another name.", true, false},
		{AgentTypeUsed, "Agents of this type exist.", "Delete them, or give them another type.", true, false},
		{SystemType, "The type ships with the program.", "Leave it as it is.", true, false},
		{BuiltIn, "The workflow ships with the program.", "Make one of your own.", true, false},
		{Referenced, "Something that the thing belongs to is gone, or something still uses it.", "Load it again.", true, false},
		{Stale, "Somebody else was faster.", "Load the thing again, then repeat the change.", true, false},
		{Member, "The person is a member already.", "Change the role.", true, false},
		{IsOwner, "The owner cannot be removed or changed here.", "Give the thing to somebody else first.", true, false},
		{LastAdmin, "The last admin of a project must stay.", "Name another one first.", true, false},
		{LastSuperAdmin, "The last active super admin must stay.", "Make somebody else one first.", true, false},
		{OwnAccount, "Nobody deletes their own account here.", "Ask another admin.", true, false},
		{OwnPassword, "Nobody makes a password link for themselves.", "Change the password in the profile.", true, false},
		{OwnRole, "Super admins do not change their own role.", "Ask another one.", true, false},
		{NameOfAgent, "The person's name is or looks like that of an agent.", "Change it in the profile.", true, false},
		{TooManyInvitations, "There are too many invitations that still work.", "Take some back.", true, false},
		{Archived, "The course is archived.", "Read it; its teachers can open it again.", true, false},
		{Quota, "A quota is used up.", "Delete something, or ask the operator for more.", true, false},
		{UploadsUnderWay, "As many uploads of the person are under way as may be.", "Wait for one of them.", true, false},
		{FilesUnavailable, "The store of files does not answer.", "Wait as long as Retry-After says.", true, false},
		{NotKept, "The content of the file is not kept any more.", "Ask who uploaded it.", true, false},
		{Posted, "A message shows the file.", "Delete the message.", true, false},
		{RangeNotSatisfiable, "The file is shorter than the range that is asked for.", "Ask for a range within it.", true, false},
		{Decided, "Somebody has decided this already.", "Load it again.", true, false},
		{Expired, "The time to decide is over.", "Load it again.", true, false},
		{Approval, "The agent waits for a decision.", "See the approvals of the thread.", true, false},
		{TurnOver, "The turn is over.", "Load it again.", true, false},
		{RunOver, "The run is over.", "Load it again.", true, false},
		{NotDone, "The report is not finished.", "Wait for its end.", true, false},
		{Deleted, "The message is deleted.", "Load the history again.", true, false},
		{Erased, "The thing was erased for good.", "It cannot be restored.", true, false},
		{IDReused, "Another message was sent with this id.", "Send each message with an id of its own.", true, false},
		{Answering, "The thread waits for an answer already.", "Wait for it.", true, false},
		{Stopped, "A person has stopped the answer.", "Send the message again to get one.", true, false},
		{GaveWay, "The agent gave way to a person.", "Nothing is wrong.", true, false},
		{LinesGone, "The messages that the turn was about are gone.", "Nothing is wrong.", true, false},
		{Denied, "The reviewer did not approve the draft.", "See the decisions.", true, false},
		{NoTemplate, "The agent is no template.", "Choose a template.", true, false},
		{NoParent, "The agent was made from no template.", "Change it by itself.", true, false},
		{NotExternal, "The agent runs in this program.", "Choose one that runs outside.", true, false},
		{NoAnalyticsAgent, "The analytics agent has no key.", "Give it one in the settings of system agents.", true, false},
		{Shape, "The content of the artifact has another shape.", "Change it as a whole.", true, false},
		{MergeConflict, "Both have changed the same blocks of the artifact.", "Choose for each of conflicts, then send it with the new version as base.", true, false},
		{BaseGone, "What the artifact was at the base version is not known any more.", "Load it again and make the change to that.", true, false},
		{RateLimited, "The person does this too often.", "Wait as long as Retry-After says.", true, false},
		{TooManyConnections, "The person has too many connections open.", "Close some.", true, false},
		{NotSubscribed, "The person's socket does not follow the room.", "Subscribe to it first.", true, false},
		{Limited, "The provider of the model refuses more requests for now.", "Wait as long as Retry-After says.", true, false},
		{Budget, "A budget is used up.", "Wait until it renews, or raise it.", true, false},
		{BudgetNoPrice, "A budget counts money, and the model has no price.", "Set its price in the configuration.", true, false},
		{BudgetNoLimit, "A budget cannot bound the model's answer.", "Set its max_output in the configuration.", true, false},
		{Busy, "The server, or the agent that is to speak, is busy.", "Try again in a moment.", true, false},
		{BusyCourse, "Others ask for reports on this course just now.", "Try again in a moment.", true, false},
		{AnswersUnderWay, "Too many large answers are still being read.", "Read them first, then try again.", true, false},
		{Overload, "Too many people wait for models.", "Try again in a moment.", true, false},
		{TooMuch, "The table is too large for such a search.", "Narrow it down by dates.", true, false},
		{Timeout, "The server, or the model, took too long.", "Try again in a moment.", true, false},
		{Shutdown, "The server is restarting.", "Send it again.", true, false},
		{Unavailable, "The server, or the provider of the model, does not answer.", "Try again in a moment.", true, false},
		{StorageFull, "The server has no space left.", "Tell its operator.", true, false},
		{Database, "The database does not answer.", "Tell the operator.", true, false},
		{Schema, "The schema of the database does not fit the program.", "Tell the operator.", true, false},
		{Listener, "Events of other nodes do not arrive.", "Tell the operator.", true, false},
		{Demo, "Somebody else makes the accounts of the demonstration right now.", "Run the command again.", true, false},
		{Internal, "A fault of the server.", "Tell its operator the request_id.", true, false},
		{ModelFailed, "The agent could not answer.", "Try again.", true, false},
		{NoKey, "There is no key for the model.", "Give the agent one.", true, false},
		{BadKey, "The provider refuses the key.", "Give another one.", true, false},
		{UnknownProvider, "The provider of the model is not configured.", "Choose another, or ask the operator.", true, false},
		{SaidNothing, "The model has said nothing.", "Ask again.", true, false},
		{OnlyThought, "The model has thought until its limit and said nothing.", "Raise its limit.", true, false},
		{Filtered, "The provider refuses to answer this.", "Ask in other words.", true, false},
		{PromptTooLong, "The prompt is longer than the model can read.", "Shorten the prompt, or the agent's context_window.", true, false},
		{TooLong, "The text, the turn or the prompt is too long.", "Send or ask for less.", true, true},
		{TooManySteps, "The agent has called too many tools in one turn.", "Ask for less at once.", true, false},
		{TooManyTokens, "The turn has used too many tokens.", "Ask for less at once.", true, false},
		{RepeatsItself, "The agent repeats the same call.", "Ask in other words.", true, false},
		{Lost, "The process that worked on the answer has died.", "Send the message again.", true, false},
		{NotAble, "The agent cannot do what the graph asks of it.", "See the workflow.", true, false},
		{Floor, "Somebody else speaks.", "Wait for it.", true, false},
		{WasRead, "The agent has answered the message already.", "Nothing is wrong.", true, false},
		{Broken, "The provider's answer cannot be used.", "Try again.", true, false},
		{Canceled, "Whoever asked has gone.", "Send it again.", true, false},
		{Open, "The provider has failed often, and is not asked for a while.", "Wait as long as Retry-After says.", true, false},
		{WroteCall, "The model has written a tool call as text.", "Ask again, or choose another model.", true, false},
		{Refused, "The call of the model was refused before it was made.", "See the server's log.", true, false},
		{ThoughtAloud, "The model shows its thoughts as text.", "Ask again.", true, false},
		{NoLines, "Nothing has been said in the room.", "Say something first.", true, false},
		{RoomOff, "The agents of the room are switched off.", "Switch them on.", true, false},
		{InactiveHere, "The agent is switched off in this room.", "Switch it on.", true, false},
		{Mode, "The room's mode leaves agents of this kind out.", "Change the mode.", true, false},
		{Muted, "The agent is muted in this room.", "Take the mute back.", true, false},
		{Asleep, "The agent sleeps until a person speaks.", "Say something.", true, false},
		{Schedule, "It is not the time for the agent.", "See its schedule.", true, false},
		{Guard, "Agents have said as much as they may until a person goes on.", "Say something, or go on.", true, false},
		{Gone, "The agent is not in the room any more.", "Load the room again.", true, false},
		{Mentioned, "The agent was called.", "See the decisions.", true, false},
		{Chance, "The agent's roll decides.", "See the decisions.", true, false},
		{Trigger, "The agent's trigger cannot be read.", "Correct it.", true, false},
		{NotCalled, "The agent speaks only when it is called.", "Call it.", true, false},
		{Others, "Others speak before the agent.", "Wait for them.", true, false},
		{Hears, "The agent hears each message.", "See the decisions.", true, false},
		{Woken, "The agent was woken.", "See the decisions.", true, false},
		{Missing, "The member is missing.", "Send it.", false, true},
		{Null, "The member must not be null.", "Leave it out to keep what is stored.", false, true},
		{Empty, "The member must not be empty.", "Send something.", false, true},
		{TooShort, "The text or the list is too short.", "Send more.", false, true},
		{TooManyEntries, "The list is too long.", "Send fewer.", false, true},
		{TooManyBytes, "The member has too many bytes.", "Send less.", false, true},
		{TooDeep, "The member nests too deep.", "Send a flatter one.", false, true},
		{OutOfRange, "The number, the date or the length is out of its range.", "Send one within it.", false, true},
		{OneOf, "The member must be one of a few values.", "Send one of them.", false, true},
		{UnknownMember, "The route knows no such member.", "Leave it out.", false, true},
		{Twice, "The member or the entry is there twice.", "Send it once.", false, true},
		{WrongKind, "The member is of another kind: a text, a number, a list, an object.", "Send the kind that the text names.", false, true},
		{NotJSON, "The body cannot be read as JSON.", "Send valid JSON.", false, true},
		{NotUUID, "The member is no id.", "Send a UUID.", false, true},
		{NotADate, "The member is no date or time.", "Send one as ISO 8601 says.", false, true},
		{NotAnAddress, "The member is no URL or no e-mail address.", "Send one.", false, true},
		{NotUTF8, "The text is no valid UTF-8, or has a NUL.", "Send valid text.", false, true},
		{Characters, "The text has characters that are not allowed here.", "Take them out.", false, true},
		{WrongForm, "The member has another form than the text describes.", "Send that form.", false, true},
		{Taken, "Somebody or something else has it, or looks like it.", "Choose another.", false, true},
		{Unknown, "No such thing exists, or not here.", "Load the list again.", false, true},
		{Conflict, "The member does not go together with another one.", "Send one of the two.", false, true},
		{Graph, "The workflow's graph has a fault.", "Correct the node or edge that the text names.", false, true},
	}
}

// Codes are the codes of problems, or those of members.
func Codes(member bool) (all []string) {
	for _, m := range Meanings() {
		if member && m.Member || !member && m.Problem {
			all = append(all, string(m.Code))
		}
	}
	return all
}
