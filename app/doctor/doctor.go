// Package doctor examines an installation: its configuration, folders, database, queue and
// accounts, and whether people reach it through its public address. Each finding says what
// is so and, unless all is well, what helps.
//
// Of our packages it imports config, store, the queue and leaves. It knows nothing of
// people's rights; package app asks it for whoever may know.
//
// # Invariants
//
//   - It changes nothing: no file is made, no schema is brought up, no secret is generated.
//     What it writes to try something it takes away again.
//   - Every check has a bound of time. One that does not come back is a finding itself, and
//     is not begun again while it hangs.
//   - A finding has no secret: no key, no password, no address with one.
package doctor

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// State is what a check has come to.
type State string

// The states, from the best to the worst.
const (
	OK      State = "ok"
	Skipped State = "skipped" // what the check needs is not there
	Warning State = "warning"
	Fault   State = "fault"
)

// States are all states, from the best to the worst.
func States() []State { return []State{OK, Skipped, Warning, Fault} }

// Finding is what one check says.
type Finding struct {
	Check  string // one of Checks
	State  State
	Text   wording.Text
	Remedy wording.Text // its Pattern is empty when nothing has to be done
}

// Report is an examination.
type Report struct {
	Version  string // of the program that examined
	At       time.Time
	Findings []Finding
}

// State is the worst state of all findings. What was skipped counts as well.
func (r *Report) State() State {
	worst := OK
	for _, f := range r.Findings {
		if f.State != Skipped && slices.Index(States(), f.State) > slices.Index(States(), worst) {
			worst = f.State
		}
	}
	return worst
}

// Installation is what is examined. What is not known is left zero.
type Installation struct {
	Config   *config.Config // nil when it is not valid
	Problems []string       // why it is not valid
	Notices  []string       // what reading it noticed
	File     string         // from which it was read, "" for none

	DB    *store.DB // nil when it could not be opened
	DBErr error     // why
	// ServedAt is where a process serves this data folder, "" when none is known to.
	ServedAt string
	// ServedVersion is the version of that process, "" when it is not known.
	ServedVersion string
	Version       string
	Now           func() time.Time

	// Keys counts the stored secrets that another key than the first has encrypted, and those
	// that no key reads. It may be nil.
	Keys func(context.Context) (older, unreadable int, err error)
	// DemoLogins are the accounts of the demo that still have the passwords they were made
	// with. It may be nil.
	DemoLogins func(context.Context) ([]string, error)
	// TestKeys asks the providers about the keys. It is nil unless that was asked for.
	TestKeys func(context.Context) ([]KeyResult, error)

	usage func(path string) (usage, error) // usageOf when nil; a test has others
}

// need is what a check cannot do without.
type need int

const (
	nothing  need = iota
	settings      // a valid configuration
	database      // the database, whatever its schema is
	rows          // with a schema that fits
)

// check is one examination. It has a bound of time of its own.
type check struct {
	name   string
	needs  need
	within time.Duration
	run    func(context.Context, *Installation) []Finding
}

// quick bounds a check that asks the machine or the database.
const quick = 5 * time.Second

// checks are all checks, in the order in which they are told.
var checks = []check{
	{"configuration", nothing, quick, configuration},
	{"folders", settings, quick, folders},
	{"disk", settings, quick, disks},
	{"timezone", settings, quick, timezone},
	{"database", settings, quick, connection},
	{"listening", database, 2 * quick, listening},
	{"clock", database, quick, clock},
	{"schema", database, quick, schema},
	{"postgres", database, quick, postgres},
	{"sqlite", database, 2 * quick, sqlite},
	{"encryption", rows, 2 * quick, encryption},
	{"accounts", rows, quick, accounts},
	{"nodes", rows, quick, nodes},
	{"queue", rows, quick, queue},
	{"backups", rows, quick, backups},
	{"providers", rows, 4 * quick, providerKeys},
}

// Checks are the names of all checks, in the order in which they are told.
func Checks() []string {
	names := make([]string, len(checks))
	for i, c := range checks {
		names[i] = c.name
	}
	return names
}

// Doctor examines. Its zero value is ready; one of them serves a process.
type Doctor struct {
	mu      sync.Mutex
	hanging map[string]time.Time // checks that have not come back, with when they began
}

// Examine makes all checks, several at once. It returns within the largest of their bounds.
func (d *Doctor) Examine(ctx context.Context, in *Installation) *Report {
	r := &Report{Version: in.Version, At: in.Now().UTC()}
	have, why := in.has(ctx)
	found := make([][]Finding, len(checks))
	var wg sync.WaitGroup
	for i, c := range checks {
		wg.Go(func() {
			if have < c.needs {
				found[i] = []Finding{{State: Skipped, Text: why}}
				return
			}
			found[i] = d.bounded(ctx, in, c)
		})
	}
	wg.Wait()
	for i, c := range checks {
		for _, f := range found[i] {
			f.Check = c.name
			r.Findings = append(r.Findings, f)
		}
	}
	return r
}

// has tells how much of an installation is there, and why not more.
func (in *Installation) has(ctx context.Context) (need, wording.Text) {
	switch {
	case in.Config == nil:
		return nothing, words("Not examined, because the configuration is not valid")
	case in.DB == nil:
		return settings, words("Not examined, because the database cannot be opened")
	}
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	if in.DB.CheckSchema(ctx) != nil {
		return database, words("Not examined, because the schema of the database does not fit")
	}
	return rows, wording.Text{}
}

// bounded makes one check. A file system or a server that hangs may keep it beyond its bound;
// then it is left alone.
func (d *Doctor) bounded(ctx context.Context, in *Installation, c check) []Finding {
	began := in.Now()
	d.mu.Lock()
	if since, hangs := d.hanging[c.name]; hangs {
		d.mu.Unlock()
		return []Finding{{State: Fault, Text: words("An earlier check has not come back since %s", since.UTC().Format(time.RFC3339)),
			Remedy: words("Look at the disk, the network and the database; restart the server when they answer again")}}
	}
	if d.hanging == nil {
		d.hanging = map[string]time.Time{}
	}
	d.hanging[c.name] = began
	d.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, c.within)
	done := make(chan []Finding, 1)
	go func() {
		defer cancel()
		found := c.run(ctx, in)
		d.mu.Lock()
		delete(d.hanging, c.name)
		d.mu.Unlock()
		done <- found
	}()
	select {
	case found := <-done:
		return found
	case <-time.After(c.within + time.Second): // what heeds the context has come back by then
		return []Finding{{State: Fault, Text: words("The check has not come back within %v", c.within),
			Remedy: words("Look at the disk, the network and the database: one of them does not answer")}}
	}
}

// words makes a text of a constant pattern with its values.
func words(pattern string, args ...any) wording.Text {
	return wording.Text{Pattern: pattern, Args: args}
}

func fine(text wording.Text) Finding { return Finding{State: OK, Text: text} }
func warn(text, remedy wording.Text) Finding {
	return Finding{State: Warning, Text: text, Remedy: remedy}
}
func fault(text, remedy wording.Text) Finding {
	return Finding{State: Fault, Text: text, Remedy: remedy}
}
func one(f Finding) []Finding { return []Finding{f} }

// failed is a check that could not be made because of an error. Its text is the operator's.
func failed(err error) []Finding {
	return one(fault(words("The check has failed: %s", err.Error()), words("Look at the server's log, and try again")))
}

// size writes a number of bytes for people.
func size(n uint64) string {
	const unit = 1024
	value, names := float64(n), []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	i := 0
	for value >= unit && i < len(names)-1 {
		value /= unit
		i++
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", value, names[i])
}
