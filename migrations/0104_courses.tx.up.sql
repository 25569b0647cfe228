-- Courses, who is in them, the ways in, and what their staff announce.

CREATE TABLE courses (
    id          TEXT PRIMARY KEY,
    title       TEXT NOT NULL,
    description TEXT,
    owner_id    TEXT NOT NULL REFERENCES users (id),
    created_at  {{.Time}} NOT NULL,
    version     INTEGER NOT NULL
);
--bun:split
CREATE INDEX courses_owner ON courses (owner_id);
--bun:split
CREATE TABLE course_members (
    course_id  TEXT NOT NULL REFERENCES courses (id) ON DELETE CASCADE,
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role       TEXT NOT NULL CHECK (role IN ('student', 'ta', 'teacher')),
    created_at {{.Time}} NOT NULL,
    -- Taken in by staff, by a class list that made the account, or by asking. Whoever was only taken in has not given the
    -- course's staff a say over their account.
    via        TEXT NOT NULL DEFAULT 'enrolled' CHECK (via IN ('enrolled', 'list', 'joined')),
    PRIMARY KEY (course_id, user_id)
);
--bun:split
CREATE INDEX course_members_user ON course_members (user_id, course_id);
--bun:split
-- A course has one join code at most.
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
--bun:split
-- What a course's staff tell its members.
CREATE TABLE announcements (
    id         TEXT PRIMARY KEY,
    course_id  TEXT NOT NULL REFERENCES courses (id) ON DELETE CASCADE,
    author_id  TEXT REFERENCES users (id) ON DELETE SET NULL,
    title      TEXT NOT NULL CHECK (title <> ''),
    content    TEXT NOT NULL,
    created_at {{.Time}} NOT NULL,
    updated_at {{.Time}} NOT NULL,
    version    INTEGER NOT NULL
);
--bun:split
CREATE INDEX announcements_course ON announcements (course_id, created_at, id);
--bun:split
CREATE INDEX announcements_author ON announcements (author_id);
