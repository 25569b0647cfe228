-- Model keys of people and of agents, and failed sign-ins, by which sign-in is throttled.

CREATE TABLE user_keys (
    id            TEXT PRIMARY KEY,
    user_id       TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    provider      TEXT NOT NULL,
    alias         TEXT NOT NULL,
    description   TEXT,
    encrypted_key TEXT NOT NULL,
    created_at    {{.Time}} NOT NULL,
    updated_at    {{.Time}} NOT NULL,
    UNIQUE (user_id, alias)
);
--bun:split
CREATE TABLE agent_keys (
    agent_id      TEXT NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    key_type      TEXT NOT NULL,
    encrypted_key TEXT NOT NULL,
    created_at    {{.Time}} NOT NULL,
    PRIMARY KEY (agent_id, key_type)
);
--bun:split
CREATE TABLE signin_failures (
    id        TEXT PRIMARY KEY,
    key       TEXT NOT NULL,
    failed_at {{.Time}} NOT NULL
);
--bun:split
CREATE INDEX signin_failures_key ON signin_failures (key, failed_at);
--bun:split
CREATE INDEX signin_failures_time ON signin_failures (failed_at);
