-- Bots: accounts of programs. A bot belongs to one course and goes with it. It has neither a password nor a role of its own, and nobody
-- can give it one: it signs in with tokens alone.
ALTER TABLE users ADD COLUMN kind TEXT NOT NULL DEFAULT 'person' CHECK (kind IN ('person', 'bot'));
--bun:split
ALTER TABLE users ADD COLUMN bot_course_id TEXT REFERENCES courses (id) ON DELETE CASCADE CHECK (
    CASE WHEN kind = 'bot' THEN bot_course_id IS NOT NULL AND role = 'guest' AND password_hash IS NULL AND username IS NULL
    ELSE bot_course_id IS NULL END);
--bun:split
CREATE INDEX users_bots ON users (bot_course_id, id) WHERE bot_course_id IS NOT NULL;
--bun:split
-- The name of the bot that wrote the message, as it was then: it outlives the bot. A message with it is neither a person's nor an agent's.
ALTER TABLE messages ADD COLUMN bot_name TEXT;
