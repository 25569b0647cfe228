-- Fingerprints of the encryption keys of each process, the first encrypts. A change of keys must not begin while
-- another process could not read what it writes.
ALTER TABLE nodes ADD COLUMN keys TEXT NOT NULL DEFAULT '';
