-- Backups that serve makes: those that are there, and those that failed. One is made at a time.
CREATE TABLE backups (
    id          TEXT PRIMARY KEY,
    state       TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed')),
    name        TEXT NOT NULL,
    place       TEXT NOT NULL,
    -- Who asked for it; no reference, since the list outlives the account. NULL: it was time.
    asked_by    TEXT,
    with_keys   BOOLEAN NOT NULL,
    done        BIGINT NOT NULL DEFAULT 0,
    total       BIGINT NOT NULL DEFAULT 0,
    bytes       BIGINT NOT NULL DEFAULT 0,
    sha256      TEXT,
    reason      TEXT,
    slot        INTEGER NOT NULL DEFAULT 1,
    lease_until {{.Time}},
    created_at  {{.Time}} NOT NULL,
    ended_at    {{.Time}}
);
--bun:split
CREATE UNIQUE INDEX backups_live ON backups (slot) WHERE state IN ('queued', 'running');
--bun:split
CREATE INDEX backups_newest ON backups (state, created_at, id);
--bun:split
CREATE INDEX backups_by_time ON backups (created_at, id);
