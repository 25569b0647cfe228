-- Two-factor sign-in: the key of each person's authenticator app, and codes for the day on which the phone is lost.
CREATE TABLE two_factors (
    user_id          TEXT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    encrypted_secret TEXT NOT NULL,
    -- The time step of the last code that was accepted. None is accepted twice.
    last_step        BIGINT NOT NULL,
    created_at       {{.Time}} NOT NULL,
    -- NULL until the person has shown a code of the app.
    confirmed_at     {{.Time}}
);
--bun:split
CREATE TABLE recovery_codes (
    id      TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    hash    TEXT NOT NULL
);
--bun:split
CREATE UNIQUE INDEX recovery_codes_user ON recovery_codes (user_id, hash);
--bun:split
-- Since when the person signs in with a second factor. It says the same as two_factors, for whoever has the account's row anyway.
ALTER TABLE users ADD COLUMN two_factor_at {{.Time}};
--bun:split
-- Whether the sign-in that began the session had a second factor.
ALTER TABLE sessions ADD COLUMN second_factor BOOLEAN NOT NULL DEFAULT FALSE;
