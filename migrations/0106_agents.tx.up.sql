-- Agents: what they are, what they were, their types, and how they are set in a room.

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
CREATE INDEX agents_type ON agents (type);
--bun:split
-- One system agent per type.
CREATE UNIQUE INDEX agents_system ON agents (type) WHERE project_id IS NULL AND NOT is_template AND NOT is_external;
--bun:split
CREATE INDEX agents_external ON agents (created_at, id) WHERE is_external;
--bun:split
-- A name is there once per project and type.
CREATE UNIQUE INDEX agents_name ON agents (project_id, type, name);
--bun:split
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
--bun:split
CREATE TABLE room_agents (
    room_id         TEXT NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    agent_id        TEXT NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    created_at      {{.Time}} NOT NULL,
    is_active       BOOLEAN NOT NULL DEFAULT TRUE,
    -- What is laid over the agent's own settings in this room.
    trigger_config  {{.JSON}},
    schedule_config {{.JSON}},
    context_window  INTEGER CHECK (context_window BETWEEN 1 AND 1000),
    -- What the agent itself has changed of its trigger, and until when; without a date it is for good.
    override        {{.JSON}},
    override_until  {{.Time}},
    muted_until     {{.Time}},
    -- It sleeps until a person says something behind the room's event asleep_seq.
    asleep_at       {{.Time}},
    asleep_seq      BIGINT NOT NULL DEFAULT 0,
    -- Staff woke it: what it said until then does not count towards its monologue.
    woken_at        {{.Time}},
    woken_seq       BIGINT NOT NULL DEFAULT 0,
    -- Since when its triggers count, if not since it came.
    since           {{.Time}},
    spoke_at        {{.Time}},
    -- The room's newest event when its last turn began, and when it last broke a silence.
    read_seq        BIGINT NOT NULL DEFAULT 0,
    broke_seq       BIGINT NOT NULL DEFAULT 0,
    next_due_at     {{.Time}},
    version         INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (room_id, agent_id)
);
--bun:split
CREATE INDEX room_agents_agent ON room_agents (agent_id);
--bun:split
CREATE INDEX room_agents_due ON room_agents (next_due_at) WHERE next_due_at IS NOT NULL;
--bun:split
CREATE TABLE agent_types (
    id                     TEXT PRIMARY KEY,
    type_name              TEXT NOT NULL UNIQUE CHECK (type_name <> ''),
    display_name           TEXT NOT NULL CHECK (display_name <> ''),
    description            TEXT,
    category               TEXT NOT NULL CHECK (category IN ('instructor', 'participant', 'utility', 'external')),
    icon                   TEXT,
    color                  TEXT,
    default_system_prompt  TEXT,
    default_model_provider TEXT NOT NULL,
    default_model          TEXT,
    default_settings       {{.JSON}} NOT NULL,
    default_capabilities   {{.JSON}} NOT NULL,
    is_system              BOOLEAN NOT NULL,
    created_by             TEXT REFERENCES users (id) ON DELETE SET NULL,
    created_at             {{.Time}} NOT NULL,
    updated_at             {{.Time}} NOT NULL,
    version                INTEGER NOT NULL
);
--bun:split
CREATE INDEX agent_types_creator ON agent_types (created_by);
--bun:split
-- The types that ship with the program. What they hold are the defaults of new agents, which an admin may change.
INSERT INTO agent_types (id, type_name, display_name, description, category, icon, color, default_system_prompt, default_model_provider,
    default_settings, default_capabilities, is_system, created_at, updated_at, version)
VALUES
    ('01930000-0000-7000-8000-000000000001', 'teacher', 'Teacher', 'Leads the class: explains, asks and gives feedback.', 'instructor', 'academic-cap', '#2563eb',
     'You are a patient teacher. Explain briefly and in plain words, connect new ideas to what the class has already said, and end with one question that leads the class on. Never do the work for the students.',
     'gemini', '{}', '["chat:read","chat:write","artifact:read","artifact:write","members:read"]', TRUE, '2024-11-12 00:00:00+00:00', '2024-11-12 00:00:00+00:00', 1),
    ('01930000-0000-7000-8000-000000000002', 'student', 'Student', 'Learns along with the class: wonders, tries and asks.', 'participant', 'user', '#16a34a',
     'You are a curious student of this class. Add one short, honest thought, doubt or question of your own. Admit what you do not know, and leave the explaining to the teacher.',
     'gemini', '{}', '["chat:read","chat:write","artifact:read"]', TRUE, '2024-11-12 00:00:00+00:00', '2024-11-12 00:00:00+00:00', 1),
    ('01930000-0000-7000-8000-000000000003', 'design', 'Design', 'Writes the instructions of other agents.', 'utility', 'pencil', '#9333ea',
     'You write instructions (system prompts) for AI agents that talk with a class. From what a teacher requires, write instructions that say who the agent is, what it aims at, how it speaks, what it must not do, and how it deals with wrong answers and silence. Answer with the instructions alone.',
     'gemini', '{}', '[]', TRUE, '2024-11-12 00:00:00+00:00', '2024-11-12 00:00:00+00:00', 1),
    ('01930000-0000-7000-8000-000000000004', 'analytics', 'Analytics', 'Reports how a class has talked and worked.', 'utility', 'chart-bar', '#ea580c',
     'You analyse how a class has talked in a room. From the transcript, report in Markdown: what was discussed, who took part and how, what was understood and what was not, and what the teacher could do next. Quote only what the transcript says, and be fair to everybody in it.',
     'gemini', '{}', '[]', TRUE, '2024-11-12 00:00:00+00:00', '2024-11-12 00:00:00+00:00', 1);
