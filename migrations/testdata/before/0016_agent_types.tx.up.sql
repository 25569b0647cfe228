-- The registry of agent types, one system agent per type, and a name once per project and type.

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
INSERT INTO agent_types (id, type_name, display_name, description, category, icon, color, default_system_prompt, default_model_provider,
    default_settings, default_capabilities, is_system, created_at, updated_at, version)
VALUES
    ('01930000-0000-7000-8000-000000000001', 'teacher', 'Teacher', 'Leads the class: explains, asks and gives feedback.', 'instructor', 'academic-cap', '#2563eb',
     'You are a patient teacher. Explain briefly and in plain words, connect new ideas to what the class has already said, and end with one question that leads the class on. Never do the work for the students.',
     'gemini', '{}', '[]', TRUE, '2024-11-12 00:00:00+00:00', '2024-11-12 00:00:00+00:00', 1),
    ('01930000-0000-7000-8000-000000000002', 'student', 'Student', 'Learns along with the class: wonders, tries and asks.', 'participant', 'user', '#16a34a',
     'You are a curious student of this class. Add one short, honest thought, doubt or question of your own. Admit what you do not know, and leave the explaining to the teacher.',
     'gemini', '{}', '[]', TRUE, '2024-11-12 00:00:00+00:00', '2024-11-12 00:00:00+00:00', 1),
    ('01930000-0000-7000-8000-000000000003', 'design', 'Design', 'Writes the instructions of other agents.', 'utility', 'pencil', '#9333ea',
     'You write instructions (system prompts) for AI agents that talk with a class. From what a teacher requires, write instructions that say who the agent is, what it aims at, how it speaks, what it must not do, and how it deals with wrong answers and silence. Answer with the instructions alone.',
     'gemini', '{}', '[]', TRUE, '2024-11-12 00:00:00+00:00', '2024-11-12 00:00:00+00:00', 1),
    ('01930000-0000-7000-8000-000000000004', 'analytics', 'Analytics', 'Reports how a class has talked and worked.', 'utility', 'chart-bar', '#ea580c',
     'You analyse how a class has talked in a room. From the transcript, report in Markdown: what was discussed, who took part and how, what was understood and what was not, and what the teacher could do next. Quote only what the transcript says, and be fair to everybody in it.',
     'gemini', '{}', '[]', TRUE, '2024-11-12 00:00:00+00:00', '2024-11-12 00:00:00+00:00', 1);
--bun:split
CREATE INDEX agents_type ON agents (type);
--bun:split
CREATE UNIQUE INDEX agents_system ON agents (type) WHERE project_id IS NULL AND NOT is_template AND NOT is_external;
--bun:split
CREATE INDEX agents_external ON agents (created_at, id) WHERE is_external;
--bun:split
-- An edit could give an agent the name of another one; the older keeps it.
UPDATE agents SET name = name || ' ' || substr(id, 25)
WHERE EXISTS (SELECT 1 FROM agents AS older WHERE older.project_id = agents.project_id AND older.type = agents.type
    AND older.name = agents.name AND older.id < agents.id);
--bun:split
CREATE UNIQUE INDEX agents_name ON agents (project_id, type, name);
