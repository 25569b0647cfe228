-- A thread has a room of its own, which no course has. What is said in it, its turns and
-- its artifacts are those of the room, so an agent answers there as in any room.
ALTER TABLE rooms ALTER COLUMN course_id DROP NOT NULL;
--bun:split
ALTER TABLE rooms ADD COLUMN thread_id TEXT REFERENCES threads (id) ON DELETE CASCADE
    CHECK ((thread_id IS NULL) <> (course_id IS NULL));
--bun:split
CREATE UNIQUE INDEX rooms_thread ON rooms (thread_id);
--bun:split
-- A text that the sender's client owns.
ALTER TABLE messages ADD COLUMN metadata_json TEXT;
--bun:split
-- In a thread, the message that an agent's message answers.
ALTER TABLE messages ADD COLUMN answers TEXT;
--bun:split
CREATE UNIQUE INDEX messages_answers ON messages (answers) WHERE answers IS NOT NULL;
--bun:split
-- The turns in threads that one person has under way.
CREATE INDEX agent_turns_alone ON agent_turns (asked_by) WHERE cause IN ('thread', 'stateless') AND state IN ('queued', 'running');
--bun:split
INSERT INTO rooms (id, thread_id, name, is_ai_active, is_analytics_active, ai_frequency, ai_mode, created_at, version, event_seq, looked_seq)
SELECT id, id, '', FALSE, FALSE, 0, 'off', created_at, 1, last_seq, last_seq FROM threads;
--bun:split
-- Who reads a log that begins after these messages is told to load the history.
INSERT INTO messages (id, room_id, seq, sender_id, agent_id, agent_type, agent_name, client_id, content, created_at, truncated, metadata_json, answers)
SELECT m.id, m.thread_id, m.seq,
    CASE WHEN m.role = 'user' THEN th.user_id END,
    CASE WHEN m.role = 'assistant' THEN th.agent_id END,
    CASE WHEN m.role = 'assistant' THEN COALESCE(a.type, 'agent') END,
    CASE WHEN m.role = 'assistant' THEN COALESCE(a.name, 'Agent') END,
    m.client_id, m.content, m.created_at,
    m.role = 'assistant' AND COALESCE(m.metadata_json, '') = '{"truncated":true}',
    m.metadata_json, m.answers
FROM thread_messages AS m JOIN threads AS th ON th.id = m.thread_id LEFT JOIN agents AS a ON a.id = th.agent_id;
--bun:split
DROP TABLE thread_messages;
--bun:split
ALTER TABLE threads DROP COLUMN last_seq;
--bun:split
ALTER TABLE threads DROP COLUMN asking;
--bun:split
ALTER TABLE threads DROP COLUMN asking_until;
--bun:split
-- A thread for one question is thrown away with its answer. It needs no project.
ALTER TABLE threads ALTER COLUMN project_id DROP NOT NULL;
--bun:split
ALTER TABLE threads ADD COLUMN stateless BOOLEAN NOT NULL DEFAULT FALSE;
--bun:split
CREATE INDEX threads_stateless ON threads (created_at) WHERE stateless;
