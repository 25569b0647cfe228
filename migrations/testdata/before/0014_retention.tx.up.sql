-- What the retention of ended turns finds them by.

CREATE INDEX agent_turns_ended ON agent_turns (ended_at) WHERE ended_at IS NOT NULL;
