-- Pictures of people, in the database so that every node serves them.

CREATE TABLE avatars (
    id         TEXT PRIMARY KEY,
    user_id    TEXT NOT NULL UNIQUE REFERENCES users (id) ON DELETE CASCADE,
    extension  TEXT NOT NULL CHECK (extension IN ('jpg', 'png')),
    image      {{if .Postgres}}BYTEA{{else}}BLOB{{end}} NOT NULL,
    created_at {{.Time}} NOT NULL
);
