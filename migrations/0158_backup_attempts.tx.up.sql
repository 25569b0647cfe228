-- A backup is made by a job. attempt fences it: a process that lost it can not end it. tries counts the attempts whose process was lost.
ALTER TABLE backups ADD COLUMN attempt INTEGER NOT NULL DEFAULT 1;
--bun:split
ALTER TABLE backups ADD COLUMN tries INTEGER NOT NULL DEFAULT 0;
--bun:split
-- What an earlier version has left queued has no job. Its lease is over, so it gets one.
UPDATE backups SET lease_until = created_at WHERE state IN ('queued', 'running') AND lease_until IS NULL;
