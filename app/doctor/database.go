package doctor

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// ErrNoDatabase says that SQLite's file is not there, so there is nothing to examine.
var ErrNoDatabase = errors.New("there is no database yet")

// connection tells whether the database can be opened at all.
func connection(ctx context.Context, in *Installation) []Finding {
	switch err := in.DBErr; {
	case errors.Is(err, ErrNoDatabase):
		return one(Finding{State: Skipped, Text: words("There is no database yet: the first `coagent serve` makes it"),
			Remedy: words("If there was one, name its folder in data_dir")})
	case errors.Is(err, fs.ErrNotExist):
		return one(fault(words("The secrets of this database are gone: %s", err.Error()),
			words("Restore secrets.yaml from a backup; a new one could not read the stored keys")))
	case err != nil:
		return one(fault(words("The database cannot be opened: %s", err.Error()),
			words("Look whether the database runs, and whether database.url or data_dir leads to it")))
	}
	if err := in.DB.Ping(ctx); err != nil {
		return one(fault(words("The database does not answer: %s", err.Error()), words("Look whether the database runs, and at its log")))
	}
	begun, err := in.DB.Unfinished(ctx)
	if err != nil {
		return failed(err)
	}
	if begun != "" {
		return one(fault(words("`coagent %s` has not finished filling this database, so nothing serves it", begun),
			words("Run the command again with the same file, or begin with an empty database")))
	}
	return one(fine(words("The %s database answers", kind(in.Config))))
}

func kind(c *config.Config) string {
	if c.Postgres() {
		return "Postgres"
	}
	return "SQLite"
}

// listening sends a notification through the database and waits for it. A pooler that hands
// sessions on lets none arrive.
func listening(ctx context.Context, in *Installation) []Finding {
	if !in.DB.Postgres() {
		return nil
	}
	if err := in.DB.CheckConnection(ctx); err != nil {
		return one(fault(words("%s", err.Error()), words("See \"Behind a pooler\" in docs/operate.md")))
	}
	if in.Config.Database.ListenURL != "" {
		return one(fine(words("A notification sent through database.url arrives at database.listen_url")))
	}
	return one(fine(words("A notification arrives: no pooler stands in between")))
}

// The differences of clocks from which leases and limits suffer.
const (
	clockOff    = 2 * time.Second
	clockBroken = 30 * time.Second
)

// clock compares the machine's clock with the database's, which all processes share.
func clock(ctx context.Context, in *Installation) []Finding {
	if !in.DB.Postgres() {
		return nil
	}
	before := in.Now()
	there, err := in.DB.Clock(ctx)
	if err != nil {
		return failed(err)
	}
	took := in.Now().Sub(before)
	off := before.Add(took / 2).Sub(there).Round(10 * time.Millisecond)
	remedy := words("Let both machines take their time from the network (NTP): timedatectl set-ntp true")
	switch {
	case off.Abs() > clockBroken+took:
		return one(fault(words("This machine's clock is %v away from the database's: sign-ins and turns of agents end too early or too late", off), remedy))
	case off.Abs() > clockOff+took:
		return one(warn(words("This machine's clock is %v away from the database's", off), remedy))
	}
	return one(fine(words("The clock agrees with the database's")))
}

// schema tells whether the tables are those of this program.
func schema(ctx context.Context, in *Installation) []Finding {
	err := in.DB.CheckSchema(ctx)
	switch {
	case err == nil:
		return one(fine(words("The schema is that of this version")))
	case errors.Is(err, store.ErrSchemaOld) && in.Config.Postgres() && !in.Config.Database.AutoMigrate:
		return one(fault(words("The schema of the database is older than this program"), words("Make a backup, then run: coagent migrate up")))
	case errors.Is(err, store.ErrSchemaOld):
		return one(warn(words("The schema of the database is older than this program"), words("The next start of `coagent serve` brings it up; make a backup first")))
	case errors.Is(err, store.ErrSchemaNew):
		return one(fault(words("The database was migrated by a newer version of coagent"), words("Install that version, or restore the backup made before it")))
	}
	return one(fault(words("The schema of the database does not fit this program: %s", err.Error()), words("Name the database of this installation in database.url or data_dir")))
}

