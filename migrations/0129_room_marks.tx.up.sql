-- How far each person has read in each room, for all devices of the person, and how the
-- person wants to hear of the room.
CREATE TABLE room_marks (
    user_id   TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    room_id   TEXT NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    -- The newest seq that was read; NULL for a person who has never said so.
    read_seq  BIGINT,
    -- When the person has put the mark back, until they read on.
    unread_at {{.Time}},
    -- NULL for what the person wants of all rooms.
    notify    TEXT CHECK (notify IN ('all', 'mentions', 'none')),
    pinned_at {{.Time}},
    PRIMARY KEY (user_id, room_id)
);
--bun:split
CREATE INDEX room_marks_room ON room_marks (room_id);
--bun:split
-- What was said before there were marks counts as read.
ALTER TABLE rooms ADD COLUMN unread_after BIGINT NOT NULL DEFAULT 0;
--bun:split
UPDATE rooms SET unread_after = event_seq WHERE event_seq > 0;
