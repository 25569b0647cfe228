-- Rooms of a course, and who is in them.

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
    -- Agents' lines up to this one do not count towards the row that they may make.
    row_from            BIGINT NOT NULL DEFAULT 0,
    -- A workflow that ships with the program, by name, or one of the course, by id.
    workflow            TEXT,
    -- The last line of a person that agents may hear.
    person_seq          BIGINT NOT NULL DEFAULT 0,
    person_at           {{.Time}},
    CHECK (looked_seq <= event_seq)
);
--bun:split
CREATE INDEX rooms_course ON rooms (course_id);
--bun:split
CREATE INDEX rooms_look_at ON rooms (look_at) WHERE look_at IS NOT NULL;
--bun:split
CREATE INDEX rooms_workflow ON rooms (workflow) WHERE workflow IS NOT NULL;
--bun:split
CREATE TABLE room_members (
    room_id    TEXT NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at {{.Time}} NOT NULL,
    PRIMARY KEY (room_id, user_id)
);
--bun:split
CREATE INDEX room_members_user ON room_members (user_id, room_id);
