-- Most messages are of people. The index by agent leaves those out, so that a post writes one
-- index less. It is used when an agent is deleted.
DROP INDEX messages_agent;
--bun:split
CREATE INDEX messages_agent ON messages (agent_id) WHERE agent_id IS NOT NULL;
