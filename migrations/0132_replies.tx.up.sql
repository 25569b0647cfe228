-- A reply is a message of its room that hangs under another message, the root of its
-- thread. reply_to is what readers see of the root: {"id", "seq", "sender", "excerpt", ...}.
ALTER TABLE messages ADD COLUMN root_id TEXT;
--bun:split
ALTER TABLE messages ADD COLUMN reply_to {{.JSON}};
--bun:split
-- Of a root: how many of its replies are shown, the number and the time of the newest, and
-- the ids of those who replied last.
ALTER TABLE messages ADD COLUMN reply_count INTEGER NOT NULL DEFAULT 0;
--bun:split
ALTER TABLE messages ADD COLUMN last_reply_seq BIGINT;
--bun:split
ALTER TABLE messages ADD COLUMN last_reply_at {{.Time}};
--bun:split
ALTER TABLE messages ADD COLUMN repliers {{.JSON}};
--bun:split
CREATE INDEX messages_replies ON messages (root_id, seq) WHERE root_id IS NOT NULL;
--bun:split
-- The thread in which the turn's agent answers.
ALTER TABLE agent_turns ADD COLUMN root_id TEXT;
--bun:split
-- Whether a message calls somebody, or is a reply to them.
ALTER TABLE mentions ADD COLUMN kind TEXT NOT NULL DEFAULT 'mention' CHECK (kind IN ('mention', 'reply'));
