-- Template data: {{"{{.JSON}}"}} keeps the text of a JSON value as the client sent it, {{"{{.Time}}"}} is an instant in UTC.

CREATE TABLE settings (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
--bun:split
CREATE TABLE users (
    id            TEXT PRIMARY KEY,
    email         TEXT NOT NULL CHECK (email <> ''),
    username      TEXT CHECK (username <> ''),
    full_name     TEXT,
    role          TEXT NOT NULL CHECK (role IN ('guest', 'student', 'ta', 'teacher', 'admin', 'super_admin')),
    avatar_url    TEXT,
    password_hash TEXT,
    is_active     BOOLEAN NOT NULL,
    created_at    {{.Time}} NOT NULL,
    version       INTEGER NOT NULL
);
--bun:split
CREATE UNIQUE INDEX users_email ON users (lower(email));
--bun:split
CREATE UNIQUE INDEX users_username ON users (lower(username));
--bun:split
CREATE INDEX users_super_admins ON users (id) WHERE role = 'super_admin';
--bun:split
CREATE TABLE sessions (
    id              TEXT PRIMARY KEY,
    user_id         TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    impersonator_id TEXT REFERENCES users (id) ON DELETE CASCADE,
    parent_id       TEXT REFERENCES sessions (id) ON DELETE CASCADE,
    generation      INTEGER NOT NULL,
    rotated_at      {{.Time}} NOT NULL,
    created_at      {{.Time}} NOT NULL,
    expires_at      {{.Time}} NOT NULL,
    ended_at        {{.Time}},
    end_reason      TEXT,
    user_agent      TEXT NOT NULL,
    address         TEXT NOT NULL
);
--bun:split
CREATE INDEX sessions_user ON sessions (user_id);
--bun:split
CREATE INDEX sessions_parent ON sessions (parent_id);
--bun:split
CREATE INDEX sessions_impersonator ON sessions (impersonator_id);
--bun:split
CREATE INDEX sessions_expiry ON sessions (expires_at);
--bun:split
CREATE TABLE organizations (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    description TEXT,
    owner_id    TEXT NOT NULL REFERENCES users (id),
    created_at  {{.Time}} NOT NULL
);
--bun:split
CREATE INDEX organizations_owner ON organizations (owner_id);
--bun:split
CREATE TABLE organization_members (
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    user_id         TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role            TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
    created_at      {{.Time}} NOT NULL,
    PRIMARY KEY (organization_id, user_id)
);
--bun:split
CREATE INDEX organization_members_user ON organization_members (user_id, organization_id);
--bun:split
CREATE TABLE projects (
    id              TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    name            TEXT NOT NULL,
    description     TEXT,
    created_at      {{.Time}} NOT NULL
);
--bun:split
CREATE INDEX projects_organization ON projects (organization_id);
--bun:split
CREATE TABLE project_members (
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role       TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'editor', 'member', 'viewer')),
    created_at {{.Time}} NOT NULL,
    PRIMARY KEY (project_id, user_id)
);
--bun:split
CREATE INDEX project_members_user ON project_members (user_id, project_id);
--bun:split
CREATE TABLE courses (
    id          TEXT PRIMARY KEY,
    title       TEXT NOT NULL,
    description TEXT,
    owner_id    TEXT NOT NULL REFERENCES users (id),
    created_at  {{.Time}} NOT NULL,
    version     INTEGER NOT NULL
);
--bun:split
CREATE INDEX courses_owner ON courses (owner_id);
--bun:split
CREATE TABLE course_members (
    course_id  TEXT NOT NULL REFERENCES courses (id) ON DELETE CASCADE,
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role       TEXT NOT NULL CHECK (role IN ('student', 'ta', 'teacher')),
    created_at {{.Time}} NOT NULL,
    PRIMARY KEY (course_id, user_id)
);
--bun:split
CREATE INDEX course_members_user ON course_members (user_id, course_id);
--bun:split
CREATE TABLE rooms (
    id                  TEXT PRIMARY KEY,
    course_id           TEXT NOT NULL REFERENCES courses (id) ON DELETE CASCADE,
    name                TEXT NOT NULL,
    description         TEXT,
    is_ai_active        BOOLEAN NOT NULL,
    is_analytics_active BOOLEAN NOT NULL,
    ai_frequency        DOUBLE PRECISION NOT NULL CHECK (ai_frequency BETWEEN 0 AND 1),
    ai_mode             TEXT NOT NULL CHECK (ai_mode IN ('off', 'teacher_only', 'both')),
    created_at          {{.Time}} NOT NULL,
    version             INTEGER NOT NULL,
    event_seq           BIGINT NOT NULL,
    looked_seq          BIGINT NOT NULL,
    look_at             {{.Time}},
    CHECK (looked_seq <= event_seq)
);
--bun:split
CREATE INDEX rooms_course ON rooms (course_id);
--bun:split
CREATE INDEX rooms_look_at ON rooms (look_at) WHERE look_at IS NOT NULL;
--bun:split
CREATE TABLE room_members (
    room_id    TEXT NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at {{.Time}} NOT NULL,
    PRIMARY KEY (room_id, user_id)
);
--bun:split
CREATE INDEX room_members_user ON room_members (user_id, room_id);
--bun:split
CREATE TABLE agents (
    id                TEXT PRIMARY KEY,
    project_id        TEXT REFERENCES projects (id) ON DELETE CASCADE,
    parent_id         TEXT REFERENCES agents (id) ON DELETE SET NULL,
    type              TEXT NOT NULL CHECK (type <> ''),
    name              TEXT NOT NULL CHECK (name <> ''),
    category          TEXT NOT NULL CHECK (category IN ('instructor', 'participant', 'utility', 'external')),
    model_provider    TEXT NOT NULL,
    model             TEXT,
    system_prompt     TEXT NOT NULL,
    encrypted_api_key TEXT,
    settings          {{.JSON}} NOT NULL,
    trigger_config    {{.JSON}},
    schedule_config   {{.JSON}},
    external_config   {{.JSON}},
    encrypted_secrets TEXT,
    capabilities      {{.JSON}} NOT NULL,
    user_key_ids      {{.JSON}} NOT NULL,
    context_window    INTEGER NOT NULL CHECK (context_window BETWEEN 1 AND 1000),
    is_active         BOOLEAN NOT NULL,
    is_template       BOOLEAN NOT NULL,
    is_external       BOOLEAN NOT NULL,
    created_by        TEXT REFERENCES users (id) ON DELETE SET NULL,
    created_at        {{.Time}} NOT NULL,
    updated_at        {{.Time}} NOT NULL,
    version           INTEGER NOT NULL
);
--bun:split
CREATE INDEX agents_project ON agents (project_id);
--bun:split
CREATE INDEX agents_parent ON agents (parent_id);
--bun:split
CREATE INDEX agents_creator ON agents (created_by);
--bun:split
CREATE TABLE room_agents (
    room_id    TEXT NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    agent_id   TEXT NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    created_at {{.Time}} NOT NULL,
    PRIMARY KEY (room_id, agent_id)
);
--bun:split
CREATE INDEX room_agents_agent ON room_agents (agent_id);
--bun:split
CREATE TABLE messages (
    id         TEXT PRIMARY KEY,
    room_id    TEXT NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    seq        BIGINT NOT NULL,
    sender_id  TEXT REFERENCES users (id) ON DELETE SET NULL,
    agent_id   TEXT REFERENCES agents (id) ON DELETE SET NULL,
    agent_type TEXT,
    agent_name TEXT,
    turn_id    TEXT,
    client_id  TEXT,
    content    TEXT NOT NULL,
    created_at {{.Time}} NOT NULL,
    UNIQUE (room_id, seq)
);
--bun:split
CREATE UNIQUE INDEX messages_client ON messages (room_id, sender_id, client_id);
--bun:split
CREATE UNIQUE INDEX messages_turn ON messages (turn_id);
--bun:split
CREATE INDEX messages_sender ON messages (sender_id);
--bun:split
CREATE INDEX messages_agent ON messages (agent_id);
--bun:split
CREATE TABLE events (
    room_id    TEXT NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    seq        BIGINT NOT NULL,
    id         TEXT NOT NULL,
    type       TEXT NOT NULL,
    body       {{.JSON}} NOT NULL,
    created_at {{.Time}} NOT NULL,
    PRIMARY KEY (room_id, seq)
);
--bun:split
CREATE TABLE agent_turns (
    id                TEXT PRIMARY KEY,
    room_id           TEXT NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    agent_id          TEXT NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    trigger_seq       BIGINT NOT NULL,
    position          INTEGER NOT NULL,
    state             TEXT NOT NULL CHECK (state IN ('waiting', 'queued', 'running', 'finished', 'failed', 'stopped')),
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
