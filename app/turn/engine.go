package turn

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/limit"
	"github.com/coagent-studio/coagent/app/model"
	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/app/telemetry"
	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
)

// Deps are what an Engine needs.
type Deps struct {
	Config *config.Config
	DB     *store.DB
	Log    *slog.Logger
	// Now is the clock. Rand returns numbers in [0, 1) for the rolls of agents.
	Now        func() time.Time
	Rand       func() float64
	Hub        *realtime.Hub
	Queue      *jobs.Queue
	Model      *model.Caller
	Telemetry  *telemetry.Telemetry
	Background *limit.Gate // for the database work of turns
	Tools      []*Tool     // what agents may call besides the tools of this package
	// Peer tells how an agent outside this program is reached.
	Peer func(ag *store.Agent) (*Peer, error)
	// Tell shows a person why an agent does not answer.
	Tell func(roomID string, s Silence)
	// FileText reads the files that messages show.
	FileText FileText
	Pictures Pictures
	// Sweep takes over other work whose lease ran out before asOf. The sweep of turns
	// calls it.
	Sweep func(ctx context.Context, asOf time.Time) error
}

// Engine lets agents take turns. Make it with New.
type Engine struct {
	cfg        *config.Config
	db         *store.DB
	log        *slog.Logger
	now        func() time.Time
	rand       func() float64
	hub        *realtime.Hub
	queue      *jobs.Queue
	model      *model.Caller
	telemetry  *telemetry.Telemetry
	background *limit.Gate
	tools      []*Tool
	peer       func(ag *store.Agent) (*Peer, error)
	tell       func(roomID string, s Silence)
	fileText   FileText
	pictures   Pictures
	sweepOther func(ctx context.Context, asOf time.Time) error
	zone       *time.Location // schedules and dates are read in this zone

	outside outsideSlots
	stops   turnStops
	typists typists
	known   knownRooms
	people  knownPeople
}

// New makes an Engine. It fails when the schema of a tool is wrong, which is a bug.
func New(d Deps) (*Engine, error) {
	tools, err := Compile(d.Tools)
	if err != nil {
		return nil, err
	}
	return &Engine{cfg: d.Config, db: d.DB, log: d.Log, now: d.Now, rand: d.Rand, hub: d.Hub, queue: d.Queue, model: d.Model,
		telemetry: d.Telemetry, background: d.Background, tools: tools, peer: d.Peer, tell: d.Tell, sweepOther: d.Sweep, fileText: d.FileText, pictures: d.Pictures, zone: d.Config.Location(),
		outside: outsideSlots{most: d.Config.Jobs.TurnWorkers}}, nil
}

// Run sweeps what was lost and fires due triggers, until ctx ends.
func (e *Engine) Run(ctx context.Context) {
	var loops sync.WaitGroup
	loops.Go(func() { e.sweepLoop(ctx) })
	loops.Go(func() { e.dueLoop(ctx) })
	loops.Wait()
}

// instant is now as the database stores it: UTC, in microseconds.
func (e *Engine) instant() time.Time { return e.now().UTC().Truncate(time.Microsecond) }

// ToolNames are the names of all tools, for the nodes of a graph.
func (e *Engine) ToolNames() (names []string) {
	for _, t := range e.tools {
		names = append(names, t.Name)
	}
	return names
}
