-- A person may share a model key with the agents of their projects, and sees which agents used it.

ALTER TABLE user_keys ADD COLUMN shared BOOLEAN NOT NULL DEFAULT {{if .Postgres}}false{{else}}0{{end}};
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
