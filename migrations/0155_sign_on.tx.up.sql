-- Sign-on with providers of identities (OpenID Connect): who is who there.
CREATE TABLE identities (
    id           TEXT PRIMARY KEY,
    user_id      TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    provider     TEXT NOT NULL,
    issuer       TEXT NOT NULL,
    subject      TEXT NOT NULL,
    email        TEXT,
    -- The role that the provider gave last. While the account has it, it follows the provider.
    given_role   TEXT,
    created_at   {{.Time}} NOT NULL,
    last_used_at {{.Time}} NOT NULL
);
--bun:split
CREATE UNIQUE INDEX identities_subject ON identities (issuer, subject);
--bun:split
CREATE INDEX identities_user ON identities (user_id, id);
--bun:split
-- The sessions that began at a provider, for the sign-out there.
CREATE TABLE session_sign_ons (
    session_id         TEXT PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
    provider           TEXT NOT NULL,
    encrypted_id_token TEXT NOT NULL
);
--bun:split
-- Ways to a provider and back that were used: none is used twice.
CREATE TABLE spent_sign_ons (
    id         TEXT PRIMARY KEY,
    expires_at {{.Time}} NOT NULL
);
--bun:split
CREATE INDEX spent_sign_ons_expiry ON spent_sign_ons (expires_at);
