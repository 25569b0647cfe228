package app

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"time"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/doctor"
	"github.com/coagent-studio/coagent/store"
)

// diagnosisAge is how long the result of an examination is told again. A page that is loaded
// anew, or several at once, cost one.
const diagnosisAge = 10 * time.Second

// diagnosis examines the installation from inside a process that serves or works.
type diagnosis struct {
	doctor doctor.Doctor
	turn   chan struct{} // one at a time
	last   *doctor.Report
}

func newDiagnosis() *diagnosis { return &diagnosis{turn: make(chan struct{}, 1)} }

// Diagnose examines the installation for a super admin; with keys the providers are asked
// about their keys as well.
func (a *App) Diagnose(ctx context.Context, actor *Actor, keys bool) (*doctor.Report, error) {
	if err := Check(actor, ActDiagnose, Resource{}); err != nil {
		return nil, err
	}
	return a.diagnose(ctx, keys)
}

// DiagnoseInside is Diagnose for the internal address, at which nobody is asked who they are.
func (a *App) DiagnoseInside(ctx context.Context) (*doctor.Report, error) {
	return a.diagnose(ctx, false)
}

func (a *App) diagnose(ctx context.Context, keys bool) (*doctor.Report, error) {
	d := a.diagnosis
	select {
	case d.turn <- struct{}{}:
		defer func() { <-d.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if d.last != nil && !keys && a.now().Sub(d.last.At) < diagnosisAge {
		return d.last, nil
	}
	in := &doctor.Installation{Config: a.cfg, File: a.cfg.File(), DB: a.db, Version: a.process.version, Now: a.now, DemoLogins: a.operator.demoLogins}
	in.ServedAt, _, _ = ServedAt(a.cfg) // without it the process is not found, which a finding tells
	in.Keys = a.operator.countKeys
	if keys {
		in.TestKeys = a.testAllKeys
	}
	r := d.doctor.Examine(ctx, in)
	if !keys {
		d.last = r
	}
	return r, nil
}

// Examined is what the command `coagent doctor` examines.
type Examined struct {
	Config  *config.Config // nil when it could not be read
	Err     error          // why
	Notices []string
	Version string
	Keys    bool // ask the providers about their keys
}

// Diagnose examines an installation from outside: it works while something serves and while
// nothing does, and makes nothing.
func Diagnose(ctx context.Context, e Examined) *doctor.Report {
	in := &doctor.Installation{Config: e.Config, Notices: e.Notices, Version: e.Version, Now: time.Now} //nolint:forbidigo // a command has the real clock
	if e.Config == nil {
		in.Problems = []string{e.Err.Error()}
		var wrong *config.Error
		if errors.As(e.Err, &wrong) {
			in.Problems = wrong.Problems
		}
		return new(doctor.Doctor).Examine(ctx, in)
	}
	in.File = e.Config.File()
	in.ServedAt, _, _ = ServedAt(e.Config) // without it nothing is known to serve
	in.ServedVersion = servedVersion(e.Config)
	in.DB, in.DBErr = openAsItIs(ctx, e.Config)
	if in.DB != nil {
		defer func() { _ = in.DB.Close() }() // nothing was written
		silent := *e.Config
		silent.Telemetry.OTLPEndpoint = ""
		a, err := New(Deps{Config: &silent, DB: in.DB, Log: slog.New(slog.DiscardHandler), Now: in.Now, Rand: rand.Float64, Version: e.Version}) //nolint:forbidigo // see above
		if err == nil {                                                                                                                          // otherwise a finding tells why
			in.DemoLogins, in.Keys = a.operator.demoLogins, a.operator.countKeys
			if e.Keys {
				in.TestKeys = a.testAllKeys
			}
		}
	}
	return new(doctor.Doctor).Examine(ctx, in)
}

// openAsItIs opens the database without making one, its secrets or its folder.
func openAsItIs(ctx context.Context, cfg *config.Config) (*store.DB, error) {
	o := store.Options{URL: "sqlite:" + cfg.SQLitePath(), Pool: 4}
	if cfg.Postgres() {
		o.URL, o.ListenURL = cfg.Database.URL.Reveal(), cfg.Database.ListenURL.Reveal()
	} else if _, err := os.Stat(cfg.SQLitePath()); errors.Is(err, fs.ErrNotExist) {
		return nil, doctor.ErrNoDatabase
	}
	if err := cfg.ReadSecrets(); err != nil {
		return nil, err
	}
	return store.Open(ctx, o)
}

// countKeys counts the stored secrets that need a rotation, and those that no key reads.
func (o *Operator) countKeys(ctx context.Context) (older, unreadable int, err error) {
	r, err := o.rotation.status(ctx)
	if err != nil {
		return 0, 0, err
	}
	return r.Older(), r.Unreadable(), nil
}

// demoLogins are the names of the demo's accounts whose passwords are those that demo.txt
// lists.
func (o *Operator) demoLogins(ctx context.Context) (names []string, err error) {
	accounts, err := o.openDemo(ctx)
	for _, a := range accounts {
		names = append(names, a.Name)
	}
	return names, err
}
