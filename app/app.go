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
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coagent-studio/coagent/app/a2a"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/ledger"
	"github.com/coagent-studio/coagent/app/limit"
	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/model"
	"github.com/coagent-studio/coagent/app/outbound"
	"github.com/coagent-studio/coagent/app/price"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/app/telemetry"
	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/app/wording"
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
	Version     string // of the program, as admins see it
	// OfflinePause is how long the offline provider waits before each piece of an answer;
	// 0 means about as long as a reader takes for it.
	OfflinePause time.Duration
	// Space tells what the disks have left; nil asks the system.
	Space DiskSpace
}

// App is the program behind the web server. Make it with New, run it with Start.
type App struct {
	cfg       *config.Config
	db        *store.DB
	log       *slog.Logger
	now       clock
	queue     *jobs.Queue
	engine    *turn.Engine
	model     *model.Caller
	ledger    *ledger.Ledger
	telemetry *telemetry.Telemetry
	process   process

	audit     auditLog
	quotas    quotas
	limits    *limits
	sessions  *sessions
	passwords *passwords
	twoFactor *twoFactor
	signOns   *signOns
	operator  *Operator
	agents    *agentRules
	artifacts *artifacts
	files     *fileStorage
	calls     *personCalls
	backfills []*backfill
	backups   *backupMaker
	threads   *threads
	reports   *reports
	diagnosis *diagnosis
	disks     *diskGuard
	rotation  *keyRotation
	copying   chan struct{} // holds a token for each copy of a course that this process makes
	audience  *audience
	isSetUp   atomic.Bool // see Meta
}

// process is what this process does, and its life.
type process struct {
	id        string // as the other processes know it
	version   string
	started   time.Time
	serve     bool
	keys      string        // see store.Node
	workers   *jobs.Workers // nil when it works on no jobs
	cluster   *cluster      // nil on SQLite
	closing   chan struct{} // closed when this process shuts down
	closeOnce sync.Once
	stop      context.CancelFunc // ends the loops below
	loops     sync.WaitGroup
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
	cfg, db, log, now := d.Config, d.DB, telemetry.Logger(d.Log), clock(d.Now)
	a := &App{cfg: cfg, db: db, log: log, now: now, process: process{id: db.Node(), version: d.Version, started: now.instant(), serve: d.Serve, keys: strings.Join(keys.Fingerprints(), " "), closing: make(chan struct{})},
		audit: auditLog{now: now}, quotas: quotas{most: &cfg.Quotas}, limits: newLimits(db, now, cfg)}
	// It bounds how much of the agents' database work runs at once, so that people's
	// requests always find a free connection: under load the agents wait.
	background := limit.NewGate(max(cfg.Database.Pool/2, 1))
	hub := newHub(cfg, db, now, log, a.heardSignal, func(roomID string) { a.audience.spoken(roomID) })
	if a.telemetry, err = newTelemetry(cfg, db, hub, models, log, now, d.Version); err != nil {
		return nil, err
	}
	if a.queue, err = jobs.New(db, jobs.Options{Log: quietQueueLog(log), Carry: a.telemetry.Carry}); err != nil {
		return nil, err
	}
	if a.ledger, err = newLedger(cfg, db, now, log, background, a.telemetry); err != nil {
		return nil, err
	}
	lender := func(ctx context.Context, ag *store.Agent) (string, error) { return lendingCreator(ctx, db, ag) }
	a.model = model.New(model.Deps{Turns: cfg.Turns, DB: db, Log: log, Now: now, Keyring: keys, Models: models,
		Telemetry: a.telemetry, Background: background, Ledger: a.ledger, Lender: lender})
	a.sessions = &sessions{cfg: cfg, db: db, now: now, hub: hub, audit: a.audit}
	follow := newFollowers(db, hub, log.With("part", "followers"), now)
	follow.mine = a.myRooms
	a.audience = &audience{hub: hub, now: now, followers: follow,
		rechecks: rechecks{db: db, hub: hub, log: log, sessions: a.sessions, followers: follow, asked: make(chan struct{}, 1)}}
	a.twoFactor = &twoFactor{cfg: cfg, db: db, now: now, keys: keys, log: log, audit: a.audit}
	a.passwords = &passwords{cfg: cfg, db: db, now: now, hasher: NewHasher(cfg.Auth)}
	a.signOns = newSignOns(a, keys)
	a.agents = &agentRules{db: db, now: now, keys: keys, models: models, model: a.model, quotas: a.quotas, audit: a.audit,
		external: a2a.NewClient(outsideGuard(cfg.External)), messageBytes: int(cfg.Limits.MessageBytes)}
	a.rotation = &keyRotation{db: db, keys: keys, now: now, log: log, node: db.Node()}
	a.operator = &Operator{cfg: cfg, db: db, log: log, now: now, audit: a.audit, agents: a.agents, passwords: a.passwords, rotation: a.rotation}
	a.artifacts = &artifacts{db: db, now: now, limits: &cfg.Limits, quotas: a.quotas, audience: a.audience}
	if a.files, err = newFileStorage(cfg, db, log, now, background); err != nil {
		return nil, err
	}
	place, err := newBackupPlace(cfg, now)
	if err != nil {
		return nil, err
	}
	a.backups = &backupMaker{place: place, queue: a.queue,
		archives: &Archives{cfg: cfg, db: db, log: log, now: now, files: a.files, version: d.Version, tell: func(Progress) {}}}
	a.copying = make(chan struct{}, 1)
	a.diagnosis = newDiagnosis()
	a.disks = newDiskGuard(cfg, db.Postgres(), now, log, d.Space)
	a.reports = &reports{cfg: cfg, db: db, log: log, now: now, quotas: a.quotas, model: a.model, background: background,
		audience: a.audience, reload: reportReload, closing: a.process.closing, queue: a.queue, pictures: a.files.pictures}
	a.engine, err = turn.New(turn.Deps{Config: cfg, DB: db, Log: log, Now: now, Rand: d.Rand, Hub: hub, Queue: a.queue,
		Model: a.model, Telemetry: a.telemetry, Background: background,
		Tools: []*turn.Tool{a.artifacts.tool(true), a.artifacts.tool(false)}, Peer: a.agents.peer, Tell: a.audience.tell, FileText: a.files.text, Pictures: a.files.pictures, Sweep: a.sweep})
	if err != nil {
		return nil, err
	}
	a.ledger.Spent = a.warnOfBudgets
	a.calls = &personCalls{cfg: cfg, db: db, rate: a.limits.asks, closing: a.process.closing}
	a.threads = &threads{cfg: cfg, db: db, now: now, quotas: a.quotas, engine: a.engine}
	a.backfills = []*backfill{
		{what: "search", lease: "search_index", left: db.SearchBackfill, part: (*store.Tx).IndexMessages},
		{what: "figures", lease: "figures", left: db.TalkBackfill, part: (*store.Tx).CountTalk},
	}
	for _, b := range a.backfills {
		b.db, b.log, b.background = db, log, background
	}
	if d.Work {
		if a.process.workers, err = a.newWorkers(newPruner(cfg, db, log, now, background, a.files)); err != nil {
			return nil, err
		}
	}
	if db.Postgres() {
		a.process.cluster = newCluster(db, a.audience, a.queue, a.accountsChanged, d.Work, d.Serve, log)
	}
	db.CountDaysIn(cfg.Location())
	db.OnCommit(a.audience.publish)
	db.OnAccounts(a.accountsChanged)
	db.OnGain(func(ctx context.Context, tx *store.Tx, userIDs []string) error {
		return dropLinks(ctx, now, tx, userIDs)
	})
	return a, nil
}

