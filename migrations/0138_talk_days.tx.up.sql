-- Figures: how much everybody says in a room on a day. The program gives each message its number of words and its day in the
-- zone of the configuration. The database adds them up with whatever changes a message, so that nothing can forget it. A message
-- without a day is from before this, and is counted while the program runs.
ALTER TABLE messages ADD COLUMN word_count INTEGER;
--bun:split
ALTER TABLE messages ADD COLUMN day TEXT;
--bun:split
CREATE INDEX messages_uncounted ON messages (room_id) WHERE day IS NULL;
--bun:split
-- who is the id of a person or a bot, or the name of an agent. The account may be gone; what is hidden of it later is taken off under
-- the blank id, so that the sum of all accounts that are gone is right.
CREATE TABLE talk_days (
    room_id  TEXT NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    day      TEXT NOT NULL,
    kind     TEXT NOT NULL CHECK (kind IN ('person', 'bot', 'agent')),
    who      TEXT NOT NULL,
    messages BIGINT NOT NULL,
    words    BIGINT NOT NULL,
    PRIMARY KEY (room_id, day, kind, who)
){{if not .Postgres}} WITHOUT ROWID{{end}};
{{if .Postgres}}
--bun:split
CREATE FUNCTION count_talk(m messages, n INTEGER) RETURNS void LANGUAGE sql AS $$
    INSERT INTO talk_days (room_id, day, kind, who, messages, words)
    SELECT m.room_id, m.day, CASE WHEN m.agent_type IS NOT NULL THEN 'agent' WHEN m.bot_name IS NOT NULL THEN 'bot' ELSE 'person' END,
        COALESCE(CASE WHEN m.agent_type IS NOT NULL THEN m.agent_name ELSE m.sender_id END, ''), n, n * m.word_count
    ON CONFLICT (room_id, day, kind, who) DO UPDATE SET messages = talk_days.messages + excluded.messages,
        words = talk_days.words + excluded.words
$$;
--bun:split
CREATE FUNCTION messages_talk() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.day IS NOT NULL AND OLD.deleted_at IS NULL AND OLD.hidden_at IS NULL THEN
        PERFORM count_talk(OLD, -1);
    END IF;
    IF NEW.day IS NOT NULL AND NEW.deleted_at IS NULL AND NEW.hidden_at IS NULL THEN
        PERFORM count_talk(NEW, 1);
    END IF;
    RETURN NULL;
END $$;
--bun:split
CREATE TRIGGER messages_talk_said AFTER INSERT ON messages FOR EACH ROW EXECUTE FUNCTION messages_talk();
--bun:split
CREATE TRIGGER messages_talk_changed AFTER UPDATE OF word_count, day, deleted_at, hidden_at ON messages FOR EACH ROW
    WHEN ((OLD.word_count, OLD.day, OLD.deleted_at IS NULL, OLD.hidden_at IS NULL)
        IS DISTINCT FROM (NEW.word_count, NEW.day, NEW.deleted_at IS NULL, NEW.hidden_at IS NULL))
    EXECUTE FUNCTION messages_talk();
{{else}}
--bun:split
CREATE TRIGGER messages_talk_said AFTER INSERT ON messages
    WHEN NEW.day IS NOT NULL AND NEW.deleted_at IS NULL AND NEW.hidden_at IS NULL
BEGIN
    INSERT INTO talk_days (room_id, day, kind, who, messages, words)
    VALUES (NEW.room_id, NEW.day, CASE WHEN NEW.agent_type IS NOT NULL THEN 'agent' WHEN NEW.bot_name IS NOT NULL THEN 'bot' ELSE 'person' END,
        COALESCE(CASE WHEN NEW.agent_type IS NOT NULL THEN NEW.agent_name ELSE NEW.sender_id END, ''), 1, NEW.word_count)
    ON CONFLICT (room_id, day, kind, who) DO UPDATE SET messages = messages + excluded.messages, words = words + excluded.words;
END;
--bun:split
CREATE TRIGGER messages_talk_taken AFTER UPDATE OF word_count, day, deleted_at, hidden_at ON messages
    WHEN OLD.day IS NOT NULL AND OLD.deleted_at IS NULL AND OLD.hidden_at IS NULL
BEGIN
    INSERT INTO talk_days (room_id, day, kind, who, messages, words)
    VALUES (OLD.room_id, OLD.day, CASE WHEN OLD.agent_type IS NOT NULL THEN 'agent' WHEN OLD.bot_name IS NOT NULL THEN 'bot' ELSE 'person' END,
        COALESCE(CASE WHEN OLD.agent_type IS NOT NULL THEN OLD.agent_name ELSE OLD.sender_id END, ''), -1, -OLD.word_count)
    ON CONFLICT (room_id, day, kind, who) DO UPDATE SET messages = messages + excluded.messages, words = words + excluded.words;
END;
--bun:split
CREATE TRIGGER messages_talk_put AFTER UPDATE OF word_count, day, deleted_at, hidden_at ON messages
    WHEN NEW.day IS NOT NULL AND NEW.deleted_at IS NULL AND NEW.hidden_at IS NULL
BEGIN
    INSERT INTO talk_days (room_id, day, kind, who, messages, words)
    VALUES (NEW.room_id, NEW.day, CASE WHEN NEW.agent_type IS NOT NULL THEN 'agent' WHEN NEW.bot_name IS NOT NULL THEN 'bot' ELSE 'person' END,
        COALESCE(CASE WHEN NEW.agent_type IS NOT NULL THEN NEW.agent_name ELSE NEW.sender_id END, ''), 1, NEW.word_count)
    ON CONFLICT (room_id, day, kind, who) DO UPDATE SET messages = messages + excluded.messages, words = words + excluded.words;
END;
{{end}}
