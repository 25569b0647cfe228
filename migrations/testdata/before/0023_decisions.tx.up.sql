-- Why each agent spoke or not, who asked for a turn, and who has stopped it.

CREATE TABLE agent_decisions (
    id         TEXT PRIMARY KEY,
    room_id    TEXT NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    cause      TEXT NOT NULL CHECK (cause <> ''),
    from_seq   BIGINT NOT NULL,
    seq        BIGINT NOT NULL,
    guard      TEXT,
    candidates {{.JSON}} NOT NULL,
    created_at {{.Time}} NOT NULL
);
--bun:split
CREATE INDEX agent_decisions_room ON agent_decisions (room_id, id);
--bun:split
-- Those about lines: the ones after from_seq, up to seq.
CREATE INDEX agent_decisions_lines ON agent_decisions (room_id, seq) WHERE from_seq < seq;
--bun:split
CREATE INDEX agent_decisions_made ON agent_decisions (created_at);
--bun:split
ALTER TABLE agent_turns ADD COLUMN decision_id TEXT REFERENCES agent_decisions (id) ON DELETE SET NULL;
--bun:split
ALTER TABLE agent_turns ADD COLUMN cause TEXT;
--bun:split
ALTER TABLE agent_turns ADD COLUMN asked_by TEXT REFERENCES users (id) ON DELETE SET NULL;
--bun:split
ALTER TABLE agent_turns ADD COLUMN read_seq BIGINT;
--bun:split
ALTER TABLE agent_turns ADD COLUMN key_kind TEXT;
--bun:split
ALTER TABLE agent_turns ADD COLUMN stop_by TEXT REFERENCES users (id) ON DELETE SET NULL;
--bun:split
ALTER TABLE agent_turns ADD COLUMN stop_at {{.Time}};
--bun:split
CREATE INDEX agent_turns_decision ON agent_turns (decision_id);
--bun:split
CREATE INDEX agent_turns_asked ON agent_turns (asked_by);
--bun:split
CREATE INDEX agent_turns_stopped ON agent_turns (stop_by);
--bun:split
-- What a turn had said when it was stopped.
ALTER TABLE messages ADD COLUMN stopped_at {{.Time}};
--bun:split
-- Agents' lines up to this one do not count towards the row that they may make.
ALTER TABLE rooms ADD COLUMN row_from BIGINT NOT NULL DEFAULT 0;
