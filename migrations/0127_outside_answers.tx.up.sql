-- What an agent outside this program sends may also answer a step of a turn, and is no message then.
CREATE TABLE outside_sent (
    agent_id   TEXT NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    outside_id TEXT NOT NULL,
    digest     TEXT NOT NULL,
    message_id TEXT REFERENCES messages (id) ON DELETE CASCADE,
    step_id    TEXT REFERENCES turn_steps (id) ON DELETE CASCADE,
    created_at {{.Time}} NOT NULL,
    PRIMARY KEY (agent_id, outside_id),
    CHECK ((message_id IS NULL) <> (step_id IS NULL))
);
--bun:split
INSERT INTO outside_sent (agent_id, outside_id, digest, message_id, created_at)
    SELECT agent_id, outside_id, digest, message_id, created_at FROM outside_messages;
--bun:split
DROP TABLE outside_messages;
--bun:split
ALTER TABLE outside_sent RENAME TO outside_messages;
--bun:split
CREATE INDEX outside_messages_message ON outside_messages (message_id);
--bun:split
CREATE INDEX outside_messages_step ON outside_messages (step_id);
