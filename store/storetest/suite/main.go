// Command suite runs the tests of packages and says at the end what did not
// run for want of a tool:
//
//	go run ./store/storetest/suite -race "./app ./store" -first ./web/chaos -packages ./... -- -shuffle=on
//
// Every test runs on each database once. The packages named by -race run twice:
// without the race detector on SQLite, which is ten to fifty times slower under
// it, then with it on Postgres. The others run once, on both, beside them. Without
// a C compiler the second run goes without the detector. Under CI a missing tool is
// a failure.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/coagent-studio/coagent/store/storetest/ram"
)

// gotestsum runs and shows the tests; it is fetched by go, as the linter is.
const gotestsum = "gotest.tools/gotestsum@v1.13.0"

// databaseEnv is the one of storetest. That package is not imported, and of ours only
// ram is, so that this one builds at once.
const databaseEnv = "COAGENT_TEST_DATABASE"

func main() {
	race := flag.String("race", "", "packages whose tests run once more, with the race detector")
	first := flag.String("first", "", "packages that take longest among the others, to start with them")
	packages := flag.String("packages", "./...", "packages to test")
	flag.Parse()
	ok, err := run(strings.Fields(*packages), strings.Fields(*race), strings.Fields(*first), flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "suite:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// pass is one run of go test.
type pass struct {
	title    string
	packages []string
	race     bool
	database string // of databaseEnv, both when empty
}

func run(packages, race, first, args []string) (bool, error) {
	all, err := list(packages)
	if err != nil {
		return false, err
	}
	twice, err := list(race)
	if err != nil {
		return false, err
	}
	if first, err = list(first); err != nil {
		return false, err
	}
	// go test starts packages in the order in which it is given them. One that takes long
	// would run alone at the end.
	var once, both []string
	for _, p := range slices.Concat(twice, first, all) {
		switch {
		case !slices.Contains(all, p):
		case slices.Contains(twice, p):
			both = appendOnce(both, p)
		default:
			once = appendOnce(once, p)
		}
	}
	var sum summary
	detector := len(both) > 0 && canRace()
	if len(both) > 0 && !detector {
		sum.lacks = append(sum.lacks, "without -race: no C compiler")
	}
	// Two lanes run side by side. The packages that start processes mostly wait, the others
	// compute.
	lanes := [][]pass{
		{{"on both databases", once, false, ""}},
		{{"on SQLite", both, false, "sqlite"}, {"on Postgres", both, detector, "postgres"}},
	}
	if detector {
		lanes[1][1].title += ", with the race detector"
	}
	if err := compile(all); err != nil {
		return false, err
	}
	var running sync.WaitGroup
	failures := make([]error, len(lanes))
	for i, lane := range lanes {
		running.Go(func() {
			for _, p := range lane {
				if len(p.packages) == 0 {
					continue
				}
				fmt.Printf("%d packages %s\n", len(p.packages), p.title)
				if failures[i] = p.run(&sum, args); failures[i] != nil {
					return
				}
			}
		})
	}
	running.Wait()
	if err := errors.Join(failures...); err != nil {
		return false, err
	}
	fmt.Println(sum.line())
	return sum.ok(os.Getenv("CI") == "true"), nil
}

func appendOnce(all []string, p string) []string {
	if slices.Contains(all, p) {
		return all
	}
	return append(all, p)
}

// compile builds the packages, so that the lanes need not each compile the same.
func compile(packages []string) error {
	// One that has tests alone cannot be built.
	out, err := exec.Command("go", append([]string{"list", "-f", "{{if .GoFiles}}{{.ImportPath}}{{end}}"}, packages...)...).Output()
	if err != nil {
		return err
	}
	sources := strings.Fields(string(out))
	if len(sources) == 0 {
		return nil
	}
	cmd := exec.Command("go", append([]string{"build", "-v", "-o", os.DevNull}, sources...)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

// list resolves patterns to import paths.
func list(patterns []string) ([]string, error) {
	if len(patterns) == 0 {
		return nil, nil
	}
	cmd := exec.Command("go", append([]string{"list"}, patterns...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	return strings.Fields(string(out)), err
}

// canRace tries what -race needs: cgo with a compiler and the C library's headers, and a
// platform that has the detector.
func canRace() bool {
	cmd := exec.Command("go", "build", "-race", "runtime/race", "runtime/cgo")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	return cmd.Run() == nil
}

// interruptible runs cmd to its end. It hands on the signals that ask us to stop, so that
// we live to remove the folder in memory, and returns the last of them.
func interruptible(cmd *exec.Cmd) (stopped os.Signal, err error) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case stopped = <-signals:
			_ = cmd.Process.Signal(stopped) // it may just have ended
		case err := <-ended:
			return stopped, err
		}
	}
}

// run runs one pass to its end and adds its results to the summary.
func (p pass) run(sum *summary, args []string) error {
	dir, err := os.MkdirTemp(ram.Dir(), "coagent-suite-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	// A Postgres of a test has its folder there, and as root its user is another.
	if err := os.Chmod(dir, 0o711); err != nil {
		return err
	}
	events := filepath.Join(dir, "events.json")
	call := []string{"run", gotestsum, "--format=pkgname", "--hide-summary=skipped", "--jsonfile=" + events}
	call = append(call, "--packages="+strings.Join(p.packages, " "), "--")
	// The tests' own files are in memory where that is possible: SQLite waits for its disk
	// at every commit. What go builds is too much for it. Both go by GOTMPDIR.
	if ram.Dir() != "" {
		call = append(call, "-exec=env GOTMPDIR="+dir)
	}
	cgo := "CGO_ENABLED=0"
	if p.race {
		call, cgo = append(call, "-race"), "CGO_ENABLED=1"
	}
	cmd := exec.Command("go", append(call, args...)...)
	cmd.Env = append(os.Environ(), cgo, databaseEnv+"="+p.database)
	if ram.Dir() != "" {
		cmd.Env = append(cmd.Env, "TMPDIR="+dir)
	}
	if os.Getenv("GOTMPDIR") == "" {
		cmd.Env = append(cmd.Env, "GOTMPDIR="+os.TempDir())
	}
	// A collector that runs a fourth as often saves a tenth of the time, until the heap is
	// large.
	if os.Getenv("GOGC") == "" {
		cmd.Env = append(cmd.Env, "GOGC=400", "GOMEMLIMIT=1GiB")
	}
	alive := &progress{to: os.Stdout, packages: len(p.packages)}
	cmd.Stdout, cmd.Stderr = alive, alive
	stop := alive.start(15 * time.Second)
	stopped, failed := interruptible(cmd)
	stop()
	if stopped != nil {
		return fmt.Errorf("stopped by %v", stopped)
	}
	file, err := os.Open(events)
	if err != nil {
		return fmt.Errorf("no test ran: %w", err)
	}
	defer file.Close()
	return sum.add(bufio.NewReaderSize(file, 1<<20), failed != nil)
}
