// Package app holds the rules of coagent: who may do what, and what happens then.
// It knows neither HTTP nor SQL nor the engine of the job queue.
//
// # Where to find things
//
// The same noun names the file in every layer. Posting a message is PostMessage in
// messages.go here; its URL and body are in web/messages.go, its statements in
// store/messages.go, its table in migrations. access.go says who may do what. Package
// app/turn is the engine in which agents take turns, app/model the door to their models,
// app/event what the members of a room see, app/config which settings exist.
//
// # Invariants
//
//  1. Every exported method that acts for a person takes the Actor and calls Check.
//  2. A change, its events and its jobs commit in one transaction.
//  3. No model call, hashing or network access happens inside a transaction.
//  4. Errors that a person may see are *Error.
//  5. The clock and the source of chance come from Deps.
package app

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/coagent-studio/coagent/app/a2a"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/limit"
	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/model"
	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/app/telemetry"
	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
)

// Deps are what an App needs.
type Deps struct {
	Config *config.Config
	DB     *store.DB
	Log    *slog.Logger
	// Now is the clock. Rand returns numbers in [0, 1) for the rolls of agents.
	Now  func() time.Time
	Rand func() float64
	// Work says that this process works on jobs; Serve says that people connect to
	// it.
	Work, Serve bool
	// OfflinePause is how long the offline provider waits before each piece of an answer;
	// 0 means about as long as a reader takes for it.
	OfflinePause time.Duration
}

// App is the program behind the web server. Make it with New, run it with Start.
type App struct {
	cfg       *config.Config
	db        *store.DB
	log       *slog.Logger
	now       clock
	model     *model.Caller
	external  *a2a.Client
	telemetry *telemetry.Telemetry
	engine    *turn.Engine
	queue     *jobs.Queue
	hub       *realtime.Hub
	listen    *realtime.Listener
	work      bool
	serve     bool

	sessions   *sessions
	passwords  *passwords
	operator   *Operator
	agents     *agentRules
	limits     *limits
	quotas     quotas
	audit      auditLog
	artifacts  *artifacts
	pruner     *pruner
	calls      modelCallSlots
	silences   silences
	streams    streams
	recheckNow chan struct{} // tells recheckLoop not to wait, see rightsChanged
	background *limit.Gate   // for the agents' database work, see New
	closing    chan struct{} // closed when this process shuts down
	closeOnce  sync.Once

	stop  context.CancelFunc // ends the loops below
	loops sync.WaitGroup
}

// New makes an App; nothing runs before Start. It fails when the configuration cannot
// be used, for example because of an encryption key.
func New(d Deps) (*App, error) {
	keys, err := secret.NewKeyring(d.Config.Auth.EncryptionKeys...)
	if err != nil {
		return nil, err
	}
	models, err := newModels(d.Config, cmp.Or(d.OfflinePause, offlinePause))
	if err != nil {
		return nil, err
	}
	a := &App{cfg: d.Config, db: d.DB, log: telemetry.Logger(d.Log), now: d.Now, work: d.Work, serve: d.Serve,
		closing:    make(chan struct{}),
		recheckNow: make(chan struct{}, 1),
		// It bounds how much of the agents' database work runs at once, so that
		// people's requests always find a free connection: under load the agents
		// wait.
		background: limit.NewGate(max(d.Config.Database.Pool/2, 1)),
		external:   a2a.NewClient(d.Config.External.AllowPrivate),
	}
	a.limits = newLimits(d.DB, d.Now, d.Config.Limits)
	a.quotas, a.audit = quotas{most: &d.Config.Quotas}, auditLog{now: d.Now}
	a.artifacts = &artifacts{db: d.DB, now: d.Now, limits: &d.Config.Limits}
	a.pruner = &pruner{cfg: d.Config, db: d.DB, log: a.log, now: d.Now, background: a.background}
	a.passwords = &passwords{cfg: d.Config, db: d.DB, now: d.Now, hasher: NewHasher(d.Config.Auth.HashConcurrency)}
	a.hub = a.newHub()
	if a.telemetry, err = newTelemetry(d.Config, d.DB, a.hub, models, a.log, d.Now); err != nil {
		return nil, err
	}
	a.model = model.New(model.Deps{Turns: d.Config.Turns, DB: d.DB, Log: a.log, Now: d.Now, Keyring: keys, Models: models,
		Telemetry: a.telemetry, Background: a.background, Lender: a.lendingCreator})
	a.sessions = &sessions{cfg: d.Config, db: d.DB, now: d.Now, hub: a.hub, audit: a.audit}
	a.agents = &agentRules{db: d.DB, now: d.Now, keys: keys, models: models, model: a.model, quotas: a.quotas, audit: a.audit}
	a.operator = &Operator{cfg: d.Config, db: d.DB, log: a.log, now: d.Now, audit: a.audit, agents: a.agents, passwords: a.passwords}
	a.engine, err = turn.New(turn.Deps{Config: d.Config, DB: d.DB, Log: a.log, Now: d.Now, Rand: d.Rand, Hub: a.hub, Model: a.model,
		Telemetry: a.telemetry, Background: a.background, Tools: []*turn.Tool{a.artifacts.tool(true), a.artifacts.tool(false)},
		Tell: a.tellSilence, Sweep: a.sweepReports})
	if err != nil {
		return nil, err
	}
	options := jobs.Options{QuickWorkers: d.Config.Jobs.Workers, TurnWorkers: d.Config.Jobs.TurnWorkers, PruneEvery: pruneEvery, Log: quietQueueLog(a.log),
		Carry: a.telemetry.Carry, Begin: a.observeJob}
	if d.Work {
		options.Handlers = a.handlers()
	}
	if a.queue, err = jobs.New(d.DB, options); err != nil {
		return nil, err
	}
	a.engine.Use(a.queue)
	if d.DB.Postgres() {
		a.listen = a.newListener()
	}
	d.DB.OnCommit(a.publish)
	d.DB.OnGain(a.dropLinks)
	return a, nil
}

