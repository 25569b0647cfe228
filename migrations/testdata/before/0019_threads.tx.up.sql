-- Conversations of one person with one agent; answers is the line that an agent's line answers.

CREATE TABLE threads (
    id            TEXT PRIMARY KEY,
    project_id    TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    agent_id      TEXT REFERENCES agents (id) ON DELETE SET NULL,
    user_id       TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name          TEXT,
    metadata_json TEXT,
    last_seq      BIGINT NOT NULL,
    asking        TEXT,
    asking_until  {{.Time}},
    created_at    {{.Time}} NOT NULL,
    updated_at    {{.Time}} NOT NULL,
    version       INTEGER NOT NULL
);
--bun:split
CREATE INDEX threads_user ON threads (user_id, updated_at, id);
--bun:split
CREATE INDEX threads_agent ON threads (agent_id);
--bun:split
CREATE INDEX threads_project ON threads (project_id);
--bun:split
CREATE TABLE thread_messages (
    id            TEXT PRIMARY KEY,
    thread_id     TEXT NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
    seq           BIGINT NOT NULL,
    role          TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
    content       TEXT NOT NULL,
    metadata_json TEXT,
    client_id     TEXT,
    answers       TEXT UNIQUE,
    created_at    {{.Time}} NOT NULL,
    UNIQUE (thread_id, seq),
    UNIQUE (thread_id, client_id)
);
