package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"
)

// Browsed is a table as operators see it: under the name that clients know, and only with
// listed columns. No listed column holds a secret.
type Browsed struct {
	Name      string
	Table     string
	Columns   []string
	json      []string // the Columns whose text is a JSON value
	key       []string // the Columns that identify a row; of two the first holds no slash
	search    []string
	relations []relation
}

// relation is a column that resolving adds: the name behind a reference.
type relation struct{ name, expr, join string }

var (
	senderName = relation{"sender_name", "COALESCE(sender.full_name, sender.username, sender.email)", "LEFT JOIN users AS sender ON sender.id = t.sender_id"}
	ownerName  = relation{"owner_name", "COALESCE(owner.full_name, owner.username, owner.email)", "LEFT JOIN users AS owner ON owner.id = t.owner_id"}
	userEmail  = relation{"user_email", "u.email", "LEFT JOIN users AS u ON u.id = t.user_id"}
	roomName   = relation{"room_name", "r.name", "LEFT JOIN rooms AS r ON r.id = t.room_id"}
	courseName = relation{"course_title", "c.title", "LEFT JOIN courses AS c ON c.id = t.course_id"}
)

// searched are the columns that a search covers in each table that has them, beside ids.
var searched = strings.Fields("role status state email username full_name title name content description")

// longTexts are the columns whose texts are shown only up to longestCell characters, like
// all JSON values: a thousand rows may hold a gigabyte.
var longTexts = strings.Fields("content system_prompt default_system_prompt description")

const (
	longestCell = 4000
	mostOfCell  = 4 * longestCell // bytes
)

// keys are the key columns of the tables whose rows have no id.
var keys = map[string]string{"a2a_messages": "message_id", "agent_keys": "agent_id key_type", "report_sections": "report_id position",
	"artifact_versions": "artifact_id version", "leases": "name", "room_agents": "room_id agent_id", "user_key_uses": "user_key_id agent_id",
	"course_members": "course_id user_id", "organization_members": "organization_id user_id", "project_members": "project_id user_id",
	"room_members": "room_id user_id"}

// column is the expression for a column. The text of a deleted message is empty.
func (b *Browsed) column(name string) schema.QueryWithArgs {
	if b.Table == "messages" && name == "content" {
		return bun.SafeQuery("CASE WHEN t.deleted_at IS NULL THEN t.content ELSE '' END")
	}
	return bun.SafeQuery("t.?", bun.Ident(name))
}

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

