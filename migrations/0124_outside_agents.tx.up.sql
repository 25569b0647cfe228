-- What agents outside this program have sent, each under its own id for it, so that nothing is stored twice.
CREATE TABLE outside_messages (
    agent_id   TEXT NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    outside_id TEXT NOT NULL,
    digest     TEXT NOT NULL,
    message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    created_at {{.Time}} NOT NULL,
    PRIMARY KEY (agent_id, outside_id)
);
--bun:split
CREATE INDEX outside_messages_message ON outside_messages (message_id);
--bun:split
-- How often in a row each of these agents could not be reached, and until when nobody asks it.
CREATE TABLE agent_breakers (
    agent_id   TEXT PRIMARY KEY REFERENCES agents (id) ON DELETE CASCADE,
    failures   INTEGER NOT NULL,
    open_until {{.Time}}
);
