package store

import (
	"context"
	"reflect"

	"github.com/uptrace/bun"
)

// This file notes who gets something in a transaction: a place, a thing of
// their own, another role. Rights over a person that others hold are looked at
// anew then, before the commit, so that none outlives what it was given for.

// gain is a row that gives somebody a place or a thing.
type gain interface{ gainedBy() string }

// OnGain has fn run at the end of every transaction in which people got
// something, with their ids; its error rolls the transaction back.
func (d *DB) OnGain(fn func(ctx context.Context, tx *Tx, userIDs []string) error) { d.gained = fn }

// gains notes that somebody gets something in this transaction.
func (t *Tx) gains(userID string) {
	if userID == "" {
		return
	}
	if t.gainers == nil {
		t.gainers = map[string]bool{}
	}
	t.gainers[userID] = true
}

// noteGains notes who gets rows, which are one row or a list of them.
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

// notifyGains runs what OnGain asked for.
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
func (th *Thread) gainedBy() string            { return th.UserID }
func (a *Agent) gainedBy() string              { return a.CreatedBy }
func (ci *Invitation) gainedBy() string        { return ci.CreatedBy }

// Standing is what somebody has, as another person would who may sign in as
// them: Owns is for what nobody governs beside its person, Places for courses.
type Standing struct {
	Owns   bool
	Places []Standpoint
}

// Standpoint is a course that a person is in, by a link or by one of its rooms
// alone (then Role and Via are empty), and what the other one is there.
type Standpoint struct {
	CourseID string
	Role     string
	Via      string
	Other    string // teacher for its owner; "" for none
}

// ownThings are what nobody but its person governs.
const ownThings = "EXISTS (SELECT 1 FROM organization_members WHERE user_id = ?0) OR EXISTS (SELECT 1 FROM organizations WHERE owner_id = ?0)" +
	" OR EXISTS (SELECT 1 FROM project_members WHERE user_id = ?0) OR EXISTS (SELECT 1 FROM courses WHERE owner_id = ?0)" +
	" OR EXISTS (SELECT 1 FROM user_keys WHERE user_id = ?0) OR EXISTS (SELECT 1 FROM access_tokens WHERE user_id = ?0)" +
	" OR EXISTS (SELECT 1 FROM threads WHERE user_id = ?0) OR EXISTS (SELECT 1 FROM agents WHERE created_by = ?0)" +
	" OR EXISTS (SELECT 1 FROM course_invitations WHERE created_by = ?0)"

// StandingOf tells what userID has, and what otherID is where userID is.
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
