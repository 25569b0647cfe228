-- Coming in: by what somebody came into a course who was not enrolled by staff, and whether that made the account. came_with is
-- the code as it was, or the id of the invitation.
ALTER TABLE course_members ADD COLUMN came_by TEXT CHECK (came_by IN ('code', 'invitation'));
--bun:split
ALTER TABLE course_members ADD COLUMN came_with TEXT;
--bun:split
ALTER TABLE course_members ADD COLUMN account_made BOOLEAN NOT NULL DEFAULT FALSE;
--bun:split
CREATE INDEX course_members_arrivals ON course_members (course_id, created_at, user_id) WHERE came_by IS NOT NULL;
--bun:split
-- A code that is closed for a while keeps its text. makes_accounts lets people in who have no account.
ALTER TABLE course_join_codes ADD COLUMN closed_at {{.Time}};
--bun:split
ALTER TABLE course_join_codes ADD COLUMN makes_accounts BOOLEAN NOT NULL DEFAULT TRUE;
