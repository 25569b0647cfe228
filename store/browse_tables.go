package store

import (
	"slices"
	"strings"
)

// Browsed is a table as operators see it: under the name that clients know, and only with
// listed columns. No listed column holds a secret.
type Browsed struct {
	Name      string
	Table     string
	Columns   []string
	from      string   // SQL to read instead of Table, when the rows of that name have no table of their own
	where     string   // which rows are shown; all when empty
	json      []string // the Columns whose text is a JSON value
	key       []string // the Columns that identify a row; of two the first holds no slash
	search    []string
	relations []relation
}

// relation is a column that resolving adds: the name behind a reference.
type relation struct{ name, expr, join string }

var (
	senderName = relation{"sender_name", "COALESCE(sender.full_name, sender.username, sender.email)",
		"LEFT JOIN users AS sender ON sender.id = t.sender_id"}
	ownerName = relation{"owner_name", "COALESCE(owner.full_name, owner.username, owner.email)",
		"LEFT JOIN users AS owner ON owner.id = t.owner_id"}
	userEmail = relation{"user_email", "u.email",
		"LEFT JOIN users AS u ON u.id = t.user_id"}
	roomName = relation{"room_name", "r.name",
		"LEFT JOIN rooms AS r ON r.id = t.room_id"}
	courseName = relation{"course_title", "c.title",
		"LEFT JOIN courses AS c ON c.id = t.course_id"}
)

// keys are the key columns of the tables whose rows have no id.
var keys = map[string]string{
	"a2a_messages":         "message_id",
	"agent_breakers":       "agent_id",
	"agent_keys":           "agent_id key_type",
	"report_sections":      "report_id position",
	"artifact_bases":       "artifact_id version",
	"artifact_versions":    "artifact_id version",
	"leases":               "name",
	"mentions":             "user_id message_id",
	"message_reactions":    "message_id user_id emoji",
	"room_pins":            "room_id message_id",
	"talk_days":            "room_id day kind who",
	"room_agents":          "room_id agent_id",
	"user_key_uses":        "user_key_id agent_id",
	"course_members":       "course_id user_id",
	"organization_members": "organization_id user_id",
	"project_members":      "project_id user_id",
	"room_marks":           "user_id room_id",
	"room_members":         "room_id user_id",
}

// searched are the columns that a search covers in each table that has them, beside ids.
var searched = strings.Fields("role status state email username full_name title name content description")

// browsed makes an entry of the list. json names the columns that hold JSON.
func browsed(name, table, columns, json string, relations ...relation) Browsed {
	b := Browsed{Name: name, Table: table, Columns: strings.Fields(columns), json: strings.Fields(json), relations: relations}
	b.Columns = append(b.Columns, b.json...)
	if b.key = strings.Fields(keys[table]); len(b.key) == 0 {
		b.key = []string{"id"}
	}
	for _, c := range b.Columns {
		if c == "id" || strings.HasSuffix(c, "_id") || slices.Contains(searched, c) && !slices.Contains(b.json, c) {
			b.search = append(b.search, c)
		}
	}
	return b
}

// of makes the entry show only the rows for which a condition holds.
func (b Browsed) of(where string) Browsed {
	b.where = where
	return b
}

// What a person and an agent say and make alone is theirs: operators see that there are
// such messages, and not what is in them.
const (
	inNoThread = "NOT EXISTS (SELECT 1 FROM threads AS th WHERE th.id = t.room_id)"
	ofNoThread = "NOT EXISTS (SELECT 1 FROM artifacts AS f JOIN threads AS th ON th.id = f.room_id WHERE f.id = t.artifact_id)"
	inThreads  = "(SELECT m.id, m.room_id AS thread_id, m.seq, CASE WHEN m.agent_type IS NULL THEN 'user' ELSE 'assistant' END AS role, m.answers," +
		" m.created_at FROM messages AS m JOIN threads AS th ON th.id = m.room_id)"
)

// browsedFrom makes an entry for rows that SQL makes of others.
func browsedFrom(name, from, columns string) Browsed {
	b := browsed(name, "", columns, "")
	b.from = from
	return b
}

