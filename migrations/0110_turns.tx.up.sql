-- Agents' turns: why each agent speaks or not, the turn, its steps, and what agents write to each other in it.

CREATE TABLE agent_decisions (
    id         TEXT PRIMARY KEY,
    room_id    TEXT NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    cause      TEXT NOT NULL CHECK (cause <> ''),
    from_seq   BIGINT NOT NULL,
    seq        BIGINT NOT NULL,
    guard      TEXT,
    candidates {{.JSON}} NOT NULL,
    created_at {{.Time}} NOT NULL
);
--bun:split
CREATE INDEX agent_decisions_room ON agent_decisions (room_id, id);
--bun:split
-- Those about lines: the ones after from_seq, up to seq.
CREATE INDEX agent_decisions_lines ON agent_decisions (room_id, seq) WHERE from_seq < seq;
--bun:split
CREATE INDEX agent_decisions_made ON agent_decisions (created_at);
--bun:split
CREATE TABLE agent_turns (
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
    decision_id       TEXT REFERENCES agent_decisions (id) ON DELETE SET NULL,
    cause             TEXT,
    asked_by          TEXT REFERENCES users (id) ON DELETE SET NULL,
    read_seq          BIGINT,
    key_kind          TEXT,
    stop_by           TEXT REFERENCES users (id) ON DELETE SET NULL,
    stop_at           {{.Time}},
    -- The room's workflow, and its graph as it was when the turn began.
    workflow          TEXT,
    graph             {{.JSON}},
    paused            BOOLEAN NOT NULL DEFAULT FALSE,
    UNIQUE (room_id, agent_id, trigger_seq)
);
--bun:split
CREATE UNIQUE INDEX agent_turns_one_at_a_time ON agent_turns (room_id) WHERE state IN ('queued', 'running');
--bun:split
CREATE INDEX agent_turns_waiting ON agent_turns (room_id, trigger_seq, position) WHERE state = 'waiting';
--bun:split
CREATE INDEX agent_turns_lease ON agent_turns (lease_until) WHERE state IN ('queued', 'running');
--bun:split
CREATE INDEX agent_turns_agent ON agent_turns (agent_id);
--bun:split
-- What the retention of ended turns finds them by.
CREATE INDEX agent_turns_ended ON agent_turns (ended_at) WHERE ended_at IS NOT NULL;
--bun:split
CREATE INDEX agent_turns_parked ON agent_turns (room_id) WHERE state = 'parked';
--bun:split
CREATE INDEX agent_turns_room ON agent_turns (room_id, created_at, id);
--bun:split
CREATE INDEX agent_turns_decision ON agent_turns (decision_id);
--bun:split
CREATE INDEX agent_turns_asked ON agent_turns (asked_by);
--bun:split
CREATE INDEX agent_turns_stopped ON agent_turns (stop_by);
--bun:split
CREATE INDEX agent_turns_runs ON agent_turns (room_id, id) WHERE workflow IS NOT NULL;
--bun:split
-- Which turn has read a line that came while it ran.
CREATE INDEX agent_turns_read ON agent_turns (room_id, read_seq) WHERE read_seq IS NOT NULL;
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
--bun:split
-- What agents write to each other in a turn, for the room's staff.
CREATE TABLE a2a_messages (
    message_id     TEXT PRIMARY KEY,
    correlation_id TEXT NOT NULL,
    turn_id        TEXT NOT NULL REFERENCES agent_turns (id) ON DELETE CASCADE,
    room_id        TEXT NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    type           TEXT NOT NULL CHECK (type IN ('user_message', 'proposal', 'evaluation_request', 'evaluation_result', 'broadcast', 'system')),
    sender_id      TEXT NOT NULL,
    recipient_id   TEXT NOT NULL,
    content        {{.JSON}} NOT NULL,
    metadata       {{.JSON}} NOT NULL,
    created_at     {{.Time}} NOT NULL
);
--bun:split
CREATE INDEX a2a_messages_turn ON a2a_messages (turn_id, message_id);
--bun:split
CREATE INDEX a2a_messages_room ON a2a_messages (room_id);
