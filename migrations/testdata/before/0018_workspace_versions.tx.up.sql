-- Organisations and projects can be edited.

ALTER TABLE organizations ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
--bun:split
ALTER TABLE projects ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