// BrowsedTables lists the tables that operators may see, by name.
func BrowsedTables() []Browsed {
	return []Browsed{
		browsed("a2amessage", "a2a_messages", "message_id correlation_id turn_id room_id type sender_id recipient_id created_at", "content metadata", roomName),
		browsed("access_token", "access_tokens", "id user_id name created_at expires_at last_used_at", "scopes", userEmail),
		browsed("agent_key", "agent_keys", "agent_id key_type created_at", ""),
		browsed("agentconfig", "agents", "id project_id parent_id type name category model_provider model system_prompt context_window is_active "+
			"is_template is_external created_by created_at updated_at version", "settings trigger_config schedule_config capabilities user_key_ids"),
		browsed("agentconfigversion", "agent_versions", "id agent_id label name system_prompt model_provider model context_window created_at created_by",
			"settings trigger_config schedule_config"),
		browsed("agentdecision", "agent_decisions", "id room_id cause from_seq seq guard created_at", "candidates", roomName),
		browsed("agentthread", "threads", "id project_id agent_id user_id last_seq asking asking_until created_at updated_at version", "", userEmail),
		browsed("agentturn", "agent_turns", "id room_id agent_id trigger_seq position state attempt lease_until node reason detail prompt_tokens "+
			"completion_tokens created_at started_at ended_at resumed decision_id cause asked_by read_seq key_kind stop_by stop_at workflow paused", "graph", roomName),
		browsed("agenttypemetadata", "agent_types", "id type_name display_name description category icon color default_system_prompt "+
			"default_model_provider default_model is_system created_by created_at updated_at version", "default_settings default_capabilities"),
		browsed("analyticsreport", "reports", "id course_id created_by report_type title content state reason attempt lease_until node rooms_total "+
			"rooms_done rooms_failed created_at started_at ended_at updated_at version", "", courseName),
		browsed("analyticsreportsection", "report_sections", "report_id position room_id room_name content reason", "", roomName),
		browsed("announcement", "announcements", "id course_id author_id title content created_at updated_at version", "", courseName),
		browsed("artifact", "artifacts", "id room_id type title parent_id version event_seq created_by created_by_agent modified_by modified_by_agent "+
			"created_at updated_at deleted_at content_bytes", "content", roomName),
		browsed("artifactversion", "artifact_versions", "artifact_id version title modified_by modified_by_agent updated_at kept_at content_bytes", "content"),
		browsed("audit_log", "audit_log", "id created_at actor_id actor_name on_behalf_of action target_type target_id request_id", "before after"),
		browsed("course", "courses", "id title description owner_id created_at version", "", ownerName),
		browsed("course_invitation", "course_invitations", "id course_id created_by role max_uses uses created_at expires_at", "", courseName),
		browsed("event", "events", "room_id seq id type about_seq actor_id created_at", "body", roomName),
		browsed("lease", "leases", "name node until", ""),
		browsed("message", "messages", "id room_id seq sender_id agent_id agent_type agent_name turn_id client_id content created_at edited_at "+
			"deleted_at hidden_at stopped_at truncated", "", senderName, roomName),
		browsed("organization", "organizations", "id name description owner_id created_at version", "", ownerName),
		browsed("project", "projects", "id organization_id name description created_by created_at version", ""),
		browsed("room", "rooms", "id course_id name description is_ai_active is_analytics_active ai_frequency ai_mode created_at version event_seq "+
			"looked_seq look_at row_from workflow person_seq person_at", "", courseName),
		browsed("roomagentlink", "room_agents", "room_id agent_id created_at is_active context_window override_until muted_until asleep_at asleep_seq "+
			"woken_at woken_seq since spoke_at read_seq broke_seq next_due_at version", "trigger_config schedule_config override", roomName),
		browsed("session", "sessions", "id user_id impersonator_id parent_id generation rotated_at created_at expires_at ended_at end_reason "+
			"user_agent address", "", userEmail),
		browsed("threadmessage", "thread_messages", "id thread_id seq role answers created_at", ""),
		// Without inputs and outputs: those are shown where the rights to their contents
		// are checked again.
		browsed("turnstep", "turn_steps", "id turn_id n node kind name agent_id artifact_id state prompt_tokens completion_tokens attempt started_at "+
			"ended_at due_at decided_by", ""),
		browsed("user", "users", "id email username full_name role avatar_url is_active created_at version device_epoch", ""),
		browsed("user_api_key", "user_keys", "id user_id provider alias description shared created_at updated_at", "", userEmail),
		browsed("user_api_key_use", "user_key_uses", "user_key_id agent_id calls first_used_at last_used_at", ""),
		browsed("usercourselink", "course_members", "course_id user_id role via created_at", "", userEmail, courseName),
		browsed("userorganizationlink", "organization_members", "organization_id user_id role created_at", "", userEmail),
		browsed("userprojectlink", "project_members", "project_id user_id role created_at", "", userEmail),
		browsed("userroomlink", "room_members", "room_id user_id created_at", "", userEmail, roomName),
		browsed("workflow", "workflows", "id course_id name created_by created_at updated_at version", "graph", courseName),
	}
}

// Window narrows which rows of a table are read. Search is part of an id, a name or a
// text, in any case. From and Until bound created_at; zero is no bound.
type Window struct {
	Page
	Resolve     bool
	Search      string
	From, Until time.Time
}

// Browse lists rows of a table, the newest first, each as a JSON object with
// its members in the order of the columns.
func (q Queries) Browse(ctx context.Context, b *Browsed, w Window) (*Listing[json.RawMessage], error) {
	sel := q.db.NewSelect().TableExpr("? AS t", bun.Ident(b.Table)).ColumnExpr(b.keyText() + " AS id").ColumnExpr(b.size(q) + " AS size")
	if w.Resolve {
		for _, r := range b.relations {
			sel = sel.Join(r.join)
		}
	}
	if w.Search != "" {
		sel = sel.WhereGroup(" AND ", func(any *bun.SelectQuery) *bun.SelectQuery { return b.find(any, w) })
	}
	dated := slices.Contains(b.Columns, "created_at")
	if dated && !w.From.IsZero() {
		sel = sel.Where("t.created_at >= ?", w.From.UTC())
	}
	if dated && !w.Until.IsZero() {
		sel = sel.Where("t.created_at <= ?", w.Until.UTC())
	}
	if dated {
		sel = sel.OrderExpr("t.created_at DESC")
	}
	if slices.Contains(b.Columns, "id") {
		sel = sel.OrderExpr("t.id DESC")
	}
	list := &Listing[json.RawMessage]{}
	list.read = func(ctx context.Context, places []place) ([]json.RawMessage, error) {
		return q.browsed(ctx, b, w.Resolve, places)
	}
	return list, translate(w.on(sel).Scan(ctx, &list.places))
}

