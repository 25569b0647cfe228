-- In which turn an agent has changed an artifact, and what the agent was called then.
ALTER TABLE artifacts ADD COLUMN modified_agent_name TEXT;
--bun:split
ALTER TABLE artifacts ADD COLUMN modified_turn_id TEXT REFERENCES agent_turns (id) ON DELETE SET NULL;
--bun:split
ALTER TABLE artifact_versions ADD COLUMN modified_agent_name TEXT;
--bun:split
ALTER TABLE artifact_versions ADD COLUMN modified_turn_id TEXT REFERENCES agent_turns (id) ON DELETE SET NULL;
--bun:split
CREATE INDEX artifacts_turn ON artifacts (modified_turn_id) WHERE modified_turn_id IS NOT NULL;
--bun:split
CREATE INDEX artifact_versions_turn ON artifact_versions (modified_turn_id) WHERE modified_turn_id IS NOT NULL;
--bun:split
UPDATE artifacts SET modified_agent_name = (SELECT a.name FROM agents AS a WHERE a.id = modified_by_agent) WHERE modified_by_agent IS NOT NULL;
--bun:split
UPDATE artifact_versions SET modified_agent_name = (SELECT a.name FROM agents AS a WHERE a.id = modified_by_agent) WHERE modified_by_agent IS NOT NULL;
