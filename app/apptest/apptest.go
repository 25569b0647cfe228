// Package apptest gives tests a whole App on a real database, with a model
// provider that speaks OpenAI's wire format over real HTTP and says what the
// test scripts. Only what leaves the process is a stand-in; everything else is
// the program's own wiring.
package apptest

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/doctor"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// CanaryKey is the API key of every agent of a Class; it must turn up nowhere
// but in the provider's requests.
const CanaryKey = "sk-canary-4b1d7f0e9c"

// Config is a configuration for tests on the database at url: quick sweeps,
// fixed keys and, with modelURL, OpenAI's API at that address.
func Config(url, modelURL string) *config.Config {
	c := config.Default()
	c.Database.URL = secret.Text(url)
	c.Database.Pool = 8
	c.Timezone = "Asia/Taipei" // the same on every machine
	c.Auth.SecretKey = "0123456789abcdef0123456789abcdef0123456789abcdef"
	c.Auth.HashCheaply(true)
	c.Auth.EncryptionKeys = []secret.Text{"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}
	c.LLM.OpenAI.BaseURL = modelURL
	c.LLM.FirstToken, c.LLM.Silence = 10*time.Second, 10*time.Second
	// No busy machine lets a healthy worker lose its lease; tests of lost ones set it into the past.
	c.Turns.Lease, c.Turns.Heartbeat, c.Turns.Sweep = time.Minute, time.Second, 100*time.Millisecond
	c.Turns.Due = 20 * time.Millisecond
	c.Jobs.DrainTimeout = 3 * time.Second
	c.Limits.PostsPerMinute, c.Limits.PostsBurst, c.Limits.HandshakesPerMinute = 100_000, 100_000, 100_000
	c.Limits.ModelCallsPerMinute, c.Limits.ConnectionsAtOnce = 100_000, 100_000
	c.Limits.EditsPerMinute = 100_000
	c.Quotas = config.Quotas{Organizations: 100_000, Projects: 100_000, Courses: 100_000, Templates: 100_000, Threads: 100_000, Keys: 100_000,
		AccessTokens: 1000, Sessions: 100_000, RoomsPerCourse: 100_000, AnnouncementsPerCourse: 100_000, ReportsPerCourse: 100_000, WorkflowsPerCourse: 100,
		MembersPerCourse: 100_000, MembersPerOrganization: 100_000, AgentsPerProject: 100_000, Bots: 100_000, BotsPerCourse: 1000, Stored: 1 << 30, Artifacts: 1 << 30}
	c.Limits.RequestsPerMinute, c.Limits.RequestsBurst = 10_000_000, 10_000_000
	c.Limits.AddressRequestsPerMinute, c.Limits.AddressRequestsBurst = 10_000_000, 10_000_000
	c.Files.TempDir = os.TempDir()
	c.Files.UploadsPerMinute = 100_000
	c.Backup.To = os.DevNull + "/backups" // a test that makes backups says where
	return c
}

// Rig is one App and what it stands on.
type Rig struct {
	*app.App
	DB     *store.DB
	Model  *llmtest.Server
	Config *config.Config
	roll   atomic.Uint64
	ahead  atomic.Int64
	left   atomic.Int64 // see SetDiskLeft; one more than that
	log    logWriter
	stop   func()
}

// SetRoll sets what every roll of chance gives, in thousandths: 0 wins always,
// 999 loses against any frequency below 1.
func (r *Rig) SetRoll(thousandths uint64) { r.roll.Store(thousandths) }

// Advance moves the App's clock forward.
func (r *Rig) Advance(d time.Duration) { r.ahead.Add(int64(d)) }

// Now is the App's clock.
func (r *Rig) Now() time.Time { return time.Now().Add(time.Duration(r.ahead.Load())) }

// DiskSize is the size of the disk of SetDiskLeft, in bytes.
const DiskSize = 1 << 40

// SetDiskLeft says what every disk has left, in bytes, as the App gets it told.
func (r *Rig) SetDiskLeft(free int64) { r.left.Store(free + 1) }

func (r *Rig) space(path string) (free, total uint64, err error) {
	if left := r.left.Load(); left > 0 {
		return uint64(left - 1), DiskSize, nil
	}
	return doctor.Space(path)
}

// Log is all that the App has logged.
func (r *Rig) Log() string { return r.log.String() }

// Stop stops the App before the test ends, as a process that goes away does.
func (r *Rig) Stop() { r.stop() }

// New starts an App that works and serves on the database at url, and stops it
// when the test ends. tune may change the configuration first. A second one on
// the same Postgres database is a second node.
func New(t testing.TB, url string, tune ...func(*config.Config)) *Rig {
	t.Helper()
	r := NewStopped(t, url, tune...)
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

// NewStopped is New without the start: jobs are stored, nobody works them off.
func NewStopped(t testing.TB, url string, tune ...func(*config.Config)) *Rig {
	t.Helper()
	model := llmtest.New(t)
	cfg := Config(url, model.URL)
	cfg.DataDir = t.TempDir() // what a test writes there is not written among the sources
	for _, f := range tune {
		f(cfg)
	}
	r := &Rig{DB: storetest.Open(t, store.Options{URL: url, Pool: cfg.Database.Pool}), Model: model, Config: cfg, log: logWriter{t: t, all: &safeBuffer{}}}
	a, err := app.New(app.Deps{Config: cfg, DB: r.DB, Log: slog.New(slog.NewTextHandler(r.log, nil)), Now: r.Now,
		Rand: func() float64 { return float64(r.roll.Load()) / 1000 }, Work: true, Serve: true,
		OfflinePause: time.Millisecond, Space: r.space})
	if err != nil {
		t.Fatal(err)
	}
	r.App = a
	r.stop = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
		defer cancel()
		if err := a.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	t.Cleanup(r.stop)
	return r
}

// logWriter shows the log of a failed test, and keeps it for the others.
type logWriter struct {
	t   testing.TB
	all *safeBuffer
}

// Write hands a line to the test's log.
func (w logWriter) Write(b []byte) (int, error) {
	if w.t.Context().Err() == nil { // a test that has ended takes no more lines
		w.t.Logf("%s", b)
	}
	return w.all.Write(b)
}

// String is all that was written.
func (w logWriter) String() string { return w.all.String() }

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// Class is a course with a room, its people and two agents on the scripted
// provider, in a project of their own: tests keep apart by making one each.
type Class struct {
	Admin, Teacher, TA, Student, Outsider *app.Actor

	Course                     *store.Course
	Room                       *store.Room
	Project                    *store.Project
	TeacherAgent, StudentAgent *store.Agent
}

// User adds an account with a role and returns it as an actor with a live
// session; nobody can sign in to it.
func (r *Rig) User(t testing.TB, role, name string) *app.Actor {
	t.Helper()
	var u *store.User
	var s *store.Session
	if err := r.DB.InTx(t.Context(), func(tx *store.Tx) (err error) {
		u, s, err = AddPerson(t.Context(), tx, role, name)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return &app.Actor{User: *u, SessionID: s.ID}
}

// UseWorkflow has the turns of a class's room go through a workflow, see
// store.Room.
func (r *Rig) UseWorkflow(t testing.TB, c *Class, workflow string) {
	t.Helper()
	if err := r.DB.InTx(t.Context(), func(tx *store.Tx) error { return tx.SetRoomWorkflow(t.Context(), c.Room.ID, workflow) }); err != nil {
		t.Fatal(err)
	}
	c.Room.Workflow = workflow
}

// Types describes more types of agents, of which a test then makes some.
func (r *Rig) Types(t testing.TB, admin *app.Actor, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := r.CreateAgentType(t.Context(), admin, name, app.AgentTypeSettings{}); err != nil {
			t.Fatal(err)
		}
	}
}

// Class makes a Class whose room has the given settings over ai_frequency 1;
// its agents answer directly, without a review.
func (r *Rig) Class(t testing.TB, tune ...func(*app.RoomSettings)) *Class {
	t.Helper()
	ctx := t.Context()
	c := &Class{Admin: r.User(t, app.RoleAdmin, "Ada"), Teacher: r.User(t, app.RoleTeacher, "Tess"), TA: r.User(t, app.RoleTA, "Tom"),
		Student: r.User(t, app.RoleStudent, "Sue"), Outsider: r.User(t, app.RoleStudent, "Otto")}
	var err error
	must := func() {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	c.Course, err = r.CreateCourse(ctx, c.Teacher, "Biology", nil)
	must()
	_, err = r.Enrol(ctx, c.Teacher, c.Course.ID, app.Person{ID: c.Student.User.ID}, "student")
	must()
	_, err = r.Enrol(ctx, c.Teacher, c.Course.ID, app.Person{ID: c.TA.User.ID}, "ta")
	must()
	settings := app.RoomSettings{Name: app.Some("Cells"), AIFrequency: app.Some(1.0), AIMode: app.Some(store.ModeBoth)}
	for _, f := range tune {
		f(&settings)
	}
	c.Room, err = r.CreateRoom(ctx, c.Teacher, c.Course.ID, settings)
	must()
	r.UseWorkflow(t, c, "direct")
	org, err := r.CreateOrganization(ctx, c.Teacher, "School", nil)
	must()
	c.Project, err = r.CreateProject(ctx, c.Teacher, org.ID, "Agents", nil)
	must()
	agents, err := storetest.All(r.Agents(ctx, c.Teacher, c.Project.ID, store.Page{}))
	must()
	for i := range agents {
		ag, err := r.UpdateAgent(ctx, c.Teacher, agents[i].ID, app.AgentSettings{ModelProvider: app.Some("openai"),
			Model: app.Some("gpt-4o"), APIKey: app.Some(secret.Text(CanaryKey))})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.AttachAgent(ctx, c.Teacher, c.Room.ID, ag.ID); err != nil {
			t.Fatal(err)
		}
		if ag.Type == store.AgentTeacher {
			c.TeacherAgent = ag
		} else {
			c.StudentAgent = ag
		}
	}
	return c
}

// Await polls until ok returns true. It fails the test after as long as no machine,
// however busy, needs for anything here.
func Await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(2 * time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("waited too long for %s", what)
		case <-tick.C:
		}
	}
}

// Messages waits until a room has n messages and returns them, oldest first.
func (r *Rig) Messages(t testing.TB, roomID string, n int) []store.Message {
	t.Helper()
	var lines []store.Message
	Await(t, "the room's lines", func() bool {
		var err error
		if lines, err = r.DB.Messages(t.Context(), roomID, 0, 1000); err != nil {
			t.Fatal(err)
		}
		return len(lines) >= n
	})
	return lines
}

// Idle waits until nothing is due in a room: no turn is on its way, though one
// may wait for a person, and every line has been looked at.
func (r *Rig) Idle(t testing.TB, roomID string) {
	t.Helper()
	head := func() (looked, seq int64) {
		room, err := r.DB.Room(t.Context(), roomID)
		if err != nil {
			t.Fatal(err)
		}
		return room.DecidedSeq, room.EventSeq
	}
	Await(t, "the room to be idle", func() bool {
		looked, seq := head()
		turns, err := r.DB.Turns(t.Context(), roomID, store.Page{Limit: store.MaxLimit})
		if err != nil {
			t.Fatal(err)
		}
		for _, turn := range turns {
			if turn.EndedAt.IsZero() && turn.State != store.TurnParked {
				return false
			}
		}
		// Every step moves one of the two, so that nothing began or ended between
		// the reads.
		if lookedNow, seqNow := head(); lookedNow != looked || seqNow != seq {
			return false
		}
		return looked == seq
	})
}
