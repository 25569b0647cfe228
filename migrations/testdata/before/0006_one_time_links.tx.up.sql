-- Links that staff hand over, with which a person sets a password once.

CREATE TABLE one_time_links (
    id         TEXT PRIMARY KEY,
    purpose    TEXT NOT NULL CHECK (purpose IN ('password')),
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_by TEXT REFERENCES users (id) ON DELETE SET NULL,
    token_hash TEXT NOT NULL UNIQUE,
    created_at {{.Time}} NOT NULL,
    expires_at {{.Time}} NOT NULL,
    used_at    {{.Time}}
);
--bun:split
CREATE INDEX one_time_links_user ON one_time_links (user_id);
--bun:split
CREATE INDEX one_time_links_creator ON one_time_links (created_by);