// keyText is the SQL for a row's key as one text.
func (b *Browsed) keyText() string {
	parts := make([]string, len(b.key))
	for i, c := range b.key {
		parts[i] = "CAST(t." + c + " AS TEXT)"
	}
	return strings.Join(parts, " || '/' || ")
}

func (b *Browsed) long(column string) bool {
	return slices.Contains(longTexts, column) || slices.Contains(b.json, column)
}

// size is the SQL for about how many bytes of a row are shown.
func (b *Browsed) size(q Queries) string {
	sum := "0"
	for _, c := range b.Columns {
		if n := q.octets("t." + c); b.long(c) {
			sum += fmt.Sprintf(" + CASE WHEN %s > %d THEN %[2]d ELSE %[1]s END", n, mostOfCell)
		}
	}
	return sum
}

// browsed reads the rows with these keys.
func (q Queries) browsed(ctx context.Context, b *Browsed, resolve bool, places []place) ([]json.RawMessage, error) {
	sel := q.db.NewSelect().TableExpr("? AS t", bun.Ident(b.Table)).ColumnExpr(b.keyText())
	members, at := slices.Clone(b.Columns), make(map[string]int, len(places))
	for _, c := range b.Columns {
		if expr := b.column(c); b.long(c) {
			sel = sel.ColumnExpr("substr(CAST(? AS TEXT), 1, ?)", expr, longestCell)
		} else {
			sel = sel.ColumnExpr("?", expr)
		}
	}
	if resolve {
		for _, r := range b.relations {
			members = append(members, r.name)
			sel = sel.ColumnExpr(r.expr).Join(r.join)
		}
	}
	for i, p := range places {
		at[p.ID] = i
		sel = sel.WhereGroup(" OR ", func(row *bun.SelectQuery) *bun.SelectQuery {
			for i, part := range strings.SplitN(p.ID, "/", len(b.key)) {
				row = row.Where("t.? = ?", bun.Ident(b.key[i]), part)
			}
			return row
		})
	}
	rows, err := sel.Limit(int64(len(places))).Rows(ctx)
	if err != nil {
		return nil, translate(err)
	}
	defer func() { _ = rows.Close() }()
	types, err := rows.ColumnTypes()
	if err != nil {
		return nil, translate(err)
	}
	found := make([]json.RawMessage, len(places))
	for rows.Next() {
		var key string
		values, into := make([]any, len(members)), []any{&key}
		for i := range values {
			into = append(into, &values[i])
		}
		if err := rows.Scan(into...); err != nil {
			return nil, translate(err)
		}
		for i, v := range values {
			if n, ok := v.(int64); ok && types[i+1].DatabaseTypeName() == "BOOLEAN" {
				values[i] = n != 0 // SQLite's driver returns a number
			}
		}
		found[at[key]] = b.object(members, values)
	}
	return slices.DeleteFunc(found, func(row json.RawMessage) bool { return row == nil }), translate(rows.Err())
}

// find matches rows in which any of the searched columns holds the text. The characters
// with a meaning for LIKE are escaped.
func (b *Browsed) find(sel *bun.SelectQuery, w Window) *bun.SelectQuery {
	text := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(w.Search))
	pattern := "%" + text + "%"
	for _, c := range b.search {
		sel = sel.WhereOr(`lower(CAST(? AS TEXT)) LIKE ? ESCAPE '\'`, b.column(c), pattern)
	}
	if w.Resolve {
		for _, r := range b.relations {
			sel = sel.WhereOr("lower("+r.expr+`) LIKE ? ESCAPE '\'`, pattern)
		}
	}
	return sel
}

// object returns one row as a JSON object.
func (b *Browsed) object(members []string, values []any) json.RawMessage {
	var out bytes.Buffer
	out.WriteByte('{')
	for i, name := range members {
		if i > 0 {
			out.WriteByte(',')
		}
		v := values[i]
		switch x := v.(type) {
		case []byte:
			v = string(x)
		case time.Time:
			v = x.UTC().Truncate(time.Microsecond)
		}
		if s, ok := v.(string); ok && slices.Contains(b.json, name) && json.Valid([]byte(s)) {
			v = json.RawMessage(s)
		} else if ok && !utf8.ValidString(s) {
			v = strings.ToValidUTF8(s, "\uFFFD")
		}
		key, _ := json.Marshal(name) // encoding a column's name cannot fail
		text, err := json.Marshal(v)
		if err != nil {
			text = []byte("null")
		}
		out.Write(key)
		out.WriteByte(':')
		out.Write(text)
	}
	out.WriteByte('}')
	return out.Bytes()
}
