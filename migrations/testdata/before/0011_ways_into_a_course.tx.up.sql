-- The ways into a course beside being enrolled: its one join code, and invitation links.

CREATE TABLE course_join_codes (
    course_id  TEXT PRIMARY KEY REFERENCES courses (id) ON DELETE CASCADE,
    code       TEXT NOT NULL UNIQUE,
    created_at {{.Time}} NOT NULL
);
--bun:split
CREATE TABLE course_invitations (
    id         TEXT PRIMARY KEY,
    course_id  TEXT NOT NULL REFERENCES courses (id) ON DELETE CASCADE,
    created_by TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role       TEXT NOT NULL CHECK (role IN ('student', 'ta', 'teacher')),
    token_hash TEXT NOT NULL UNIQUE,
    max_uses   INTEGER NOT NULL CHECK (max_uses > 0),
    uses       INTEGER NOT NULL CHECK (uses BETWEEN 0 AND max_uses),
    created_at {{.Time}} NOT NULL,
    expires_at {{.Time}} NOT NULL
);
--bun:split
CREATE INDEX course_invitations_course ON course_invitations (course_id, created_at, id);
--bun:split
CREATE INDEX course_invitations_creator ON course_invitations (created_by);
