-- Model keys of people and of agents, sealed, and which agents used a shared one.

CREATE TABLE user_keys (
    id            TEXT PRIMARY KEY,
    user_id       TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    provider      TEXT NOT NULL,
    alias         TEXT NOT NULL,
    description   TEXT,
    encrypted_key TEXT NOT NULL,
    created_at    {{.Time}} NOT NULL,
    updated_at    {{.Time}} NOT NULL,
    -- Its person lets the agents of their projects use it.
    shared        BOOLEAN NOT NULL DEFAULT {{if .Postgres}}false{{else}}0{{end}},
    UNIQUE (user_id, alias)
);
--bun:split
CREATE INDEX user_keys_shared ON user_keys (provider, user_id) WHERE shared;
--bun:split
CREATE TABLE user_key_uses (
    user_key_id   TEXT NOT NULL REFERENCES user_keys (id) ON DELETE CASCADE,
    agent_id      TEXT NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    calls         BIGINT NOT NULL,
    first_used_at {{.Time}} NOT NULL,
    last_used_at  {{.Time}} NOT NULL,
    PRIMARY KEY (user_key_id, agent_id)
);
--bun:split
CREATE INDEX user_key_uses_agent ON user_key_uses (agent_id);
--bun:split
CREATE TABLE agent_keys (
    agent_id      TEXT NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    key_type      TEXT NOT NULL,
    encrypted_key TEXT NOT NULL,
    created_at    {{.Time}} NOT NULL,
    PRIMARY KEY (agent_id, key_type)
);