// newWorkers makes the workers of the job queue.
func (a *App) newWorkers(p *pruner) (*jobs.Workers, error) {
	h := a.engine.Handlers()
	h.RunReport, h.CopyCourse, h.RotateKeys, h.OnFailure = a.reports.run, a.runCopy, a.runRotation, jobOutcome
	h.MakeBackup, h.BackUp = a.backups.run, a.backups.due
	h.Prune = func(ctx context.Context, job jobs.Prune) error {
		return errors.Join(p.prune(ctx, job), a.backups.planNext(ctx))
	}
	return jobs.NewWorkers(a.queue, jobs.Work{Handlers: h, QuickWorkers: a.cfg.Jobs.Workers, TurnWorkers: a.cfg.Jobs.TurnWorkers,
		PruneEvery: pruneEvery, Log: quietQueueLog(a.log),
		Begin: func(ctx context.Context, j jobs.Begun) (context.Context, func(jobs.Outcome, error)) {
			return observeJob(ctx, a.telemetry, a.now, a.log, j)
		}})
}

// sweep takes over what other processes have left, besides turns.
func (a *App) sweep(ctx context.Context, asOf time.Time) error {
	return errors.Join(a.reports.sweep(ctx, asOf), a.sweepCopies(ctx, asOf), a.sweepRotation(ctx, asOf), a.backups.sweep(ctx, asOf), a.tellDueReactions(ctx), a.ledger.Sweep(ctx, a.instant()))
}

func newLedger(cfg *config.Config, db *store.DB, now clock, log *slog.Logger, background *limit.Gate, count ledger.Counter) (*ledger.Ledger, error) {
	prices, err := price.NewTable(cfg.Prices, cfg.Location())
	if err != nil {
		return nil, err
	}
	return ledger.New(ledger.Deps{DB: db, Log: log, Now: now, Prices: prices, Zone: cfg.Location(), Background: background, Count: count,
		Within: max(cfg.LLM.Total, cfg.Turns.MaxDuration, cfg.Limits.AnswerWithin) + callSlack}), nil
}

