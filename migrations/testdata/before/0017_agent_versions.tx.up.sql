-- What an agent was, kept by its people and before a restore; never its keys.

CREATE TABLE agent_versions (
    id              TEXT PRIMARY KEY,
    agent_id        TEXT NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    label           TEXT NOT NULL,
    name            TEXT NOT NULL,
    system_prompt   TEXT NOT NULL,
    model_provider  TEXT NOT NULL,
    model           TEXT,
    settings        {{.JSON}} NOT NULL,
    trigger_config  {{.JSON}},
    schedule_config {{.JSON}},
    context_window  INTEGER NOT NULL,
    created_at      {{.Time}} NOT NULL,
    created_by      TEXT REFERENCES users (id) ON DELETE SET NULL
);
--bun:split
CREATE INDEX agent_versions_agent ON agent_versions (agent_id, created_at, id);
--bun:split
CREATE INDEX agent_versions_creator ON agent_versions (created_by);
