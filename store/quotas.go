package store

import (
	"context"

	"github.com/uptrace/bun"
)

// Owned is a kind of thing that one person makes.
type Owned string

// The kinds of things that are counted for the person who made them.
const (
	OwnedOrganizations Owned = "organizations"
	OwnedProjects      Owned = "projects"
	OwnedCourses       Owned = "courses"
	OwnedTemplates     Owned = "templates"
	OwnedThreads       Owned = "threads"
	OwnedKeys          Owned = "keys"
	OwnedTokens        Owned = "access_tokens"
	OwnedBots          Owned = "bots"
)

// ownedRows has the statement that counts the rows of each kind. An index finds them by
// person.
var ownedRows = map[Owned]string{
	OwnedOrganizations: "SELECT count(*) FROM organizations WHERE owner_id = ?",
	OwnedProjects:      "SELECT count(*) FROM projects WHERE created_by = ?",
	OwnedCourses:       "SELECT count(*) FROM courses WHERE owner_id = ?",
	OwnedTemplates:     "SELECT count(*) FROM agents WHERE created_by = ? AND is_template",
	OwnedThreads:       "SELECT count(*) FROM threads WHERE user_id = ? AND NOT stateless",
	OwnedKeys:          "SELECT count(*) FROM user_keys WHERE user_id = ?",
	OwnedTokens:        "SELECT count(*) FROM access_tokens WHERE user_id = ?",
	OwnedBots:          "SELECT count(*) FROM courses AS c JOIN users AS u ON u.bot_course_id = c.id WHERE c.owner_id = ?",
}

// Placed is a kind of thing inside a place, for example rooms in a course. Its text is
// the name of the limit's setting.
type Placed string

// The kinds of things that are counted for their place.
const (
	PlacedRooms               Placed = "rooms_per_course"
	PlacedAnnouncements       Placed = "announcements_per_course"
	PlacedReports             Placed = "reports_per_course"
	PlacedWorkflows           Placed = "workflows_per_course"
	PlacedCourseMembers       Placed = "members_per_course"
	PlacedOrganizationMembers Placed = "members_per_organization"
	PlacedAgents              Placed = "agents_per_project"
	PlacedBots                Placed = "bots_per_course"
)

// placed has, for each kind, the table of the place and the statement that counts. An
// index finds the rows by place.
var placed = map[Placed]struct{ place, rows string }{
	PlacedRooms:               {"courses", "SELECT count(*) FROM rooms WHERE course_id = ?"},
	PlacedAnnouncements:       {"courses", "SELECT count(*) FROM announcements WHERE course_id = ?"},
	PlacedReports:             {"courses", "SELECT count(*) FROM reports WHERE course_id = ?"},
	PlacedWorkflows:           {"courses", "SELECT count(*) FROM workflows WHERE course_id = ?"},
	PlacedCourseMembers:       {"courses", "SELECT count(*) FROM course_members WHERE course_id = ?"},
	PlacedOrganizationMembers: {"organizations", "SELECT count(*) FROM organization_members WHERE organization_id = ?"},
	PlacedAgents:              {"projects", "SELECT count(*) FROM agents WHERE project_id = ?"},
	PlacedBots:                {"courses", "SELECT count(*) FROM users WHERE bot_course_id = ?"},
}

// CountPlaced counts the things of a kind in a place. It locks the place's row until the
// transaction ends, so of two transactions at once the second sees the rows of the first.
// Others may still add rows that refer to the place.
func (t *Tx) CountPlaced(ctx context.Context, kind Placed, placeID string) (int, error) {
	sel := t.db.NewSelect().TableExpr("?", bun.Ident(placed[kind].place)).Column("id").Where("id = ?", placeID)
	if t.PG != nil {
		sel = sel.For("NO KEY UPDATE")
	}
	var id string
	if err := sel.Scan(ctx, &id); err != nil {
		return 0, translate(err)
	}
	// Count in a separate statement: it sees what was committed while this transaction
	// waited for the lock.
	return t.CountIn(ctx, kind, placeID)
}

// CountIn counts the things of a kind in a place, without a lock.
func (q Queries) CountIn(ctx context.Context, kind Placed, placeID string) (int, error) {
	var n int
	err := q.db.NewSelect().ColumnExpr("(?)", bun.SafeQuery(placed[kind].rows, placeID)).Scan(ctx, &n)
	return n, translate(err)
}

// LockPerson returns an account and locks it until the transaction ends: nobody else
// takes this lock or changes the account. Others may still add rows that refer to it.
// Take this lock last. Then nobody who waits for it holds a lock that its holder needs.
func (t *Tx) LockPerson(ctx context.Context, id string) (*User, error) {
	u := new(User)
	sel := t.db.NewSelect().Model(u).Where("u.id = ?", id)
	if t.PG != nil {
		sel = sel.For("NO KEY UPDATE")
	}
	return first(ctx, sel, u)
}

// CountOwned counts a person's things of a kind, by an index.
func (q Queries) CountOwned(ctx context.Context, kind Owned, userID string) (int, error) {
	var n int
	err := q.db.NewSelect().ColumnExpr("(?)", bun.SafeQuery(ownedRows[kind], userID)).Scan(ctx, &n)
	return n, translate(err)
}

