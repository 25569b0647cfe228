-- Tasks, documents and processes of a room; who caused an event, whose own plain sockets wait a moment for it.

CREATE TABLE artifacts (
    id                TEXT PRIMARY KEY,
    room_id           TEXT NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    type              TEXT NOT NULL CHECK (type IN ('task', 'doc', 'process')),
    title             TEXT NOT NULL CHECK (title <> ''),
    parent_id         TEXT REFERENCES artifacts (id) ON DELETE SET NULL,
    version           INTEGER NOT NULL,
    event_seq         BIGINT NOT NULL,
    created_by        TEXT REFERENCES users (id) ON DELETE SET NULL,
    created_by_agent  TEXT REFERENCES agents (id) ON DELETE SET NULL,
    modified_by       TEXT REFERENCES users (id) ON DELETE SET NULL,
    modified_by_agent TEXT REFERENCES agents (id) ON DELETE SET NULL,
    created_at        {{.Time}} NOT NULL,
    updated_at        {{.Time}} NOT NULL,
    deleted_at        {{.Time}},
    content_bytes     BIGINT NOT NULL,
    content           {{.JSON}} NOT NULL
);
--bun:split
CREATE INDEX artifacts_live ON artifacts (room_id, created_at, id) WHERE deleted_at IS NULL;
--bun:split
CREATE INDEX artifacts_room ON artifacts (room_id, deleted_at, id);
--bun:split
CREATE INDEX artifacts_deleted ON artifacts (deleted_at) WHERE deleted_at IS NOT NULL;
--bun:split
CREATE INDEX artifacts_parent ON artifacts (parent_id);
--bun:split
CREATE INDEX artifacts_creator ON artifacts (created_by);
--bun:split
CREATE INDEX artifacts_creator_agent ON artifacts (created_by_agent);
--bun:split
CREATE INDEX artifacts_modifier ON artifacts (modified_by);
--bun:split
CREATE INDEX artifacts_modifier_agent ON artifacts (modified_by_agent);
--bun:split
ALTER TABLE events ADD COLUMN actor_id TEXT;
