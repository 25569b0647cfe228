-- How people sign in: sessions, access tokens, links that set a password, and failed tries.

CREATE TABLE sessions (
    id              TEXT PRIMARY KEY,
    user_id         TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    impersonator_id TEXT REFERENCES users (id) ON DELETE CASCADE,
    parent_id       TEXT REFERENCES sessions (id) ON DELETE CASCADE,
    generation      INTEGER NOT NULL,
    rotated_at      {{.Time}} NOT NULL,
    created_at      {{.Time}} NOT NULL,
    expires_at      {{.Time}} NOT NULL,
    ended_at        {{.Time}},
    end_reason      TEXT,
    user_agent      TEXT NOT NULL,
    address         TEXT NOT NULL
);
--bun:split
CREATE INDEX sessions_user ON sessions (user_id);
--bun:split
CREATE INDEX sessions_parent ON sessions (parent_id);
--bun:split
CREATE INDEX sessions_impersonator ON sessions (impersonator_id);
--bun:split
CREATE INDEX sessions_expiry ON sessions (expires_at);
--bun:split
-- Personal access tokens. Of a token itself there is only its hash, by which it is found; a revoked one is deleted.
CREATE TABLE access_tokens (
    id           TEXT PRIMARY KEY,
    user_id      TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name         TEXT NOT NULL CHECK (name <> ''),
    scopes       {{.JSON}} NOT NULL,
    hash         TEXT NOT NULL,
    created_at   {{.Time}} NOT NULL,
    expires_at   {{.Time}} NOT NULL,
    last_used_at {{.Time}}
);
--bun:split
CREATE UNIQUE INDEX access_tokens_hash ON access_tokens (hash);
--bun:split
CREATE INDEX access_tokens_user ON access_tokens (user_id, id);
--bun:split
CREATE INDEX access_tokens_expiry ON access_tokens (expires_at);
--bun:split
-- Links that staff hand over, with which a person sets a password once.
CREATE TABLE one_time_links (
    id         TEXT PRIMARY KEY,
    purpose    TEXT NOT NULL CHECK (purpose IN ('password')),
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_by TEXT REFERENCES users (id) ON DELETE SET NULL,
    token_hash TEXT NOT NULL UNIQUE,
    created_at {{.Time}} NOT NULL,
    expires_at {{.Time}} NOT NULL,
    used_at    {{.Time}}
);
--bun:split
CREATE INDEX one_time_links_user ON one_time_links (user_id);
--bun:split
CREATE INDEX one_time_links_creator ON one_time_links (created_by);
--bun:split
CREATE INDEX one_time_links_expiry ON one_time_links (expires_at);
--bun:split
-- Failed sign-ins, by which sign-in is throttled.
CREATE TABLE signin_failures (
    id        TEXT PRIMARY KEY,
    key       TEXT NOT NULL,
    failed_at {{.Time}} NOT NULL
);
--bun:split
CREATE INDEX signin_failures_key ON signin_failures (key, failed_at);
--bun:split
CREATE INDEX signin_failures_time ON signin_failures (failed_at);
