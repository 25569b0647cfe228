-- Who made a project, for the quota of that person. Its maker's place in it is as old as the project.
ALTER TABLE projects ADD COLUMN created_by TEXT REFERENCES users (id) ON DELETE SET NULL;
UPDATE projects SET created_by = (SELECT m.user_id FROM project_members AS m
    WHERE m.project_id = projects.id AND m.created_at = projects.created_at AND m.role IN ('owner', 'admin') ORDER BY m.user_id LIMIT 1);
CREATE INDEX projects_creator ON projects (created_by);
