-- Files that people put into rooms: metadata here, content in blobs.

CREATE TABLE files (
    id          TEXT PRIMARY KEY,
    room_id     TEXT NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    uploader_id TEXT REFERENCES users (id) ON DELETE SET NULL,
    -- The message that shows it; until there is one, the file is its uploader's alone.
    message_id  TEXT REFERENCES messages (id) ON DELETE CASCADE,
    client_id   TEXT,
    name        TEXT NOT NULL,
    type        TEXT NOT NULL,
    size        BIGINT NOT NULL,
    -- Size and that of the pictures made of it.
    stored      BIGINT NOT NULL,
    -- Its content is UTF-8 text from the first to the last byte.
    is_text     BOOLEAN NOT NULL,
    width       INTEGER NOT NULL,
    height      INTEGER NOT NULL,
    created_at  {{.Time}} NOT NULL
);
--bun:split
CREATE UNIQUE INDEX files_client ON files (room_id, uploader_id, client_id);
--bun:split
CREATE INDEX files_room ON files (room_id, stored);
--bun:split
CREATE INDEX files_uploader ON files (uploader_id, stored);
--bun:split
CREATE INDEX files_message ON files (message_id);
--bun:split
CREATE INDEX files_posted ON files (room_id, id) WHERE message_id IS NOT NULL;
--bun:split
CREATE INDEX files_unposted ON files (created_at) WHERE message_id IS NULL;
--bun:split
-- What retention.files_days looks for.
CREATE INDEX files_kept ON files (created_at) WHERE stored > 0;
--bun:split
-- A blob is written before its file is there, and outlives it: one without a file is dropped
-- after a time. So neither a cut upload nor a deletion leaves content behind, wherever it lies.
CREATE TABLE blobs (
    id         TEXT PRIMARY KEY,
    file_id    TEXT REFERENCES files (id) ON DELETE SET NULL,
    kind       TEXT NOT NULL CHECK (kind IN ('original', 'image', 'thumbnail')),
    type       TEXT NOT NULL,
    size       BIGINT NOT NULL,
    storage    TEXT NOT NULL CHECK (storage IN ('database', 'folder', 's3')),
    drop_after {{.Time}} NOT NULL,
    -- Its content is being dropped: no file can have it any more.
    dropping   BOOLEAN NOT NULL DEFAULT FALSE
);
--bun:split
CREATE UNIQUE INDEX blobs_file ON blobs (file_id, kind);
--bun:split
CREATE INDEX blobs_left ON blobs (drop_after) WHERE file_id IS NULL;
--bun:split
-- The content of blobs whose storage is the database.
CREATE TABLE blob_chunks (
    blob_id TEXT NOT NULL REFERENCES blobs (id) ON DELETE CASCADE,
    number  INTEGER NOT NULL,
    data    {{if .Postgres}}BYTEA{{else}}BLOB{{end}} NOT NULL,
    PRIMARY KEY (blob_id, number)
);
--bun:split
-- The files of a message as package event encodes them.
ALTER TABLE messages ADD COLUMN files {{.JSON}};
--bun:split
DROP INDEX messages_to_erase;
--bun:split
CREATE INDEX messages_to_erase ON messages (deleted_at) WHERE deleted_at IS NOT NULL AND (content <> '' OR files IS NOT NULL);
