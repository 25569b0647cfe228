-- Copies of courses, as jobs. The new course is there in one transaction with the end of its copy, so nothing of one that is not
-- done is to be seen. Who asked has one at a time that is not over.
CREATE TABLE course_copies (
    id            TEXT PRIMARY KEY,
    course_id     TEXT NOT NULL REFERENCES courses (id) ON DELETE CASCADE,
    created_by    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    title         TEXT NOT NULL,
    project_id    TEXT REFERENCES projects (id) ON DELETE SET NULL,
    parts         {{.JSON}} NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    reason        TEXT,
    attempt       INTEGER NOT NULL,
    lease_until   {{.Time}},
    done          INTEGER NOT NULL DEFAULT 0,
    total         INTEGER NOT NULL DEFAULT 0,
    agents_left   INTEGER NOT NULL DEFAULT 0,
    new_course_id TEXT REFERENCES courses (id) ON DELETE SET NULL,
    created_at    {{.Time}} NOT NULL,
    ended_at      {{.Time}}
);
--bun:split
CREATE INDEX course_copies_course ON course_copies (course_id);
--bun:split
CREATE INDEX course_copies_creator ON course_copies (created_by, created_at, id);
--bun:split
CREATE UNIQUE INDEX course_copies_live ON course_copies (created_by) WHERE state IN ('queued', 'running');
--bun:split
CREATE INDEX course_copies_due ON course_copies (lease_until) WHERE state IN ('queued', 'running');
--bun:split
CREATE INDEX course_copies_project ON course_copies (project_id);
--bun:split
CREATE INDEX course_copies_new ON course_copies (new_course_id);
