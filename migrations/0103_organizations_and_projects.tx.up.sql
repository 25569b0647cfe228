-- Organizations, their projects, and who is in them.

CREATE TABLE organizations (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    description TEXT,
    owner_id    TEXT NOT NULL REFERENCES users (id),
    created_at  {{.Time}} NOT NULL,
    version     INTEGER NOT NULL DEFAULT 1
);
--bun:split
CREATE INDEX organizations_owner ON organizations (owner_id);
--bun:split
CREATE TABLE organization_members (
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    user_id         TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role            TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
    created_at      {{.Time}} NOT NULL,
    PRIMARY KEY (organization_id, user_id)
);
--bun:split
CREATE INDEX organization_members_user ON organization_members (user_id, organization_id);
--bun:split
CREATE TABLE projects (
    id              TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    name            TEXT NOT NULL,
    description     TEXT,
    created_at      {{.Time}} NOT NULL,
    version         INTEGER NOT NULL DEFAULT 1,
    -- Who made it, for the quota of that person.
    created_by      TEXT REFERENCES users (id) ON DELETE SET NULL
);
--bun:split
CREATE INDEX projects_organization ON projects (organization_id);
--bun:split
CREATE INDEX projects_creator ON projects (created_by);
--bun:split
CREATE TABLE project_members (
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role       TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'editor', 'member', 'viewer')),
    created_at {{.Time}} NOT NULL,
    PRIMARY KEY (project_id, user_id)
);
--bun:split
CREATE INDEX project_members_user ON project_members (user_id, project_id);
