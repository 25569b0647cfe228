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
