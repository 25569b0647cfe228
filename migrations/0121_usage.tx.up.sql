-- What each attempt at a model used. It references nothing: it is kept when
-- messages, rooms, agents, courses, keys and people are deleted.

CREATE TABLE usage (
    id                 TEXT PRIMARY KEY,
    origin             TEXT NOT NULL CHECK (origin <> ''),
    turn_id            TEXT,
    agent_id           TEXT,
    room_id            TEXT,
    thread_id          TEXT,
    report_id          TEXT,
    course_id          TEXT,
    project_id         TEXT,
    person_id          TEXT,
    key_id             TEXT,
    key_owner          TEXT,
    key_kind           TEXT,
    provider           TEXT NOT NULL,
    model              TEXT NOT NULL,
    state              TEXT NOT NULL CHECK (state IN ('held', 'settled', 'expired')),
    outcome            TEXT,
    basis              TEXT NOT NULL CHECK (basis IN ('reported', 'worst', 'estimate')),
    input_tokens       BIGINT NOT NULL,
    output_tokens      BIGINT NOT NULL,
    cached_tokens      BIGINT NOT NULL,
    cache_write_tokens BIGINT NOT NULL,
    thinking_tokens    BIGINT NOT NULL,
    -- In billionths of the currency.
    cost               BIGINT NOT NULL,
    currency           TEXT,
    price_version      TEXT,
    -- What was held for it, and in which rows of which budgets.
    worst_tokens       BIGINT NOT NULL,
    worst_cost         BIGINT NOT NULL,
    holds              {{.JSON}},
    overrun            BOOLEAN NOT NULL,
    -- The date of started_at in the zone of the configuration.
    day                TEXT NOT NULL,
    started_at         {{.Time}} NOT NULL,
    expires_at         {{.Time}},
    latency_ms         BIGINT NOT NULL
);
--bun:split
CREATE INDEX usage_started ON usage (started_at);
--bun:split
CREATE INDEX usage_course ON usage (course_id, started_at) WHERE course_id IS NOT NULL;
--bun:split
CREATE INDEX usage_room ON usage (room_id, started_at) WHERE room_id IS NOT NULL;
--bun:split
CREATE INDEX usage_agent ON usage (agent_id, started_at) WHERE agent_id IS NOT NULL;
--bun:split
CREATE INDEX usage_person ON usage (person_id, started_at) WHERE person_id IS NOT NULL;
--bun:split
CREATE INDEX usage_key ON usage (key_id, started_at) WHERE key_id IS NOT NULL;
--bun:split
CREATE INDEX usage_held ON usage (expires_at) WHERE state = 'held';
