-- The list of accounts has the newest first. The ids of accounts that came from another system do not say how old they are.
CREATE INDEX users_created ON users (created_at, id);
