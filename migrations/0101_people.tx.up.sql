-- People: their accounts and pictures.
-- Template data: {{"{{.JSON}}"}} keeps the text of a JSON value as the client sent it, {{"{{.Time}}"}} is an instant in UTC.

CREATE TABLE users (
    id            TEXT PRIMARY KEY,
    email         TEXT NOT NULL CHECK (email <> ''),
    username      TEXT CHECK (username <> ''),
    full_name     TEXT,
    role          TEXT NOT NULL CHECK (role IN ('guest', 'student', 'ta', 'teacher', 'admin', 'super_admin')),
    avatar_url    TEXT,
    password_hash TEXT,
    is_active     BOOLEAN NOT NULL,
    created_at    {{.Time}} NOT NULL,
    version       INTEGER NOT NULL,
    -- The text that people are searched by. The database keeps it, so that no way of writing an account can forget it.
    search_text   TEXT GENERATED ALWAYS AS
        (lower(email || ' ' || COALESCE(full_name, '') || ' ' || COALESCE(username, ''))) {{if .Postgres}}STORED{{else}}VIRTUAL{{end}},
    -- Devices that signed in are known until this moves on.
    device_epoch  INTEGER NOT NULL DEFAULT 0,
    -- The one form by which addresses and user names are compared, the same on both databases; the program fills it in. A row without
    -- one has the same form as an older row: it is found by its exact spelling alone.
    email_key     TEXT,
    username_key  TEXT
);
--bun:split
CREATE UNIQUE INDEX users_email ON users (lower(email));
--bun:split
CREATE UNIQUE INDEX users_username ON users (lower(username));
--bun:split
CREATE INDEX users_super_admins ON users (id) WHERE role = 'super_admin';
--bun:split
-- A search reads this index alone, however wide the table is.
CREATE INDEX users_search ON users (search_text, is_active, id);
--bun:split
CREATE UNIQUE INDEX users_email_key ON users (email_key);
--bun:split
CREATE UNIQUE INDEX users_username_key ON users (username_key);
--bun:split
CREATE INDEX users_without_key ON users (id) WHERE email_key IS NULL OR (username IS NOT NULL AND username_key IS NULL);
--bun:split
-- Pictures of people, in the database so that every node serves them.
CREATE TABLE avatars (
    id         TEXT PRIMARY KEY,
    user_id    TEXT NOT NULL UNIQUE REFERENCES users (id) ON DELETE CASCADE,
    extension  TEXT NOT NULL CHECK (extension IN ('jpg', 'png')),
    image      {{if .Postgres}}BYTEA{{else}}BLOB{{end}} NOT NULL,
    created_at {{.Time}} NOT NULL
);
