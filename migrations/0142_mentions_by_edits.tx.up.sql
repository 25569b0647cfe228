-- The seq of the edit that called somebody whom the message did not call before; absent for
-- who was called when it was posted.
ALTER TABLE mentions ADD COLUMN called_seq BIGINT;
--bun:split
CREATE INDEX mentions_by_edit ON mentions (room_id, called_seq) WHERE called_seq IS NOT NULL;
