-- An archived course can be read, and nothing in it changes. Its rooms say so too: who looks at a room needs no course for it.
ALTER TABLE courses ADD COLUMN archived_at {{.Time}};
--bun:split
ALTER TABLE rooms ADD COLUMN archived_at {{.Time}};
