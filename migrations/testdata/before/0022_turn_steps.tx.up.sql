-- The steps of an agent's turn, and turns that wait for a person's decision.

{{if .Postgres}}
ALTER TABLE agent_turns DROP CONSTRAINT agent_turns_state_check;
--bun:split
ALTER TABLE agent_turns ADD CONSTRAINT agent_turns_state_check
    CHECK (state IN ('waiting', 'queued', 'running', 'parked', 'finished', 'failed', 'stopped'));
--bun:split
ALTER TABLE agent_turns ADD COLUMN resumed INTEGER NOT NULL DEFAULT 0;
{{else}}
-- SQLite cannot change a CHECK. Nothing refers to the table yet.
CREATE TABLE agent_turns_new (
    id                TEXT PRIMARY KEY,
    room_id           TEXT NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    agent_id          TEXT NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    trigger_seq       BIGINT NOT NULL,
    position          INTEGER NOT NULL,
    state             TEXT NOT NULL CHECK (state IN ('waiting', 'queued', 'running', 'parked', 'finished', 'failed', 'stopped')),
    attempt           INTEGER NOT NULL,
    lease_until       {{.Time}},
    node              TEXT,
    reason            TEXT,
    detail            TEXT,
    prompt_tokens     INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    created_at        {{.Time}} NOT NULL,
    started_at        {{.Time}},
    ended_at          {{.Time}},
    resumed           INTEGER NOT NULL DEFAULT 0,
    UNIQUE (room_id, agent_id, trigger_seq)
);
--bun:split
INSERT INTO agent_turns_new (id, room_id, agent_id, trigger_seq, position, state, attempt, lease_until, node, reason, detail, prompt_tokens,
    completion_tokens, created_at, started_at, ended_at)
SELECT id, room_id, agent_id, trigger_seq, position, state, attempt, lease_until, node, reason, detail, prompt_tokens,
    completion_tokens, created_at, started_at, ended_at FROM agent_turns;
--bun:split
DROP TABLE agent_turns;
--bun:split
ALTER TABLE agent_turns_new RENAME TO agent_turns;
--bun:split
CREATE UNIQUE INDEX agent_turns_one_at_a_time ON agent_turns (room_id) WHERE state IN ('queued', 'running');
--bun:split
CREATE INDEX agent_turns_waiting ON agent_turns (room_id, trigger_seq, position) WHERE state = 'waiting';
--bun:split
CREATE INDEX agent_turns_lease ON agent_turns (lease_until) WHERE state IN ('queued', 'running');
--bun:split
CREATE INDEX agent_turns_agent ON agent_turns (agent_id);
--bun:split
CREATE INDEX agent_turns_ended ON agent_turns (ended_at) WHERE ended_at IS NOT NULL;
{{end}}
--bun:split
CREATE INDEX agent_turns_parked ON agent_turns (room_id) WHERE state = 'parked';
--bun:split
CREATE INDEX agent_turns_room ON agent_turns (room_id, created_at, id);
--bun:split
CREATE TABLE turn_steps (
    id                TEXT PRIMARY KEY,
    turn_id           TEXT NOT NULL REFERENCES agent_turns (id) ON DELETE CASCADE,
    n                 INTEGER NOT NULL,
    node              TEXT NOT NULL,
    kind              TEXT NOT NULL CHECK (kind IN ('model', 'tool', 'agent', 'condition', 'action', 'human')),
    name              TEXT NOT NULL,
    agent_id          TEXT, -- no reference: what an agent did in a turn outlives it, and holding its row would cost a deadlock
    artifact_id       TEXT, -- likewise: erasing the artifact empties the steps
    state             TEXT NOT NULL CHECK (state IN ('done', 'pending', 'approved', 'rejected', 'expired', 'failed')),
    input             {{.JSON}},
    output            {{.JSON}},
    prompt_tokens     INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    attempt           INTEGER NOT NULL,
    started_at        {{.Time}} NOT NULL,
    ended_at          {{.Time}},
    due_at            {{.Time}},
    decided_by        TEXT REFERENCES users (id) ON DELETE SET NULL,
    note              TEXT,
    UNIQUE (turn_id, n)
);
--bun:split
CREATE INDEX turn_steps_pending ON turn_steps (turn_id) WHERE state = 'pending';
--bun:split
CREATE INDEX turn_steps_due ON turn_steps (due_at) WHERE state = 'pending';
--bun:split
CREATE INDEX turn_steps_artifact ON turn_steps (artifact_id) WHERE artifact_id IS NOT NULL;
--bun:split
CREATE INDEX turn_steps_decider ON turn_steps (decided_by);
