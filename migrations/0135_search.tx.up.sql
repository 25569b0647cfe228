-- Messages are found by their words, which package store/words makes of their texts. A message has a place in time among all
-- messages (1/16 ms since 1970). Those from before this change have none yet; the program gives it to them while it runs.
-- A message of a thread never has one, so nobody finds it.
ALTER TABLE messages ADD COLUMN search_pos BIGINT;
--bun:split
{{if .Postgres}}
-- NULL while a message is deleted or hidden: what is not there cannot be found.
ALTER TABLE messages ADD COLUMN words TSVECTOR;
--bun:split
-- Without a list of entries that wait: each search would read all of that list.
CREATE INDEX messages_words ON messages USING gin (words) WITH (fastupdate = off);
--bun:split
{{else}}
CREATE UNIQUE INDEX messages_search_pos ON messages (search_pos) WHERE search_pos IS NOT NULL;
--bun:split
-- The words of a message, their beginnings, the pairs of letters of scripts without blanks, and facts such as who said it. The
-- texts themselves are not kept a second time. The functions are the program's own.
CREATE VIRTUAL TABLE message_words USING fts5 (
    words, starts, pairs, facts,
    content = '', contentless_delete = 1, tokenize = "ascii tokenchars '_'"
);
--bun:split
CREATE TRIGGER message_words_posted AFTER INSERT ON messages
WHEN NEW.search_pos IS NOT NULL AND NEW.deleted_at IS NULL AND NEW.hidden_at IS NULL
BEGIN
    INSERT INTO message_words (rowid, words, starts, pairs, facts) VALUES (NEW.search_pos, search_words(NEW.content), search_starts(NEW.content), search_pairs(NEW.content),
        search_facts(NEW.room_id, (SELECT course_id FROM rooms WHERE id = NEW.room_id), NEW.sender_id, NEW.agent_id, NEW.agent_name, NEW.bot_name,
            NEW.agent_type IS NOT NULL, NEW.mentions IS NOT NULL, NEW.root_id IS NOT NULL, NEW.files IS NOT NULL, NEW.content));
END;
--bun:split
CREATE TRIGGER message_words_changed AFTER UPDATE OF content, deleted_at, hidden_at, mentions, search_pos ON messages
WHEN NEW.search_pos IS NOT NULL OR OLD.search_pos IS NOT NULL
BEGIN
    DELETE FROM message_words WHERE rowid = OLD.search_pos AND OLD.deleted_at IS NULL AND OLD.hidden_at IS NULL;
    INSERT INTO message_words (rowid, words, starts, pairs, facts) SELECT NEW.search_pos, search_words(NEW.content), search_starts(NEW.content), search_pairs(NEW.content),
        search_facts(NEW.room_id, (SELECT course_id FROM rooms WHERE id = NEW.room_id), NEW.sender_id, NEW.agent_id, NEW.agent_name, NEW.bot_name,
            NEW.agent_type IS NOT NULL, NEW.mentions IS NOT NULL, NEW.root_id IS NOT NULL, NEW.files IS NOT NULL, NEW.content)
    WHERE NEW.search_pos IS NOT NULL AND NEW.deleted_at IS NULL AND NEW.hidden_at IS NULL;
END;
--bun:split
CREATE TRIGGER message_words_gone AFTER DELETE ON messages
WHEN OLD.search_pos IS NOT NULL AND OLD.deleted_at IS NULL AND OLD.hidden_at IS NULL
BEGIN
    DELETE FROM message_words WHERE rowid = OLD.search_pos;
END;
--bun:split
{{end}}
-- What there is to do: see store.IndexMessages.
INSERT INTO settings (key, value) SELECT 'search_backfill', '{"total":' || count(*) || '}' FROM messages HAVING count(*) > 0;
