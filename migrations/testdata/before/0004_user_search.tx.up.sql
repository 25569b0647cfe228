-- The text that people are searched by. The database keeps it, so that no way of writing an account can forget it; a search
-- reads this index alone, however wide the table is.

ALTER TABLE users ADD COLUMN search_text TEXT GENERATED ALWAYS AS
    (lower(email || ' ' || COALESCE(full_name, '') || ' ' || COALESCE(username, ''))) {{if .Postgres}}STORED{{else}}VIRTUAL{{end}};
--bun:split
CREATE INDEX users_search ON users (search_text, is_active, id);
