//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
)

// database is a fresh migrated database.
type database struct {
	kind string // postgres or sqlite
	url  string
	dir  string // the data folder
}

const (
	onPostgres = "postgres"
	onSQLite   = "sqlite"
)

// databases returns the kinds of database that this machine has.
func (l *lab) databases() []string {
	switch {
	case l.server == nil:
		return []string{onSQLite}
	case l.on == onPostgres:
		return []string{onPostgres}
	}
	return []string{onPostgres, onSQLite}
}

func (l *lab) database(kind string) (*database, error) {
	l.made++
	d := &database{kind: kind, dir: filepath.Join(l.dir, fmt.Sprintf("data%d", l.made))}
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return nil, err
	}
	d.url = "sqlite:" + filepath.Join(d.dir, "coagent.db")
	if kind == onPostgres {
		var err error
		if d.url, err = l.server.CreateDatabase(l.ctx, fmt.Sprintf("bench%d", l.made)); err != nil {
			return nil, err
		}
	}
	return d, d.with(l.ctx, func(db *store.DB) error {
		return db.WithMigrationLock(l.ctx, func(db *store.DB) error {
			if err := db.Migrate(l.ctx); err != nil {
				return err
			}
			return jobs.Migrate(l.ctx, db, slog.New(slog.DiscardHandler))
		})
	})
}

// with opens the database for fn.
func (d *database) with(ctx context.Context, fn func(*store.DB) error) error {
	db, err := store.Open(ctx, store.Options{URL: d.url, Pool: 8})
	if err != nil {
		return err
	}
	return errors.Join(fn(db), db.Close())
}

const secretKey = "0123456789abcdef0123456789abcdef0123456789abcdef"

// settings returns the program's default configuration on a database, with limits that no
// bench reaches.
func settings(s site) *config.Config {
	c := config.Default()
	c.DataDir = s.Dir
	if u, err := url.Parse(s.URL); err == nil && u.Scheme != "sqlite" {
		c.Database.URL = secret.Text(s.URL)
	}
	c.HTTP.Addr = "127.0.0.1:0"
	c.Auth.SecretKey = secretKey
	c.Auth.EncryptionKeys = []secret.Text{"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}
	c.Limits.PostsPerMinute, c.Limits.PostsBurst, c.Limits.HandshakesPerMinute = 100_000, 100_000, 100_000
	c.Limits.SearchesPerMinute = 100_000
	c.Limits.EditsPerMinute, c.Limits.ConnectionsAtOnce = 10_000_000, 100_000
	c.Limits.RequestsPerMinute, c.Limits.RequestsBurst = 10_000_000, 10_000_000
	c.Limits.AddressRequestsPerMinute, c.Limits.AddressRequestsBurst = 10_000_000, 10_000_000
	if s.Provider != "" {
		c.LLM.Providers = map[string]config.Provider{benchProvider: {Kind: "openai", BaseURL: s.Provider, DefaultModel: "bench", Keyless: true}}
	}
	return c
}

const benchProvider = "bench"

// class is a course with one room, its teacher and its members.
type class struct {
	course string
	room   string
	people []person // the first is the teacher
}

type person struct{ id, token string }

// newClass adds a class of n people to a database. With an agent, its room answers every
// message.
func (d *database) newClass(ctx context.Context, n int, agent bool) (*class, error) {
	c := &class{room: store.NewID()}
	err := d.with(ctx, func(db *store.DB) error {
		return db.InTx(ctx, func(tx *store.Tx) error { return c.store(ctx, tx, n, agent) })
	})
	return c, err
}

func (c *class) store(ctx context.Context, tx *store.Tx, n int, agent bool) error {
	now := time.Now().UTC().Truncate(time.Microsecond)
	c.course = store.NewID()
	for i := range n {
		role := app.RoleStudent
		if i == 0 {
			role = app.RoleTeacher
		}
		p, err := newPerson(ctx, tx, role, fmt.Sprintf("Person %d", i))
		if err != nil {
			return err
		}
		c.people = append(c.people, p)
		if i == 0 {
			if err := tx.CreateCourse(ctx, &store.Course{ID: c.course, Title: "Physics", OwnerID: p.id, CreatedAt: now, Version: 1}); err != nil {
				return err
			}
		}
		if _, err := tx.AddCourseMember(ctx, &store.CourseMember{CourseID: c.course, UserID: p.id, Role: role, CreatedAt: now}); err != nil {
			return err
		}
	}
	mode := store.ModeOff
	if agent {
		mode = store.ModeTeacherOnly
	}
	if err := tx.CreateRoom(ctx, &store.Room{ID: c.room, CourseID: c.course, Name: "Waves", IsAIActive: agent, AIMode: mode, AIFrequency: 1,
		CreatedAt: now, Version: 1}); err != nil || !agent {
		return err
	}
	_, err := c.addAgents(ctx, tx, "", "Galileo")
	return err
}

// addAgents adds teaching agents with a trigger to the room, from a project of their own.
// The trigger "" is chance.
func (c *class) addAgents(ctx context.Context, tx *store.Tx, trigger store.JSON, names ...string) (ids []string, err error) {
	now, owner := time.Now().UTC().Truncate(time.Microsecond), c.people[0].id
	org := store.Organization{ID: store.NewID(), Name: "School", OwnerID: owner, CreatedAt: now, Version: 1}
	project := store.Project{ID: store.NewID(), OrganizationID: org.ID, Name: "Physics", CreatedAt: now, Version: 1}
	if err := errors.Join(tx.CreateOrganization(ctx, &org), tx.CreateProject(ctx, &project)); err != nil {
		return nil, err
	}
	for _, name := range names {
		ag := store.Agent{ID: store.NewID(), ProjectID: project.ID, Type: store.AgentTeacher, Name: name, Category: "instructor", ModelProvider: benchProvider,
			SystemPrompt: "You teach physics.", Settings: "{}", Capabilities: "[]", UserKeyIDs: "[]", ContextWindow: 10, IsActive: true,
			TriggerConfig: trigger, CreatedBy: owner, CreatedAt: now, UpdatedAt: now, Version: 1}
		if err := tx.CreateAgents(ctx, []store.Agent{ag}); err != nil {
			return nil, err
		}
		if _, err := tx.AddRoomAgent(ctx, &store.RoomAgent{RoomID: c.room, AgentID: ag.ID, CreatedAt: now}); err != nil {
			return nil, err
		}
		ids = append(ids, ag.ID)
	}
	return ids, nil
}

// newPerson adds a signed-in person; nobody can sign in to the account again.
func newPerson(ctx context.Context, tx *store.Tx, role, name string) (person, error) {
	u, s, err := apptest.AddPerson(ctx, tx, role, name)
	if err != nil {
		return person{}, err
	}
	token, err := apptest.Token(secretKey, s, s.CreatedAt.Add(12*time.Hour))
	return person{id: u.ID, token: token}, err
}
