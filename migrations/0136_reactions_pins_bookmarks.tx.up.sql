-- What people add to messages: reactions, which all see, pins of the staff, and bookmarks of
-- one person.
CREATE TABLE message_reactions (
    message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    emoji      TEXT NOT NULL,
    created_at {{.Time}} NOT NULL,
    PRIMARY KEY (message_id, user_id, emoji)
);
--bun:split
CREATE INDEX message_reactions_user ON message_reactions (user_id);
--bun:split
-- How often each emoji was given to a message, in the order of their first: [{"emoji", "count"}].
ALTER TABLE messages ADD COLUMN reactions {{.JSON}};
--bun:split
-- When the room was last told of them, and whether it has to be told again.
ALTER TABLE messages ADD COLUMN reactions_told_at {{.Time}};
--bun:split
ALTER TABLE messages ADD COLUMN reactions_due BOOLEAN NOT NULL DEFAULT FALSE;
--bun:split
CREATE INDEX messages_reactions_due ON messages (id) WHERE reactions_due;
--bun:split
CREATE TABLE room_pins (
    room_id    TEXT NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    pinned_by  TEXT REFERENCES users (id) ON DELETE SET NULL,
    pinned_at  {{.Time}} NOT NULL,
    PRIMARY KEY (room_id, message_id)
);
--bun:split
CREATE INDEX room_pins_message ON room_pins (message_id);
--bun:split
CREATE INDEX room_pins_by ON room_pins (pinned_by);
--bun:split
-- The id begins with its time, so that the newest bookmark comes first.
CREATE TABLE bookmarks (
    id         TEXT PRIMARY KEY,
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    note       TEXT NOT NULL,
    created_at {{.Time}} NOT NULL,
    UNIQUE (user_id, message_id)
);
--bun:split
CREATE INDEX bookmarks_person ON bookmarks (user_id, id);
--bun:split
CREATE INDEX bookmarks_message ON bookmarks (message_id);
