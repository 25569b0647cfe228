package store_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/stdlib"

	"github.com/coagent-studio/coagent/store"
)

// The machine's own time zone must never show in a row.
func TestMain(m *testing.M) {
	time.Local = time.FixedZone("elsewhere", 8*3600)
	os.Exit(m.Run())
}

// at is the time at which the rows of these tests are made.
var at = time.Date(2026, 3, 1, 9, 0, 0, 123456000, time.UTC)

// world is one course with a room and the people and agents in it.
type world struct {
	*testing.T
	db           *store.DB
	owner, pupil *store.User
	course       *store.Course
	room         *store.Room
	project      *store.Project
	agent        *store.Agent
}

func newWorld(t *testing.T, db *store.DB) *world {
	t.Helper()
	w := &world{T: t, db: db, owner: newUser("owner"), pupil: newUser("pupil")}
	w.course = &store.Course{ID: store.NewID(), Title: "Course", OwnerID: w.owner.ID, CreatedAt: at, Version: 1}
	w.room = newRoom(w.course.ID)
	org := &store.Organization{ID: store.NewID(), Name: "Org", OwnerID: w.owner.ID, CreatedAt: at}
	w.project = &store.Project{ID: store.NewID(), OrganizationID: org.ID, Name: "Project", CreatedAt: at}
	w.agent = newAgent(w.project.ID)
	w.tx(func(ctx context.Context, tx *store.Tx) error {
		return errors.Join(tx.CreateUser(ctx, w.owner), tx.CreateUser(ctx, w.pupil), tx.CreateCourse(ctx, w.course),
			tx.CreateRoom(ctx, w.room), tx.CreateOrganization(ctx, org), tx.CreateProject(ctx, w.project),
			tx.CreateAgents(ctx, []store.Agent{*w.agent}))
	})
	return w
}

func newUser(name string) *store.User {
	id := store.NewID()
	username := name + "-" + id
	return &store.User{ID: id, Email: username + "@example.com", Username: &username, Role: "student", IsActive: true, CreatedAt: at, Version: 1}
}

func newRoom(courseID string) *store.Room {
	return &store.Room{ID: store.NewID(), CourseID: courseID, Name: "Room", AIFrequency: 0.5, AIMode: "both", CreatedAt: at, Version: 1}
}

func newAgent(projectID string) *store.Agent {
	id := store.NewID()
	return &store.Agent{ID: id, ProjectID: projectID, Type: "teacher", Name: "Agent " + id, Category: "instructor", ModelProvider: "offline",
		Settings: "{}", Capabilities: "[]", UserKeyIDs: "[]", ContextWindow: 10, CreatedAt: at, UpdatedAt: at, Version: 1}
}

func newTurn(w *world, trigger int64, state string) store.Turn {
	return store.Turn{ID: store.NewID(), RoomID: w.room.ID, AgentID: w.agent.ID, TriggerSeq: trigger, State: state, Attempt: 1, CreatedAt: at}
}

// try runs fn in a transaction and returns what InTx returns.
func (w *world) try(fn func(context.Context, *store.Tx) error) error {
	return w.db.InTx(w.Context(), func(tx *store.Tx) error { return fn(w.Context(), tx) })
}

// tx is try for what must succeed.
func (w *world) tx(fn func(context.Context, *store.Tx) error) {
	w.Helper()
	if err := w.try(fn); err != nil {
		w.Fatal(err)
	}
}

// say posts one line as the pupil and returns its number.
func (w *world) say(content string) (seq int64) {
	w.Helper()
	w.tx(func(ctx context.Context, tx *store.Tx) (err error) {
		seq, err = post(ctx, tx, w, store.Message{SenderID: w.pupil.ID, Content: content})
		return err
	})
	return seq
}

// post stores a line with its event, as a post does.
func post(ctx context.Context, tx *store.Tx, w *world, m store.Message) (int64, error) {
	m.ID, m.RoomID, m.CreatedAt = store.NewID(), w.room.ID, at
	e := &store.Event{RoomID: w.room.ID, ID: store.NewID(), Type: "message", Body: "{}", CreatedAt: at}
	if added, _, err := tx.AddMessage(ctx, &m, e, store.Heard{}); err != nil {
		return 0, err
	} else if !added {
		return 0, errTaken
	}
	return m.Seq, nil
}

var errTaken = errors.New("this line is stored already")

// raw gives SQL of the test's own a way past the store's statements.
func raw(t *testing.T, db *store.DB) *sql.DB {
	t.Helper()
	if !db.Postgres() {
		return db.Writer()
	}
	r := stdlib.OpenDBFromPool(db.Pool())
	r.SetMaxIdleConns(0)
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func count(t *testing.T, db *store.DB, query string) (n int) {
	t.Helper()
	if err := raw(t, db).QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

func mustBe(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) || want == nil && got != nil {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
