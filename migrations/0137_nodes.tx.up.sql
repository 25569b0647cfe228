-- The processes on the same Postgres, as each tells every few seconds. One that tells nothing is taken for dead.
CREATE TABLE nodes (
    id          TEXT PRIMARY KEY,
    version     TEXT NOT NULL,
    serves      BOOLEAN NOT NULL,
    works       BOOLEAN NOT NULL,
    started_at  {{.Time}} NOT NULL,
    seen_at     {{.Time}} NOT NULL,
    connections INTEGER NOT NULL
);
