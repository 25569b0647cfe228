-- What the program keeps for itself: settings, what people may still do, and what one process does for all.

CREATE TABLE settings (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
--bun:split
-- What people and addresses may still do, on Postgres, where several nodes count together. Losing it in a crash forgives
-- everybody, so it is kept out of the write-ahead log.
CREATE {{if .Postgres}}UNLOGGED {{end}}TABLE rate_buckets (
    key       TEXT PRIMARY KEY,
    level     DOUBLE PRECISION NOT NULL,
    granted   INTEGER NOT NULL,
    filled_at {{.Time}} NOT NULL
);
--bun:split
-- What one process does for all.
CREATE TABLE leases (
    name  TEXT PRIMARY KEY,
    node  TEXT NOT NULL,
    until {{.Time}} NOT NULL
);
