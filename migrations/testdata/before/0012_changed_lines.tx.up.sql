-- Lines that were edited, deleted by who said them, or hidden by staff; and events that are about an earlier line.

ALTER TABLE messages ADD COLUMN edited_at {{.Time}};
--bun:split
ALTER TABLE messages ADD COLUMN deleted_at {{.Time}};
--bun:split
ALTER TABLE messages ADD COLUMN hidden_at {{.Time}};
--bun:split
CREATE INDEX messages_to_erase ON messages (deleted_at) WHERE deleted_at IS NOT NULL AND content <> '';
--bun:split
ALTER TABLE events ADD COLUMN about_seq BIGINT;
--bun:split
CREATE INDEX events_about ON events (room_id, about_seq) WHERE about_seq IS NOT NULL;
