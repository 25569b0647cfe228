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
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/coagent-studio/coagent/store/storetest/postgres"
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
	{"idle", "memory of 5,000 idle members", benchIdle},
	{"slow", "the others' latency while one member stops reading", benchSlow},
	{"say", "a post until 100 members and its sender know that it is stored", benchSay},
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
	rows := flags.Int("rows", 2_000_000, "messages of the large room of bench size on Postgres; a tenth of it on SQLite")
	size := flags.String("size", "full", "database of bench class: full (100k users, 10k rooms, 2M messages) or small (a fiftieth)")
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
	chosen, err := choose(*only)
	if err != nil {
		return err
	}
	scale, ok := schools[*size]
	if !ok {
		return fmt.Errorf("-size is full or small, not %q", *size)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	l := &lab{ctx: ctx, rounds: max(*rounds, 1), rows: *rows, school: scale, profile: *profile}
	return l.runAll(chosen)
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

	dir    string // temporary, removed at the end
	server *postgres.Server
	made   int // databases so far
	table  table
}

func (l *lab) runAll(chosen []bench) (err error) {
	if l.dir, err = os.MkdirTemp("", "coagent-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(l.dir)) }()
	l.server, err = postgres.Start(l.ctx, postgres.Options{Fsync: true})
	if errors.Is(err, postgres.ErrNotInstalled) {
		fmt.Fprintln(os.Stderr, "bench: no figures for Postgres:", err)
	} else if err != nil {
		return err
	} else {
		defer func() { err = errors.Join(err, l.server.Close()) }()
	}
	var errs []error
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
