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
