-- What the system's analytics agent reports of a course, a section for each room that has lines.

CREATE TABLE reports (
    id           TEXT PRIMARY KEY,
    course_id    TEXT NOT NULL REFERENCES courses (id) ON DELETE CASCADE,
    created_by   TEXT REFERENCES users (id) ON DELETE SET NULL,
    report_type  TEXT NOT NULL,
    title        TEXT NOT NULL CHECK (title <> ''),
    content      TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed')),
    reason       TEXT,
    attempt      INTEGER NOT NULL,
    lease_until  {{.Time}},
    node         TEXT,
    rooms_total  INTEGER NOT NULL,
    rooms_done   INTEGER NOT NULL,
    rooms_failed INTEGER NOT NULL,
    created_at   {{.Time}} NOT NULL,
    started_at   {{.Time}},
    ended_at     {{.Time}},
    updated_at   {{.Time}} NOT NULL,
    version      INTEGER NOT NULL
);
--bun:split
CREATE UNIQUE INDEX reports_one_at_a_time ON reports (course_id) WHERE state IN ('queued', 'running');
--bun:split
CREATE INDEX reports_course ON reports (course_id, created_at, id);
--bun:split
CREATE INDEX reports_creator ON reports (created_by);
--bun:split
CREATE INDEX reports_lease ON reports (lease_until) WHERE state IN ('queued', 'running');
--bun:split
-- Only while the report is being written: then they become its content.
CREATE TABLE report_sections (
    report_id TEXT NOT NULL REFERENCES reports (id) ON DELETE CASCADE,
    position  INTEGER NOT NULL,
    room_id   TEXT REFERENCES rooms (id) ON DELETE SET NULL,
    room_name TEXT NOT NULL,
    content   TEXT,
    reason    TEXT,
    PRIMARY KEY (report_id, position)
);
--bun:split
CREATE INDEX report_sections_room ON report_sections (room_id);