// The versions of Postgres: the oldest that works, and what is kept free for others of its
// connections.
const (
	oldestPostgres = 14
	ownConnections = 3 // of each process, beside its pool: to listen, to notify, for the queue
)

// postgres tells which of the server's settings do not do for this program.
func postgres(ctx context.Context, in *Installation) (found []Finding) {
	if !in.DB.Postgres() {
		return nil
	}
	s, err := in.DB.Server(ctx)
	if err != nil {
		return failed(err)
	}
	if s.Number/10_000 < oldestPostgres {
		found = append(found, fault(words("Postgres %s is too old", s.Name), words("Postgres %d or newer is needed", oldestPostgres)))
	}
	if !s.Fsync || !s.FullPageWrites {
		found = append(found, fault(words("Postgres runs with fsync or full_page_writes off: a crash of its machine loses or damages what was said"),
			words("Set both to on in postgresql.conf")))
	}
	if s.ReadOnly {
		found = append(found, fault(words("The database takes no changes: it is a standby, or default_transaction_read_only is on"),
			words("Let database.url lead to the primary server")))
	}
	found = append(found, connections(ctx, in, s)...)
	if len(found) == 0 {
		bytes, _, err := in.DB.StorageSizes(ctx, 1)
		if err != nil {
			return failed(err)
		}
		return one(fine(words("Postgres %s, %s, %d of %d connections are in use", s.Name, size(uint64(bytes)), s.Connected, s.MaxConnections)))
	}
	return found
}

// connections compares what all processes may use with what the server has.
func connections(ctx context.Context, in *Installation, s store.Server) []Finding {
	if in.Config.Database.ListenURL != "" {
		return nil // the pooler decides how many reach the server
	}
	alive, err := aliveNodes(ctx, in)
	if err != nil {
		return failed(err)
	}
	processes := max(1, len(alive))
	most, have := processes*(in.Config.Database.Pool+ownConnections), s.MaxConnections-s.Reserved
	remedy := words("Raise max_connections of Postgres, lower database.pool, or put a pooler in between with database.listen_url")
	switch {
	case most > have:
		return one(warn(words("%d processes may use %d connections, and Postgres has %d: at the peak requests fail", processes, most, have), remedy))
	case s.Connected >= have*9/10:
		return one(warn(words("%d of %d connections of Postgres are in use", s.Connected, have), remedy))
	}
	return nil
}

// largeLog is a log of changes that should have become part of SQLite's file long ago.
const largeLog = 512 << 20

// sqlite tells whether the file is sound, and whether its log grows without end.
func sqlite(ctx context.Context, in *Installation) []Finding {
	if in.DB.Postgres() {
		return nil
	}
	var found []Finding
	if bytes, err := in.DB.LogBytes(); err == nil && bytes > largeLog {
		found = append(found, warn(words("The log of changes beside the database (coagent.db-wal) has %s: somebody reads without an end", size(uint64(bytes))),
			words("End other programs that have the file open, and restart coagent")))
	}
	verdict, err := in.DB.QuickCheck(ctx)
	switch {
	case ctx.Err() != nil:
		return append(found, Finding{State: Skipped, Text: words("The database is too large to be read whole in a few seconds"),
			Remedy: words("Check it when nobody is there: sqlite3 %s 'PRAGMA integrity_check'", in.Config.SQLitePath())})
	case err != nil:
		return append(found, fault(words("The database file is damaged: %s", err.Error()), damaged()))
	case verdict != "ok":
		return append(found, fault(words("The database file is damaged: %s", verdict), damaged()))
	}
	return append(found, fine(words("The database file is sound")))
}

func damaged() wording.Text {
	return words("Stop coagent, keep a copy of the folder, and restore the last backup")
}
