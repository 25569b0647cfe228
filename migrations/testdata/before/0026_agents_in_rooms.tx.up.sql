-- How an agent is set in one room, what happened there, and when its trigger is due.

ALTER TABLE room_agents ADD COLUMN is_active BOOLEAN NOT NULL DEFAULT TRUE;
--bun:split
ALTER TABLE room_agents ADD COLUMN trigger_config {{.JSON}};
--bun:split
ALTER TABLE room_agents ADD COLUMN schedule_config {{.JSON}};
--bun:split
ALTER TABLE room_agents ADD COLUMN context_window INTEGER CHECK (context_window BETWEEN 1 AND 1000);
--bun:split
-- What the agent itself has changed of its trigger, and until when; without a date it is for good.
ALTER TABLE room_agents ADD COLUMN override {{.JSON}};
--bun:split
ALTER TABLE room_agents ADD COLUMN override_until {{.Time}};
--bun:split
ALTER TABLE room_agents ADD COLUMN muted_until {{.Time}};
--bun:split
-- It sleeps until a person says something behind the room's event asleep_seq.
ALTER TABLE room_agents ADD COLUMN asleep_at {{.Time}};
--bun:split
ALTER TABLE room_agents ADD COLUMN asleep_seq BIGINT NOT NULL DEFAULT 0;
--bun:split
-- Staff woke it: what it said until then does not count towards its monologue.
ALTER TABLE room_agents ADD COLUMN woken_at {{.Time}};
--bun:split
ALTER TABLE room_agents ADD COLUMN woken_seq BIGINT NOT NULL DEFAULT 0;
--bun:split
-- Since when its triggers count, if not since it came.
ALTER TABLE room_agents ADD COLUMN since {{.Time}};
--bun:split
ALTER TABLE room_agents ADD COLUMN spoke_at {{.Time}};
--bun:split
-- The room's newest event when its last turn began, and when it last broke a silence.
ALTER TABLE room_agents ADD COLUMN read_seq BIGINT NOT NULL DEFAULT 0;
--bun:split
ALTER TABLE room_agents ADD COLUMN broke_seq BIGINT NOT NULL DEFAULT 0;
--bun:split
UPDATE room_agents SET read_seq = (SELECT event_seq FROM rooms WHERE rooms.id = room_id);
--bun:split
ALTER TABLE room_agents ADD COLUMN next_due_at {{.Time}};
--bun:split
ALTER TABLE room_agents ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
--bun:split
CREATE INDEX room_agents_due ON room_agents (next_due_at) WHERE next_due_at IS NOT NULL;
--bun:split
-- The last line of a person that agents may hear.
ALTER TABLE rooms ADD COLUMN person_seq BIGINT NOT NULL DEFAULT 0;
--bun:split
ALTER TABLE rooms ADD COLUMN person_at {{.Time}};
--bun:split
-- What one process does for all.
CREATE TABLE leases (
    name  TEXT PRIMARY KEY,
    node  TEXT NOT NULL,
    until {{.Time}} NOT NULL
);
