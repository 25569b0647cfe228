-- A sign-out at a provider of identities ends the sessions that began there (OpenID Connect Back-Channel Logout): whose they are there, and the provider's name for its own session.
ALTER TABLE session_sign_ons ADD COLUMN subject TEXT;
--bun:split
ALTER TABLE session_sign_ons ADD COLUMN sid TEXT;
--bun:split
CREATE INDEX session_sign_ons_subject ON session_sign_ons (provider, subject);
--bun:split
CREATE INDEX session_sign_ons_sid ON session_sign_ons (provider, sid);
--bun:split
-- Sign-ins at a provider whose person has still to show a code here. The session that follows knows its provider from this row.
CREATE TABLE pending_sign_ons (
    id                 TEXT PRIMARY KEY,
    user_id            TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    provider           TEXT NOT NULL,
    subject            TEXT,
    sid                TEXT,
    encrypted_id_token TEXT NOT NULL,
    expires_at         {{.Time}} NOT NULL
);
--bun:split
CREATE INDEX pending_sign_ons_user ON pending_sign_ons (user_id);
--bun:split
CREATE INDEX pending_sign_ons_subject ON pending_sign_ons (provider, subject);
--bun:split
CREATE INDEX pending_sign_ons_sid ON pending_sign_ons (provider, sid);
--bun:split
CREATE INDEX pending_sign_ons_expiry ON pending_sign_ons (expires_at);
