-- Workflows of a course: graphs that the turns of its rooms go through.

CREATE TABLE workflows (
    id         TEXT PRIMARY KEY,
    course_id  TEXT NOT NULL REFERENCES courses (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    graph      {{.JSON}} NOT NULL,
    created_by TEXT REFERENCES users (id) ON DELETE SET NULL,
    created_at {{.Time}} NOT NULL,
    updated_at {{.Time}} NOT NULL,
    version    BIGINT NOT NULL DEFAULT 1,
    UNIQUE (course_id, name)
);
--bun:split
CREATE INDEX workflows_creator ON workflows (created_by);
