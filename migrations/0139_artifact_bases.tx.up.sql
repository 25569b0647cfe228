-- What blocks an artifact had at versions that were replaced lately, as what leads there from the next version. A change
-- of such a version is merged with what others have changed since. written adds up the bytes of delta of an artifact.
CREATE TABLE artifact_bases (
    artifact_id TEXT NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    version     INTEGER NOT NULL,
    kept_at     {{.Time}} NOT NULL,
    written     BIGINT NOT NULL,
    delta       {{.JSON}} NOT NULL,
    PRIMARY KEY (artifact_id, version)
);
--bun:split
CREATE INDEX artifact_bases_kept ON artifact_bases (kept_at);
