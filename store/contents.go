package store

import (
	"context"

	"github.com/uptrace/bun"
)

// Counts says how many things of each kind a container holds.
type Counts map[string]int

// held is one kind of thing in a container: the rows of from that match where. The one
// argument of where is the container's id.
type held struct{ kind, from, where string }

const roomsOfCourse = "room_id IN (SELECT r.id FROM rooms AS r WHERE r.course_id = ?)"

var (
	heldByRoom = []held{
		{"messages", "messages", "room_id = ?"}, {"members", "room_members", "room_id = ?"},
		{"agents", "room_agents", "room_id = ?"}, {"turns", "agent_turns", "room_id = ?"},
		{"artifacts", "artifacts", "room_id = ?"},
	}
	heldByOrganization = []held{
		{"projects", "projects", "organization_id = ?"}, {"members", "organization_members", "organization_id = ?"},
		{"agents", "agents", "project_id IN (SELECT p.id FROM projects AS p WHERE p.organization_id = ?)"},
		{"threads", "threads", "NOT stateless AND project_id IN (SELECT p.id FROM projects AS p WHERE p.organization_id = ?)"},
	}
	heldByProject = []held{
		{"agents", "agents", "project_id = ?"}, {"members", "project_members", "project_id = ?"},
		{"threads", "threads", "project_id = ? AND NOT stateless"},
		{"agents_in_rooms", "room_agents", "agent_id IN (SELECT a.id FROM agents AS a WHERE a.project_id = ?)"},
	}
	heldByCourse = []held{
		{"rooms", "rooms", "course_id = ?"}, {"members", "course_members", "course_id = ?"}, {"bots", "users", "bot_course_id = ?"},
		{"announcements", "announcements", "course_id = ?"}, {"messages", "messages", roomsOfCourse},
		{"agents", "room_agents", roomsOfCourse}, {"turns", "agent_turns", roomsOfCourse},
		{"artifacts", "artifacts", roomsOfCourse}, {"reports", "reports", "course_id = ?"},
		{"workflows", "workflows", "course_id = ?"},
	}
)

// counts counts what a container holds, in one statement.
func (q Queries) counts(ctx context.Context, id string, kinds []held) (Counts, error) {
	sel := q.db.NewSelect()
	found, into := make([]int, len(kinds)), make([]any, len(kinds))
	for i, k := range kinds {
		sel = sel.ColumnExpr("(SELECT count(*) FROM ? WHERE ?)", bun.Safe(k.from), bun.SafeQuery(k.where, id))
		into[i] = &found[i]
	}
	if err := sel.Scan(ctx, into...); err != nil {
		return nil, translate(err)
	}
	c := Counts{}
	for i, k := range kinds {
		c[k.kind] = found[i]
	}
	return c, nil
}

// RoomContents counts what is deleted along with a room.
func (q Queries) RoomContents(ctx context.Context, id string) (Counts, error) {
	return q.counts(ctx, id, heldByRoom)
}

// CourseContents counts what is deleted along with a course.
func (q Queries) CourseContents(ctx context.Context, id string) (Counts, error) {
	return q.counts(ctx, id, heldByCourse)
}

// OrganizationContents counts what is deleted along with an organisation.
func (q Queries) OrganizationContents(ctx context.Context, id string) (Counts, error) {
	return q.counts(ctx, id, heldByOrganization)
}

// ProjectContents counts what is deleted along with a project.
func (q Queries) ProjectContents(ctx context.Context, id string) (Counts, error) {
	return q.counts(ctx, id, heldByProject)
}
