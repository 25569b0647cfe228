-- The one form by which addresses and user names are compared, the same on both databases; the program fills it in. A row without
-- one has the same form as an older row: it is found by its exact spelling alone.

ALTER TABLE users ADD COLUMN email_key TEXT;
--bun:split
ALTER TABLE users ADD COLUMN username_key TEXT;
--bun:split
CREATE UNIQUE INDEX users_email_key ON users (email_key);
--bun:split
CREATE UNIQUE INDEX users_username_key ON users (username_key);
--bun:split
CREATE INDEX users_without_key ON users (id) WHERE email_key IS NULL OR (username IS NOT NULL AND username_key IS NULL);
