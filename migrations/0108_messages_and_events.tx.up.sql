-- What is said in a room, and every event of it, in the order of the room's numbers.

CREATE TABLE messages (
    id         TEXT PRIMARY KEY,
    room_id    TEXT NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    seq        BIGINT NOT NULL,
    sender_id  TEXT REFERENCES users (id) ON DELETE SET NULL,
    agent_id   TEXT REFERENCES agents (id) ON DELETE SET NULL,
    agent_type TEXT,
    agent_name TEXT,
    turn_id    TEXT,
    client_id  TEXT,
    content    TEXT NOT NULL,
    created_at {{.Time}} NOT NULL,
    -- Edited or deleted by who said it, hidden by staff.
    edited_at  {{.Time}},
    deleted_at {{.Time}},
    hidden_at  {{.Time}},
    -- What a turn had said when it was stopped.
    stopped_at {{.Time}},
    -- An agent's line that was cut before its end, by a limit or by the provider.
    truncated  BOOLEAN NOT NULL DEFAULT FALSE,
    UNIQUE (room_id, seq)
);
--bun:split
CREATE UNIQUE INDEX messages_client ON messages (room_id, sender_id, client_id);
--bun:split
CREATE UNIQUE INDEX messages_turn ON messages (turn_id);
--bun:split
CREATE INDEX messages_sender ON messages (sender_id);
--bun:split
CREATE INDEX messages_agent ON messages (agent_id);
--bun:split
CREATE INDEX messages_to_erase ON messages (deleted_at) WHERE deleted_at IS NOT NULL AND content <> '';
--bun:split
CREATE TABLE events (
    room_id    TEXT NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    seq        BIGINT NOT NULL,
    id         TEXT NOT NULL,
    type       TEXT NOT NULL,
    body       {{.JSON}} NOT NULL,
    created_at {{.Time}} NOT NULL,
    -- The earlier line that the event is about.
    about_seq  BIGINT,
    -- Who caused it: that person's own plain sockets wait a moment for it.
    actor_id   TEXT,
    PRIMARY KEY (room_id, seq)
);
--bun:split
CREATE INDEX events_about ON events (room_id, about_seq) WHERE about_seq IS NOT NULL;