func newModels(cfg *config.Config, pause time.Duration) (*llm.Models, error) {
	l := cfg.LLM
	providers := map[string]llm.ProviderConfig{
		"openai":        {Kind: llm.KindOpenAI, BaseURL: l.OpenAI.BaseURL, DefaultModel: l.OpenAI.DefaultModel},
		"gemini":        {Kind: llm.KindGemini, BaseURL: l.Gemini.BaseURL, DefaultModel: l.Gemini.DefaultModel},
		"claude":        {Kind: llm.KindClaude, BaseURL: l.Claude.BaseURL, DefaultModel: l.Claude.DefaultModel},
		providerOffline: {Kind: llm.KindOffline},
	}
	for name, p := range l.Providers {
		providers[name] = llm.ProviderConfig{Kind: llm.Kind(p.Kind), BaseURL: p.BaseURL, DefaultModel: p.DefaultModel, Keyless: p.Keyless}
	}
	return llm.New(llm.Config{Providers: providers, Proxy: l.Proxy, Limits: llm.Limits{
		Connect: l.Connect, FirstToken: l.FirstToken, Silence: l.Silence, Total: l.Total, MaxBytes: int(l.MaxBytes)},
		OfflinePause: pause})
}

// outsideGuard lets calls to addresses that people type in go to public ones, and into
// the networks that the operator allows.
func outsideGuard(cfg config.External) *outbound.Guard {
	var allow []netip.Prefix
	if cfg.AllowPrivate {
		allow = outbound.Private()
	}
	for _, text := range cfg.Allow {
		if network, err := outbound.ParseNetwork(text); err == nil { // config has refused what is none
			allow = append(allow, network)
		}
	}
	return outbound.NewGuard(allow...)
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

// listenWithin is how long a start waits for the listener. Without it the server starts, and
// says that it is not ready.
const listenWithin = 3 * time.Second

// Start runs the listener, the job queue, the sweep and the due triggers. ctx bounds
// only the start.
func (a *App) Start(ctx context.Context) error {
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	a.process.stop = stop
	if a.process.cluster != nil {
		a.process.loops.Go(func() { a.process.cluster.run(run) })
		a.process.loops.Go(func() { a.tellOthers(run) })
		// Who is told that the server is ready must not read that it is not.
		begin, done := context.WithTimeout(ctx, listenWithin)
		defer done()
		a.process.cluster.listener.WaitReady(begin)
	}
	if a.process.serve {
		a.process.loops.Go(func() { a.audience.rechecks.run(run) })
		a.process.loops.Go(func() { a.audience.followers.run(run) })
	}
	if a.process.workers == nil {
		return nil
	}
	if err := a.engine.Recover(ctx); err != nil {
		stop()
		return err
	}
	if err := errors.Join(a.backups.planNext(ctx), a.process.workers.Start(ctx)); err != nil {
		stop()
		return err
	}
	a.process.loops.Go(func() { a.engine.Run(run) })
	for _, b := range a.backfills {
		a.process.loops.Go(func() { b.run(run) })
	}
	return nil
}

// Closing is closed when this process shuts down. Whatever streams ends then.
func (a *App) Closing() <-chan struct{} { return a.process.closing }

// CloseSockets tells all connected clients that this process shuts down. It waits
// until the last frames are written, or until ctx ends.
func (a *App) CloseSockets(ctx context.Context) error {
	a.process.closeOnce.Do(func() { close(a.process.closing) })
	return a.audience.hub.Close(ctx)
}

// Stop lets running jobs finish until the drain timeout, gives back the turns that
// did not finish, ends the loops and sends the last traces. ctx is the deadline for
// all of this.
func (a *App) Stop(ctx context.Context) error {
	var err error
	if a.process.workers != nil {
		err = a.process.workers.Stop(ctx, a.cfg.Jobs.DrainTimeout)
	}
	if a.process.stop != nil {
		a.process.stop()
	}
	done := make(chan struct{})
	go func() { a.process.loops.Wait(); close(done) }()
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
// that of this program, events of other processes arrive, and the disks to which it writes
// take more. Otherwise the error is KindUnavailable.
func (a *App) Ready(ctx context.Context) error {
	if err := a.db.Ping(ctx); err != nil {
		return &Error{Kind: KindUnavailable, Code: wording.Database, Message: "The database does not answer", Err: err}
	}
	if err := a.db.CheckSchema(ctx); err != nil {
		return &Error{Kind: KindUnavailable, Code: wording.Schema, Message: "The database schema does not fit this program", Err: err}
	}
	if a.process.serve && a.process.cluster != nil && !a.process.cluster.listener.Ready() {
		return errorf(KindUnavailable, wording.Listener, "Events of other nodes do not arrive")
	}
	return a.disks.check(ctx)
}
