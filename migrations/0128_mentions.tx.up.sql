-- Whom a message calls by an "@", in the order of the calls: [{"kind", "id", "name"}].
ALTER TABLE messages ADD COLUMN mentions {{.JSON}};
--bun:split
-- The inbox of each person. A message's id begins with its time, so the key has a person's
-- mentions in their order.
CREATE TABLE mentions (
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    room_id    TEXT NOT NULL,
    seq        BIGINT NOT NULL,
    created_at {{.Time}} NOT NULL,
    read_at    {{.Time}},
    PRIMARY KEY (user_id, message_id)
);
--bun:split
CREATE INDEX mentions_message ON mentions (message_id);
--bun:split
-- What somebody has not read yet of a room.
CREATE INDEX mentions_unread ON mentions (user_id, room_id, seq) WHERE read_at IS NULL;