// BrowsedTables lists the tables that operators may see, by name.
func BrowsedTables() []Browsed {
	return []Browsed{
		browsed("a2amessage", "a2a_messages",
			"message_id correlation_id turn_id room_id type sender_id recipient_id created_at",
			"content metadata", roomName),
		browsed("access_token", "access_tokens",
			"id user_id name created_at expires_at last_used_at", "scopes", userEmail),
		browsed("agent_breaker", "agent_breakers", "agent_id failures open_until", ""),
		browsed("agent_key", "agent_keys", "agent_id key_type created_at", ""),
		browsed("agentconfig", "agents",
			"id project_id parent_id type name category model_provider model system_prompt context_window "+
				"is_active is_template is_external created_by created_at updated_at version",
			"settings trigger_config schedule_config capabilities user_key_ids"),
		browsed("agentconfigversion", "agent_versions",
			"id agent_id label name system_prompt model_provider model context_window created_at "+
				"created_by type category", "settings trigger_config schedule_config capabilities user_key_ids"),
		browsed("agentdecision", "agent_decisions",
			"id room_id cause from_seq seq guard created_at", "candidates", roomName),
		browsed("agentthread", "threads",
			"id project_id agent_id user_id stateless created_at updated_at version", "", userEmail),
		browsed("agentturn", "agent_turns",
			"id room_id agent_id trigger_seq position state attempt lease_until node reason detail "+
				"prompt_tokens completion_tokens created_at started_at ended_at resumed decision_id cause "+
				"asked_by read_seq key_kind stop_by stop_at workflow paused aside root_id", "graph", roomName),
		browsed("agenttypemetadata", "agent_types",
			"id type_name display_name description category icon color default_system_prompt "+
				"default_model_provider default_model is_system created_by created_at updated_at version",
			"default_settings default_capabilities"),
		browsed("analyticsreport", "reports",
			"id course_id created_by report_type title content state reason attempt lease_until node "+
				"rooms_total rooms_done rooms_failed created_at started_at ended_at updated_at version", "", courseName),
		browsed("analyticsreportsection", "report_sections",
			"report_id position room_id room_name content reason", "", roomName),
		browsed("announcement", "announcements",
			"id course_id author_id title content created_at updated_at version", "", courseName),
		browsed("artifact", "artifacts",
			"id room_id type title parent_id version event_seq created_by created_by_agent modified_by "+
				"modified_by_agent modified_agent_name modified_turn_id created_at updated_at deleted_at content_bytes", "content", roomName).of(inNoThread),
		browsed("artifact_base", "artifact_bases", "artifact_id version kept_at written", "delta").of(ofNoThread),
		browsed("artifactversion", "artifact_versions",
			"artifact_id version title modified_by modified_by_agent modified_agent_name modified_turn_id updated_at kept_at content_bytes", "content").of(ofNoThread),
		browsed("audit_log", "audit_log",
			"id created_at actor_id actor_name on_behalf_of action target_type target_id request_id", "before after"),
		browsed("blob", "blobs", "id file_id kind type size storage drop_after dropping", ""),
		browsed("course", "courses", "id title description owner_id created_at version archived_at", "", ownerName),
		browsed("course_copy", "course_copies",
			"id course_id created_by title project_id state reason attempt lease_until done total agents_left new_course_id created_at ended_at", "parts", courseName),
		browsed("course_invitation", "course_invitations",
			"id course_id created_by role max_uses uses created_at expires_at", "", courseName),
		browsed("event", "events", "room_id seq id type about_seq actor_id created_at", "body", roomName).of(inNoThread),
		browsed("file", "files", "id room_id uploader_id message_id client_id name type size stored is_text width height created_at", "", roomName),
		browsed("lease", "leases", "name node until", ""),
		browsed("message", "messages",
			"id room_id seq sender_id agent_id agent_type agent_name bot_name turn_id client_id content created_at "+
				"edited_at deleted_at hidden_at stopped_at truncated silent answers search_pos root_id reply_count last_reply_seq last_reply_at "+
				"reactions_told_at reactions_due", "rolls mentions reply_to repliers files reactions", senderName, roomName).of(inNoThread),
		browsed("message_mention", "mentions", "user_id message_id room_id seq created_at read_at kind called_seq", "", userEmail, roomName),
		browsed("message_pin", "room_pins", "room_id message_id pinned_by pinned_at", "", roomName),
		browsed("message_reaction", "message_reactions", "message_id user_id emoji created_at", "", userEmail),
		browsed("organization", "organizations", "id name description owner_id created_at version", "", ownerName),
		browsed("project", "projects", "id organization_id name description created_by created_at version", ""),
		browsed("room", "rooms",
			"id course_id thread_id name description is_ai_active is_analytics_active ai_frequency ai_mode "+
				"created_at version event_seq looked_seq look_at row_from workflow person_seq person_at agents_version unread_after archived_at", "", courseName),
		browsed("room_mark", "room_marks", "user_id room_id read_seq unread_at notify pinned_at", "", userEmail, roomName),
		browsed("roomagentlink", "room_agents",
			"room_id agent_id created_at is_active context_window override_until muted_until asleep_at "+
				"asleep_seq woken_at woken_seq since spoke_at read_seq broke_seq next_due_at version",
			"trigger_config schedule_config override", roomName),
		browsed("session", "sessions",
			"id user_id impersonator_id parent_id generation rotated_at created_at expires_at ended_at "+
				"end_reason user_agent address second_factor", "", userEmail),
		browsedFrom("threadmessage", inThreads, "id thread_id seq role answers created_at"),
		// Without inputs and outputs: those are shown where the rights to their contents
		// are checked again.
		browsed("turnstep", "turn_steps",
			"id turn_id n node kind name agent_id artifact_id state prompt_tokens completion_tokens "+
				"attempt started_at ended_at due_at decided_by", ""),
		browsed("user", "users",
			"id email username full_name role avatar_url is_active created_at version device_epoch kind bot_course_id", "preferences"),
		browsed("user_api_key", "user_keys",
			"id user_id provider alias description shared created_at updated_at", "", userEmail),
		browsed("user_api_key_use", "user_key_uses", "user_key_id agent_id calls first_used_at last_used_at", ""),
		browsed("usercourselink", "course_members", "course_id user_id role via created_at came_by account_made", "", userEmail, courseName),
		browsed("userorganizationlink", "organization_members",
			"organization_id user_id role created_at", "", userEmail),
		browsed("userprojectlink", "project_members", "project_id user_id role created_at", "", userEmail),
		browsed("userroomlink", "room_members", "room_id user_id created_at", "", userEmail, roomName),
		browsed("workflow", "workflows",
			"id course_id name created_by created_at updated_at version", "graph", courseName),
	}
}
