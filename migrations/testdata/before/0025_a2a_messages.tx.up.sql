-- What agents write to each other in a turn, for the room's staff.

CREATE TABLE a2a_messages (
    message_id     TEXT PRIMARY KEY,
    correlation_id TEXT NOT NULL,
    turn_id        TEXT NOT NULL REFERENCES agent_turns (id) ON DELETE CASCADE,
    room_id        TEXT NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    type           TEXT NOT NULL CHECK (type IN ('user_message', 'proposal', 'evaluation_request', 'evaluation_result', 'broadcast', 'system')),
    sender_id      TEXT NOT NULL,
    recipient_id   TEXT NOT NULL,
    content        {{.JSON}} NOT NULL,
    metadata       {{.JSON}} NOT NULL,
    created_at     {{.Time}} NOT NULL
);
--bun:split
CREATE INDEX a2a_messages_turn ON a2a_messages (turn_id, message_id);
--bun:split
CREATE INDEX a2a_messages_room ON a2a_messages (room_id);
