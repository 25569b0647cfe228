-- On Postgres, each event says which transaction stored it. A process finds by
-- it what was committed since it last asked, also when a commit ends late.
-- Older events have none: nobody misses them any more.
{{- if .Postgres}}
ALTER TABLE events ADD COLUMN xid xid8;
--bun:split
ALTER TABLE events ALTER COLUMN xid SET DEFAULT pg_current_xact_id();
--bun:split
CREATE INDEX events_xid ON events (xid) WHERE xid IS NOT NULL;
{{- else}}
SELECT 1;
{{- end}}
