//go:build unix

// Command bench measures the program against the floor of the machine, with
// real sockets and real databases:
//
//	go run ./web/bench                 # everything, as `make bench` does
//	go run ./web/bench -only fanout    # one bench; -list names them
//	go run ./web/bench -only class -size small    # in a small school, quickly
//
// Whatever serves runs in a process of its own, started from this same binary
// (see process.go), so that its CPU is told apart from that of the clients
// here. Every figure stands beside a floor that was measured in the same run,
// round by round in turn, since the machine may be shared: a bare server of
// sockets, the bare driver, bare River, a bare HTTP call. The ratio is the
// median over the rounds with its span; nothing fails because it is slow.
//
// Being a program about the whole, it may import all of ours and the bare
// drivers too; nothing imports it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/coagent-studio/coagent/store/storetest/postgres"
	"github.com/coagent-studio/coagent/web/bench/scaling"
)

// bench is one group of figures.
type bench struct {
	name string
	what string
	run  func(*lab) error
}

var benches = []bench{
	{"start", "start to ready, idle memory, size of the binary", benchStart},
	{"fanout", "events to 500 and 1,000 members, in a burst and paced", benchFanout},
	{"mine", "events to people with one socket each for their 50 rooms, against sockets of the room", benchMine},
	{"idle", "memory of 5,000 idle members", benchIdle},
	{"slow", "the others' latency while one member stops reading", benchSlow},
	{"say", "a post until 100 members and its sender know that it is stored", benchSay},
	{"posts", "posts a second by 1, 8 and 32 writers, against one row in a transaction", benchPosts},
	{"silent", "a post into a room whose agents stay silent, against one into a room without AI", benchSilent},
	{"turn", "a post until an agent's answer is stored and seen by 100", benchTurn},
	{"graph", "three agents at once and a synthesis, against the critical path", benchGraph},
	{"decide", "a look at a post with ten agents", benchDecide},
	{"due", "triggers that are due together, and looking for them among 100k rooms", benchDue},
	{"queue", "jobs in and out, against bare River", benchQueue},
	{"model", "a model call against a bare HTTP call", benchModel},
	{"insert", "inserts of the store against the bare driver", benchInsert},
	{"read", "a read with sign-in and permission against a bare Fiber and bun route", benchRead},
	{"class", "what clients call while a class is in session, against bare Fiber and bun routes", benchLesson},
	{"size", "a post and a page of history among few and among many messages", benchSize},
	{"search", "words in 2 million messages, as an admin and as a student", benchSearch},
	{"rest", "CPU and memory of ten minutes in which nobody does anything", benchRest},
}

func main() {
	var err error
	if len(os.Args) == 3 && os.Args[1] == childArg {
		err = serveChild(os.Args[2])
	} else {
		err = run(os.Args[1:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := flags.String("only", "", "run these benches alone, comma separated")
	list := flags.Bool("list", false, "name the benches")
	rounds := flags.Int("rounds", 3, "rounds of each measurement; the table has their medians")
	rows := flags.Int("rows", 2_000_000, "messages of the large room of bench size on Postgres, a tenth of it on SQLite; all messages of bench search")
	size := flags.String("size", "full", "database of bench class: full (100k users, 10k rooms, 2M messages) or small (a fiftieth); small rests for a minute")
	on := flags.String("on", "", "measure on this database alone: "+onPostgres+" or "+onSQLite)
	soak := flags.Duration("soak", 0, "instead of the benches, let a school live for so long, and fail when the server's memory grows")
	heaps := flags.String("heaps", "", "folder for profiles of the heap in minutes 2 and 7 of a soak")
	tables := flags.Bool("scaling", false, "print the tables of docs/scaling.md; nothing is measured")
	profile := flags.String("profile", "", "folder for CPU profiles of the processes under test")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *list {
		for _, b := range benches {
			fmt.Printf("%-8s %s\n", b.name, b.what)
		}
		return nil
	}
	if *tables {
		for _, t := range scaling.Tables() {
			fmt.Println(t)
		}
		return nil
	}
	chosen, err := choose(*only)
	if err != nil {
		return err
	}
	scale, ok := schools[*size]
	if !ok {
		return fmt.Errorf("-size is full or small, not %q", *size)
	}
	if *on != "" && *on != onPostgres && *on != onSQLite {
		return fmt.Errorf("-on is %s or %s, not %q", onPostgres, onSQLite, *on)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	l := &lab{ctx: ctx, rounds: max(*rounds, 1), rows: *rows, school: scale, profile: *profile, restFor: restFor, on: *on}
	if *size == "small" {
		l.restFor = restSmall
	}
	if *soak > 0 {
		if *heaps != "" {
			if l.heaps, err = filepath.Abs(*heaps); err != nil {
				return err
			}
		}
		return l.within(func() error { return l.soak(*soak) })
	}
	return l.within(func() error { return l.runAll(chosen) })
}

func choose(only string) ([]bench, error) {
	if only == "" {
		return benches, nil
	}
	var chosen []bench
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(benches, func(b bench) bool { return b.name == name })
		if i < 0 {
			return nil, fmt.Errorf("no bench is named %q; -list names them", name)
		}
		chosen = append(chosen, benches[i])
	}
	return chosen, nil
}

// lab is what the benches share.
type lab struct {
	ctx     context.Context
	rounds  int
	rows    int
	school  school
	profile string
	heaps   string
	on      string // the only kind of database, or ""

	dir    string // temporary, removed at the end
	server *postgres.Server
	made   int // databases so far
	built  string

	restFor time.Duration
	resting []*resting
	table   table
}

// within gives fn a folder, and Postgres where it is installed.
func (l *lab) within(fn func() error) (err error) {
	if l.dir, err = os.MkdirTemp("", "coagent-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(l.dir)) }()
	if l.on == onSQLite {
		return fn()
	}
	l.server, err = postgres.Start(l.ctx, postgres.Options{Fsync: true})
	if errors.Is(err, postgres.ErrNotInstalled) && l.on == "" {
		fmt.Fprintln(os.Stderr, "bench: no figures for Postgres:", err)
	} else if err != nil {
		return err
	} else {
		defer func() { err = errors.Join(err, l.server.Close()) }()
	}
	return fn()
}

func (l *lab) runAll(chosen []bench) (err error) {
	var errs []error
	if slices.ContainsFunc(chosen, func(b bench) bool { return b.name == "rest" }) {
		if err := l.beginRest(); err != nil {
			errs = append(errs, fmt.Errorf("rest: %w", err))
		}
		defer func() { err = errors.Join(err, l.endRest()) }()
	}
	for _, b := range chosen {
		start := time.Now()
		fmt.Fprintf(os.Stderr, "bench: %s (%s) ...", b.name, b.what)
		// A bench that fails does not stop the others.
		if err := b.run(l); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", b.name, err))
			fmt.Fprint(os.Stderr, " FAILED")
		}
		fmt.Fprintf(os.Stderr, " %.0f s\n", time.Since(start).Seconds())
		if l.ctx.Err() != nil {
			break
		}
	}
	l.table.print(os.Stdout)
	return errors.Join(errs...)
}
