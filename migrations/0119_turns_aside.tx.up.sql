-- A turn that shows nothing lets its room go on: it is live, and aside.
ALTER TABLE agent_turns ADD COLUMN aside BOOLEAN NOT NULL DEFAULT FALSE;
--bun:split
DROP INDEX agent_turns_one_at_a_time;
--bun:split
CREATE UNIQUE INDEX agent_turns_one_speaks ON agent_turns (room_id) WHERE state IN ('queued', 'running') AND NOT aside;
--bun:split
CREATE UNIQUE INDEX agent_turns_one_of_agent ON agent_turns (room_id, agent_id) WHERE state IN ('queued', 'running');
