package store

import (
	"context"
	"time"
)

// heldByUser is what is deleted with an account or passes to somebody else. The person's
// messages stay.
var heldByUser = []held{
	{"courses_transferred", "courses", "owner_id = ?"}, {"organizations_transferred", "organizations", "owner_id = ?"},
	{"messages", "messages", "sender_id = ? AND room_id NOT IN (SELECT th.id FROM threads AS th WHERE th.user_id = messages.sender_id)"},
	{"keys", "user_keys", "user_id = ?"},
	{"courses", "course_members", "user_id = ?"}, {"rooms", "room_members", "user_id = ?"},
	{"projects", "project_members", "user_id = ?"},
	{"projects_transferred", "project_members", "user_id = ? AND role IN ('owner', 'admin') AND NOT EXISTS (SELECT 1 FROM project_members AS other" +
		" WHERE other.project_id = project_members.project_id AND other.user_id <> project_members.user_id AND other.role IN ('owner', 'admin'))"},
	{"threads", "threads", "user_id = ? AND NOT stateless"},
}

// UserContents counts what deleting the user affects.
func (q Queries) UserContents(ctx context.Context, id string) (Counts, error) {
	return q.counts(ctx, id, heldByUser)
}

// GiveAway makes another user the owner of all courses and organisations of one user. It
// links the new owner to them as an owner is linked, and returns their ids.
func (t *Tx) GiveAway(ctx context.Context, from, to string, at time.Time) (courses, organizations []string, err error) {
	t.gains(to)
	for _, link := range []string{
		`INSERT INTO course_members (course_id, user_id, role, created_at) SELECT id, ?1, 'teacher', ?2 FROM courses WHERE owner_id = ?0
			ON CONFLICT (course_id, user_id) DO UPDATE SET role = 'teacher'`,
		`INSERT INTO organization_members (organization_id, user_id, role, created_at) SELECT id, ?1, 'owner', ?2 FROM organizations WHERE owner_id = ?0
			ON CONFLICT (organization_id, user_id) DO UPDATE SET role = 'owner'`,
	} {
		if _, err := t.db.NewRaw(link, from, to, t.instant(at)).Exec(ctx); err != nil {
			return nil, nil, translate(err)
		}
	}
	if err := t.db.NewRaw("UPDATE courses SET owner_id = ?1, version = version + 1 WHERE owner_id = ?0 RETURNING id", from, to).
		Scan(ctx, &courses); err != nil {
		return nil, nil, translate(err)
	}
	t.changesAccount(courses...)
	err = t.db.NewRaw("UPDATE organizations SET owner_id = ?1, version = version + 1 WHERE owner_id = ?0 RETURNING id", from, to).
		Scan(ctx, &organizations)
	return courses, organizations, translate(err)
}

// DisownEvents removes a user's name and id from the events about what the user wrote and
// made, and puts name there instead. The caller holds the lock of the user's row, so that
// no new event comes in between.
func (t *Tx) DisownEvents(ctx context.Context, userID, name string) error {
	said := "json_remove(json_set(body, '$.sender', ?1), '$.sender_id', '$.client_id')"
	made := "replace(replace(body, '\"created_by\":' || ?1, '\"created_by\":null'), '\"last_modified_by\":' || ?1, '\"last_modified_by\":null')"
	if t.PG != nil {
		said = "(jsonb_set(body::jsonb, '{sender}', to_jsonb(?1::text)) - 'sender_id' - 'client_id')::json"
		// Replace in the text: jsonb would change the order of members that belong to
		// clients.
		made = "replace(replace(body::text, '\"created_by\":' || ?1, '\"created_by\":null'), '\"last_modified_by\":' || ?1, '\"last_modified_by\":null')::json"
	}
	if _, err := t.db.NewRaw("UPDATE events SET actor_id = NULL, body = "+said+
		" WHERE type = 'message' AND (room_id, seq) IN (SELECT room_id, seq FROM messages WHERE sender_id = ?0)", userID, name).Exec(ctx); err != nil {
		return translate(err)
	}
	if err := t.disownRoots(ctx, userID, name); err != nil {
		return err
	}
	if err := t.dropReactionsOf(ctx, userID); err != nil {
		return err
	}
	_, err := t.db.NewRaw("UPDATE events SET actor_id = NULL, body = "+made+" WHERE (room_id, seq) IN"+
		" (SELECT room_id, event_seq FROM artifacts WHERE created_by = ?0 OR modified_by = ?0)", userID, `"`+userID+`"`).Exec(ctx)
	return translate(err)
}

// DeleteUser removes an account that owns nothing any more. The accounts that wait for
// its login keys get them.
func (t *Tx) DeleteUser(ctx context.Context, id string) error {
	was, err := t.loginKeysOf(ctx, id)
	if err != nil {
		return err
	}
	t.changesAccount(id)
	res, err := t.db.NewDelete().Model((*User)(nil)).Where("id = ?", id).Exec(ctx)
	if err := changed(res, err, ErrNotFound); err != nil {
		return err
	}
	return t.passKeysOn(ctx, was.EmailKey, was.UsernameKey)
}
