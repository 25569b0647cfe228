-- Versions keep all that makes an agent. One without a type is from before, when only the columns of 0106 were kept.
ALTER TABLE agent_versions ADD COLUMN type TEXT;
--bun:split
ALTER TABLE agent_versions ADD COLUMN category TEXT;
--bun:split
ALTER TABLE agent_versions ADD COLUMN capabilities {{.JSON}};
--bun:split
ALTER TABLE agent_versions ADD COLUMN external_config {{.JSON}};
--bun:split
ALTER TABLE agent_versions ADD COLUMN user_key_ids {{.JSON}};
