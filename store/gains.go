package store

import (
	"context"
	"reflect"

	"github.com/uptrace/bun"
)

// This file records who gains something in a transaction: a place, a thing of their own,
// another role. Other people may have rights over this person. Those rights are checked
// again before the commit, so that none outlives its reason.

// gain is a row that gives somebody a place or a thing of their own.
type gain interface{ gainedBy() string }

// OnGain runs fn at the end of every transaction in which people gained something, with
// their ids. An error of fn rolls the transaction back.
func (d *DB) OnGain(fn func(ctx context.Context, tx *Tx, userIDs []string) error) { d.gained = fn }

// gains records that somebody gains something in this transaction.
func (t *Tx) gains(userID string) {
	if userID == "" {
		return
	}
	if t.gainers == nil {
		t.gainers = map[string]bool{}
	}
	t.gainers[userID] = true
}

// noteGains records who gains by these rows: one row or a list of rows.
func (t *Tx) noteGains(rows any) {
	if g, ok := rows.(gain); ok {
		t.gains(g.gainedBy())
		return
	}
	if list := reflect.Indirect(reflect.ValueOf(rows)); list.Kind() == reflect.Slice {
		for i := range list.Len() {
			if g, ok := list.Index(i).Addr().Interface().(gain); ok {
				t.gains(g.gainedBy())
			}
		}
	}
}

// notifyGains runs the function of OnGain.
func (t *Tx) notifyGains(ctx context.Context) error {
	if len(t.gainers) == 0 || t.owner.gained == nil {
		return nil
	}
	ids := make([]string, 0, len(t.gainers))
	for id := range t.gainers {
		ids = append(ids, id)
	}
	return t.owner.gained(ctx, t, ids)
}

func (m *CourseMember) gainedBy() string       { return m.UserID }
func (m *RoomMember) gainedBy() string         { return m.UserID }
func (m *OrganizationMember) gainedBy() string { return m.UserID }
func (m *ProjectMember) gainedBy() string      { return m.UserID }
func (c *Course) gainedBy() string             { return c.OwnerID }
func (o *Organization) gainedBy() string       { return o.OwnerID }
func (k *UserKey) gainedBy() string            { return k.UserID }
func (at *AccessToken) gainedBy() string       { return at.UserID }
func (th *Thread) gainedBy() string {
	if th.Stateless { // nobody keeps it
		return ""
	}
	return th.UserID
}
func (a *Agent) gainedBy() string       { return a.CreatedBy }
func (ci *Invitation) gainedBy() string { return ci.CreatedBy }

// Standing is everything that a person has, and that somebody who may sign in as them
// would get. Owns tells whether they have things that nobody else governs; Places are
// their courses.
type Standing struct {
	Owns   bool
	Places []Standpoint
}

// Standpoint is a course of a person, with the role of another person there (Other). The
// person has a link to the course or only to one of its rooms; then Role and Via are
// empty.
type Standpoint struct {
	CourseID string
	Role     string
	Via      string
	Other    string // teacher for its owner; "" for none
}

// ownThings is true when the person has things that nobody else governs.
const ownThings = "EXISTS (SELECT 1 FROM organization_members WHERE user_id = ?0) OR EXISTS (SELECT 1 FROM organizations WHERE owner_id = ?0)" +
	" OR EXISTS (SELECT 1 FROM project_members WHERE user_id = ?0) OR EXISTS (SELECT 1 FROM courses WHERE owner_id = ?0)" +
	" OR EXISTS (SELECT 1 FROM user_keys WHERE user_id = ?0) OR EXISTS (SELECT 1 FROM access_tokens WHERE user_id = ?0)" +
	" OR EXISTS (SELECT 1 FROM threads WHERE user_id = ?0 AND NOT stateless) OR EXISTS (SELECT 1 FROM agents WHERE created_by = ?0)" +
	" OR EXISTS (SELECT 1 FROM course_invitations WHERE created_by = ?0)"

// StandingOf returns what userID has, and the role of otherID in each course of userID.
func (q Queries) StandingOf(ctx context.Context, userID, otherID string) (*Standing, error) {
	s := new(Standing)
	if err := q.db.NewSelect().ColumnExpr("("+ownThings+")", userID).Scan(ctx, &s.Owns); err != nil {
		return nil, translate(err)
	}
	in := bun.SafeQuery("SELECT course_id FROM course_members WHERE user_id = ?0 UNION"+
		" SELECT r.course_id FROM room_members AS rm JOIN rooms AS r ON r.id = rm.room_id WHERE rm.user_id = ?0", userID)
	err := q.db.NewSelect().TableExpr("courses AS c").ColumnExpr("c.id AS course_id").
		ColumnExpr("COALESCE(cm.role, '') AS role").ColumnExpr("COALESCE(cm.via, '') AS via").
		ColumnExpr("CASE WHEN c.owner_id = ? THEN 'teacher' ELSE COALESCE(other.role, '') END AS other", otherID).
		Join("LEFT JOIN course_members AS cm ON cm.course_id = c.id AND cm.user_id = ?", userID).
		Join("LEFT JOIN course_members AS other ON other.course_id = c.id AND other.user_id = ?", otherID).
		Where("c.id IN (?)", in).Limit(MaxLimit).Scan(ctx, &s.Places)
	return s, translate(err)
}
