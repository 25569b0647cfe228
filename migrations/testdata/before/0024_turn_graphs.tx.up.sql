-- Workflows: graphs that the turns of a room go through. A turn keeps its graph
-- as it was when it began. A room names one that ships with the program, or
-- the id of one of its course.

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
--bun:split
ALTER TABLE rooms ADD COLUMN workflow TEXT;
--bun:split
CREATE INDEX rooms_workflow ON rooms (workflow) WHERE workflow IS NOT NULL;
--bun:split
ALTER TABLE agent_turns ADD COLUMN workflow TEXT;
--bun:split
ALTER TABLE agent_turns ADD COLUMN graph {{.JSON}};
--bun:split
ALTER TABLE agent_turns ADD COLUMN paused BOOLEAN NOT NULL DEFAULT FALSE;
--bun:split
CREATE INDEX agent_turns_runs ON agent_turns (room_id, id) WHERE workflow IS NOT NULL;
