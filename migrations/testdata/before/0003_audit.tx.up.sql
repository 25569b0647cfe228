-- Who changed what. Ids are kept as text without references: the log outlives what it tells of.

CREATE TABLE audit_log (
    id           TEXT PRIMARY KEY,
    created_at   {{.Time}} NOT NULL,
    actor_id     TEXT NOT NULL,
    actor_name   TEXT NOT NULL,
    on_behalf_of TEXT,
    action       TEXT NOT NULL,
    target_type  TEXT NOT NULL,
    target_id    TEXT NOT NULL,
    before       {{.JSON}},
    after        {{.JSON}},
    request_id   TEXT
);
--bun:split
CREATE INDEX audit_log_actor ON audit_log (actor_id, id);
--bun:split
CREATE INDEX audit_log_action ON audit_log (action, id);
--bun:split
CREATE INDEX audit_log_target ON audit_log (target_id, id);
