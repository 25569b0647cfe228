package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/coagent-studio/coagent/migrations"
	"github.com/coagent-studio/coagent/store/storetest/postgres"
)

// ServerEnv is the variable with the server's URL for a superuser.
const ServerEnv = "COAGENT_TEST_POSTGRES"

// templateLock is the advisory lock for the template, in the maintenance database. It is
// exclusive while the template is migrated and shared while it is cloned: Postgres clones
// no database to which somebody is connected.
const templateLock = 0x636f616774706c

// Postgres returns the URL of a fresh migrated database, which is dropped when
// the test ends.
func Postgres(tb testing.TB) string {
	tb.Helper()
	if os.Getenv(DatabaseEnv) == "sqlite" {
		tb.Skip("another run tests on Postgres")
	}
	t, err := postgresTemplate()
	needPostgres(tb, err)
	name := "coagent_test_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	if err := t.clone(tb.Context(), name); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		// The test's context has ended by now.
		if err := t.drop(context.WithoutCancel(tb.Context()), name); err != nil {
			tb.Errorf("drop the database: %v", err)
		}
	})
	return t.url(name)
}

// template is a migrated database on a server that all test processes may share. Its name
// depends on our migrations.
type template struct {
	server *url.URL // of the maintenance database
	name   string
	how    string // the end of the statement that clones it
}

// postgresTemplate finds or starts the server and makes the template, once.
var postgresTemplate = sync.OnceValues(func() (*template, error) {
	ctx := context.Background()
	server := os.Getenv(ServerEnv)
	if server == "" {
		// Nobody closes this server: it ends with this process.
		s, err := postgres.Start(ctx, postgres.Options{})
		if err != nil {
			return nil, err
		}
		server = s.URL("postgres")
	}
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return nil, errors.New(ServerEnv + " is not a URL (want postgres://user:password@host:5432/postgres)")
	}
	sum, err := schemaSum()
	if err != nil {
		return nil, err
	}
	t := &template{server: u, name: "coagent_template_" + sum}
	return t, t.prepare(ctx)
})

// prepare makes and migrates the template. Where another process has done so, it changes
// nothing.
func (t *template) prepare(ctx context.Context) error {
	return t.locked(ctx, "pg_advisory_lock", func(conn *pgx.Conn) error {
		var exists, copies bool
		const query = `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1),
			current_setting('fsync') = 'off' AND current_setting('server_version_num')::int >= 150000`
		if err := conn.QueryRow(ctx, query, t.name).Scan(&exists, &copies); err != nil {
			return err
		}
		if copies {
			// Where nothing waits for a disk, to copy the files takes a quarter of the time
			// that the server takes by default, which logs each page.
			t.how = " STRATEGY FILE_COPY"
		}
		if !exists {
			if _, err := conn.Exec(ctx, "CREATE DATABASE "+t.name); err != nil {
				return err
			}
		}
		return migrate(ctx, t.url(t.name))
	})
}

func (t *template) clone(ctx context.Context, name string) error {
	return t.locked(ctx, "pg_advisory_lock_shared", func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "CREATE DATABASE "+name+" TEMPLATE "+t.name+t.how)
		return err
	})
}

func (t *template) drop(ctx context.Context, name string) error {
	conn, err := pgx.Connect(ctx, t.server.String())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)")
	return err
}

// locked runs fn in a session that holds the template's lock.
func (t *template) locked(ctx context.Context, lock string, fn func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, t.server.String())
	if err != nil {
		return fmt.Errorf("%s: %w", ServerEnv, err)
	}
	// Closing the session releases the lock.
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "SELECT "+lock+"($1)", int64(templateLock)); err != nil {
		return err
	}
	return fn(conn)
}

// schemaSum returns a short hash of our migrations. So an edited migration never meets an
// older template.
func schemaSum() (string, error) {
	files, err := fs.Glob(migrations.Files, "*.sql")
	if err != nil {
		return "", err
	}
	if len(files) == 0 {
		return "", errors.New("no migrations")
	}
	sum := sha256.New()
	for _, name := range files {
		text, err := fs.ReadFile(migrations.Files, name)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "%s %d\n%s", name, len(text), text)
	}
	return fmt.Sprintf("%x", sum.Sum(nil)[:6]), nil
}

// url returns the server's URL for the named database.
func (t *template) url(database string) string {
	u := *t.server
	u.Path = "/" + database
	return u.String()
}
