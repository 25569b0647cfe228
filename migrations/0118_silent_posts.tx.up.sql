-- A room counts the changes of who may speak there and when. What a process
-- knows of the room's agents holds while the number is the same.
ALTER TABLE rooms ADD COLUMN agents_version BIGINT NOT NULL DEFAULT 0;
--bun:split
-- A silent message is one that no agent could answer, as was known when it was
-- posted: no decision is stored about it.
ALTER TABLE messages ADD COLUMN silent BOOLEAN NOT NULL DEFAULT FALSE;
--bun:split
-- The agents' rolls for a message, which were made when it was posted.
ALTER TABLE messages ADD COLUMN rolls {{.JSON}};
--bun:split
CREATE INDEX messages_silent ON messages (room_id, seq) WHERE silent;
