-- Which turn has read a line that came while it ran.

CREATE INDEX agent_turns_read ON agent_turns (room_id, read_seq) WHERE read_seq IS NOT NULL;