func newModels(cfg *config.Config, pause time.Duration) (*llm.Models, error) {
	l := cfg.LLM
	providers := map[string]llm.ProviderConfig{
		"openai":        {Kind: llm.KindOpenAI, BaseURL: l.OpenAI.BaseURL, DefaultModel: l.OpenAI.DefaultModel},
		"gemini":        {Kind: llm.KindGemini, BaseURL: l.Gemini.BaseURL, DefaultModel: l.Gemini.DefaultModel},
		providerOffline: {Kind: llm.KindOffline},
	}
	for name, p := range l.Providers {
		providers[name] = llm.ProviderConfig{Kind: llm.Kind(p.Kind), BaseURL: p.BaseURL, DefaultModel: p.DefaultModel, Keyless: p.Keyless}
	}
	return llm.New(llm.Config{Providers: providers, Limits: llm.Limits{
		Connect: l.Connect, FirstToken: l.FirstToken, Silence: l.Silence, Total: l.Total, MaxBytes: int(l.MaxBytes)},
		OfflinePause: pause})
}

// offlinePause makes the demo's answers stream at about the speed of a reader.
const offlinePause = 30 * time.Millisecond

// quietQueueLog keeps the queue's messages below Warn out of the log.
func quietQueueLog(log *slog.Logger) *slog.Logger {
	return slog.New(levelHandler{log.Handler(), slog.LevelWarn}).With("part", "queue")
}

type levelHandler struct {
	slog.Handler
	least slog.Level
}

// Enabled is false for records below the handler's least level.
func (h levelHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= h.least && h.Handler.Enabled(ctx, l)
}

// WithAttrs keeps the least level on derived handlers.
func (h levelHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return levelHandler{h.Handler.WithAttrs(attrs), h.least}
}

// WithGroup keeps the least level on derived handlers.
func (h levelHandler) WithGroup(name string) slog.Handler {
	return levelHandler{h.Handler.WithGroup(name), h.least}
}

// clock tells the time. It is the one of Deps.
type clock func() time.Time

// instant is now as the database stores it: UTC, in microseconds.
func (c clock) instant() time.Time { return c().UTC().Truncate(time.Microsecond) }

func (a *App) instant() time.Time { return a.now.instant() }

// Start runs the listener, the job queue, the sweep and the due triggers. ctx bounds
// only the start.
func (a *App) Start(ctx context.Context) error {
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	a.stop = stop
	if a.listen != nil {
		a.loops.Go(func() { a.listen.Run(run) })
	}
	if a.serve {
		a.loops.Go(func() { a.recheckLoop(run) })
	}
	if !a.work {
		return nil
	}
	if err := a.engine.Recover(ctx); err != nil {
		stop()
		return err
	}
	if err := a.queue.Start(ctx); err != nil {
		stop()
		return err
	}
	a.loops.Go(func() { a.engine.Run(run) })
	return nil
}

// CloseSockets tells all connected clients that this process shuts down. It waits
// until the last frames are written, or until ctx ends.
func (a *App) CloseSockets(ctx context.Context) error {
	a.closeOnce.Do(func() { close(a.closing) })
	return a.hub.Close(ctx)
}

// Stop lets running jobs finish until the drain timeout, gives back the turns that
// did not finish, ends the loops and sends the last traces. ctx is the deadline for
// all of this.
func (a *App) Stop(ctx context.Context) error {
	var err error
	if a.work {
		err = a.queue.Stop(ctx, a.cfg.Jobs.DrainTimeout)
	}
	if a.stop != nil {
		a.stop()
	}
	done := make(chan struct{})
	go func() { a.loops.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		err = errors.Join(err, ctx.Err())
	}
	err = errors.Join(err, a.CloseSockets(ctx))
	a.telemetry.Close(ctx)
	return err
}

// Ready returns nil when this process can serve: the database answers, its schema is
// that of this program, and events of other processes arrive. Otherwise the error is
// KindUnavailable.
func (a *App) Ready(ctx context.Context) error {
	if err := a.db.Ping(ctx); err != nil {
		return &Error{Kind: KindUnavailable, Code: "database", Message: "The database does not answer", Err: err}
	}
	if err := a.db.CheckSchema(ctx); err != nil {
		return &Error{Kind: KindUnavailable, Code: "schema", Message: "The database schema does not fit this program", Err: err}
	}
	if a.serve && a.listen != nil && !a.listen.Ready() {
		return errorf(KindUnavailable, "listener", "Events of other nodes do not arrive")
	}
	return nil
}