// RowBytes counts for each row beside its texts. So many small rows are not free, and the
// sum is over a bounded number of rows.
const RowBytes = 1024

// ArtifactBytes returns about how many bytes a person keeps in the artifacts of all rooms:
// what the person changed last, deleted ones too, and the earlier versions that the person
// wrote. So nobody can make what somebody else keeps grow.
func (q Queries) ArtifactBytes(ctx context.Context, userID string) (int64, error) {
	var n int64
	err := q.db.NewSelect().ColumnExpr("CAST((SELECT COALESCE(sum(?1 + content_bytes), 0) FROM artifacts WHERE modified_by = ?0)"+
		" + (SELECT COALESCE(sum(?1 + content_bytes), 0) FROM artifact_versions WHERE modified_by = ?0) AS BIGINT)", userID, RowBytes).Scan(ctx, &n)
	return n, translate(err)
}

// StoredBytes returns about how many bytes a person stores outside rooms. The databases
// know the lengths of the long texts and do not read the texts for it.
func (q Queries) StoredBytes(ctx context.Context, userID string) (int64, error) {
	size := "octet_length"
	if q.postgres() {
		size = "pg_column_size"
	}
	config := func(of string) string {
		sum := "?1 + octet_length(" + of + ".system_prompt)"
		for _, column := range []string{"settings", "trigger_config", "schedule_config"} {
			sum += " + COALESCE(" + size + "(" + of + "." + column + "), 0)"
		}
		return sum
	}
	described := func(from, who string) string {
		return "(SELECT COALESCE(sum(?1 + COALESCE(octet_length(description), 0)), 0) FROM " + from + " WHERE " + who + " = ?0)"
	}
	inCourses := func(from, size string) string {
		return "(SELECT COALESCE(sum(?1 + " + size + "), 0) FROM courses AS c JOIN " + from + " AS x ON x.course_id = c.id WHERE c.owner_id = ?0)"
	}
	inRooms := "(SELECT COALESCE(sum(?1"
	for _, column := range []string{"trigger_config", "schedule_config", "override"} {
		inRooms += " + COALESCE(" + size + "(ra." + column + "), 0)"
	}
	inRooms += "), 0) FROM courses AS c JOIN rooms AS r ON r.course_id = c.id JOIN room_agents AS ra ON ra.room_id = r.id WHERE c.owner_id = ?0)"
	// Only a report in progress has sections.
	sections := "(SELECT COALESCE(sum(?1 + COALESCE(octet_length(s.content), 0)), 0) FROM courses AS c JOIN reports AS rp ON rp.course_id = c.id" +
		" JOIN report_sections AS s ON s.report_id = rp.id WHERE c.owner_id = ?0 AND rp.state IN ('queued', 'running'))"
	var n int64
	err := q.db.NewSelect().ColumnExpr("CAST("+
		"(SELECT COALESCE(sum("+config("a")+" + COALESCE("+size+"(a.external_config), 0)), 0) FROM agents AS a WHERE a.created_by = ?0)"+
		" + (SELECT COALESCE(sum("+config("v")+" + COALESCE("+size+"(v.external_config), 0) + COALESCE("+size+"(v.capabilities), 0)"+
		" + COALESCE("+size+"(v.user_key_ids), 0)), 0) FROM agents AS a JOIN agent_versions AS v ON v.agent_id = a.id WHERE a.created_by = ?0)"+
		" + (SELECT COALESCE(sum(?1 + COALESCE(octet_length(metadata_json), 0)), 0) FROM threads WHERE user_id = ?0 AND NOT stateless)"+
		" + (SELECT COALESCE(sum(?1 + octet_length(m.content) + COALESCE(octet_length(m.metadata_json), 0)), 0) FROM threads AS th"+
		" JOIN messages AS m ON m.room_id = th.id WHERE th.user_id = ?0)"+
		" + (SELECT COALESCE(sum(?1 + f.content_bytes), 0) FROM threads AS th JOIN artifacts AS f ON f.room_id = th.id WHERE th.user_id = ?0)"+
		" + (SELECT COALESCE(sum(?1 + v.content_bytes), 0) FROM threads AS th JOIN artifacts AS f ON f.room_id = th.id"+
		" JOIN artifact_versions AS v ON v.artifact_id = f.id WHERE th.user_id = ?0)"+
		" + "+inCourses("announcements", "octet_length(x.content)")+" + "+inCourses("workflows", size+"(x.graph)")+
		" + "+inCourses("reports", "octet_length(COALESCE(x.content, ''))")+" + "+sections+
		" + "+inCourses("rooms", "COALESCE(octet_length(x.description), 0)")+" + "+inRooms+
		" + (SELECT ?1 * count(*) FROM access_tokens WHERE user_id = ?0)"+
		" + "+described("organizations", "owner_id")+" + "+described("projects", "created_by")+" + "+described("courses", "owner_id")+
		" + "+described("user_keys", "user_id")+" AS BIGINT)", userID, RowBytes).Scan(ctx, &n)
	return n, translate(err)
}
