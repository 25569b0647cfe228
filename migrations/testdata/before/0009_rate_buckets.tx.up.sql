-- What people and addresses may still do, on Postgres, where several nodes count together. Losing it in a crash forgives
-- everybody, so it is kept out of the write-ahead log.

CREATE {{if .Postgres}}UNLOGGED {{end}}TABLE rate_buckets (
    key       TEXT PRIMARY KEY,
    level     DOUBLE PRECISION NOT NULL,
    granted   INTEGER NOT NULL,
    filled_at {{.Time}} NOT NULL
);
