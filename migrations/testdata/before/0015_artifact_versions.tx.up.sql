-- What artifacts were before they were changed.

CREATE TABLE artifact_versions (
    artifact_id       TEXT NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    version           INTEGER NOT NULL,
    title             TEXT NOT NULL,
    modified_by       TEXT REFERENCES users (id) ON DELETE SET NULL,
    modified_by_agent TEXT REFERENCES agents (id) ON DELETE SET NULL,
    updated_at        {{.Time}} NOT NULL,
    kept_at           {{.Time}} NOT NULL,
    content_bytes     BIGINT NOT NULL,
    content           {{.JSON}} NOT NULL,
    PRIMARY KEY (artifact_id, version)
);
--bun:split
CREATE INDEX artifact_versions_modifier ON artifact_versions (modified_by);
--bun:split
CREATE INDEX artifact_versions_modifier_agent ON artifact_versions (modified_by_agent);
