package store

import (
	"context"
	"errors"
	"strings"
)

// Missed is what was committed since a process last asked.
type Missed struct {
	Rooms  []Wake   // the rooms that have new events
	Queues []string // which of the queues that were asked for have jobs that wait
}

// Watch finds what other processes have committed and not told, for example because they
// died in between. It is for one goroutine.
type Watch struct {
	db     *DB
	queues []string
	seen   string // what was committed when it last asked: a pg_snapshot, "xmin:xmax:xip,..."
	jobs   bool   // some of the queues had jobs then
}

// Watch begins to watch the rooms, and these queues. Postgres only.
func (d *DB) Watch(queues ...string) *Watch { return &Watch{db: d, queues: queues} }

// missed reads the events of the transactions that have ended since the snapshot $1: those
// that had not begun then, and those in $2 that had. So no commit is lost that ends long
// after younger ones. The upper bound leaves out the numbers of another server, from which
// the rows may have been copied. Its cost grows with what is new, not with the number of
// rooms.
const missed = `
WITH now AS (SELECT pg_current_snapshot() AS snapshot)
SELECT now.snapshot::text AS snapshot, COALESCE(e.room_id, '') AS room, COALESCE(max(e.seq), 0) AS seq, ARRAY_TO_STRING(ARRAY(
	SELECT q.name FROM unnest($3::text[]) AS q (name) WHERE EXISTS (
		SELECT 1 FROM river_job AS j WHERE j.state = 'available' AND j.queue = q.name)), ' ') AS queues
FROM now LEFT JOIN LATERAL (
	SELECT room_id, seq FROM events WHERE xid >= pg_snapshot_xmax($1::pg_snapshot) AND xid < pg_snapshot_xmax(now.snapshot)
	UNION ALL SELECT room_id, seq FROM events WHERE xid = ANY ($2::xid8[])
) AS e ON true
GROUP BY now.snapshot::text, e.room_id`

// Missed returns what has become new since the last call; the first returns only queues.
// It includes what this process has committed itself. After a call that did not fail,
// Changes tells whether anything was committed anywhere.
func (w *Watch) Missed(ctx context.Context) (*Missed, error) {
	var now string
	if err := w.db.pool.QueryRow(ctx, "SELECT pg_current_snapshot()::text").Scan(&now); err != nil {
		return nil, translate(err)
	}
	before := w.seen
	if before == now && !w.jobs { // with a job: it may wait for its time, or for a worker
		return new(Missed), nil
	}
	if w.seen == "" {
		w.seen = now
	}
	parts := strings.Split(w.seen, ":")
	if len(parts) != 3 {
		return nil, errors.New("Postgres has another form of snapshots than this program knows")
	}
	var rows []struct {
		Snapshot, Room, Queues string
		Seq                    int64
	}
	ctx = w.db.boundText(ctx, w.seen, "{"+parts[2]+"}", "{"+strings.Join(w.queues, ",")+"}")
	err := w.db.db.NewRaw(missed).Scan(ctx, &rows)
	if err != nil {
		return nil, translate(err)
	}
	m := new(Missed)
	for _, r := range rows {
		w.seen, m.Queues = r.Snapshot, strings.Fields(r.Queues)
		w.jobs = len(m.Queues) > 0
		if r.Room != "" {
			m.Rooms = append(m.Rooms, Wake{r.Room, r.Seq})
		}
	}
	if w.seen != before {
		w.db.changes.Add(1)
	}
	return m, nil
}
