-- What new agents of the first two types may do with tools, unless an admin has said so before.

UPDATE agent_types SET default_capabilities = '["chat:read","chat:write","artifact:read","artifact:write","members:read"]'
WHERE type_name = 'teacher' AND is_system AND default_capabilities{{if .Postgres}}::text{{end}} = '[]';
--bun:split
UPDATE agent_types SET default_capabilities = '["chat:read","chat:write","artifact:read"]'
WHERE type_name = 'student' AND is_system AND default_capabilities{{if .Postgres}}::text{{end}} = '[]';
