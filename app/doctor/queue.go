package doctor

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
)

// aliveNodes are the processes that told of themselves lately. SQLite has one process, which
// tells nothing.
func aliveNodes(ctx context.Context, in *Installation) ([]store.Node, error) {
	all, err := in.DB.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	now := in.Now()
	return slices.DeleteFunc(all, func(n store.Node) bool { return !n.Alive(now) }), nil
}

// nodes tells which processes there are.
func nodes(ctx context.Context, in *Installation) []Finding {
	if !in.DB.Postgres() {
		if in.ServedAt == "" {
			return one(nothingServes())
		}
		if in.ServedVersion != "" && in.ServedVersion != in.Version {
			return one(differs(in.ServedVersion, in.Version))
		}
		return one(fine(words("One process serves, at %s", in.ServedAt)))
	}
	alive, err := aliveNodes(ctx, in)
	if err != nil {
		return failed(err)
	}
	var serve, work int
	var versions []string
	for _, n := range alive {
		if n.Serves {
			serve++
		}
		if n.Works {
			work++
		}
		if !slices.Contains(versions, n.Version) {
			versions = append(versions, n.Version)
		}
	}
	var found []Finding
	switch {
	case len(alive) == 0:
		return one(nothingServes())
	case work == 0:
		found = append(found, fault(words("No process works off jobs, so no agent answers"), words("Start `coagent worker`, or set jobs.in_serve to true")))
	case serve == 0:
		found = append(found, warn(words("No process serves"), words("Start `coagent serve`")))
	}
	switch {
	case len(versions) == 1 && versions[0] != in.Version:
		found = append(found, differs(versions[0], in.Version))
	case len(versions) > 1:
		slices.Sort(versions)
		found = append(found, warn(words("The processes are of several versions: %s", strings.Join(versions, ", ")), words("Bring all of them to one version")))
	}
	if len(found) == 0 {
		return one(fine(words("%d processes serve, and %d work off jobs", serve, work)))
	}
	return found
}

// differs says that this program is another than the one that runs.
func differs(runs, this string) Finding {
	return warn(words("The running server is of version %s, and this program is of version %s", runs, this),
		words("Start the server anew with the new program, or use the program with which it runs"))
}

func nothingServes() Finding {
	return Finding{State: Skipped, Text: words("Nothing serves this installation now"), Remedy: words("Start `coagent serve`")}
}

const (
	// lateJob is how long a job may wait before people notice, and lostJob when they have.
	lateJob, lostJob = time.Minute, 10 * time.Minute
	// lapsed is how long nobody has taken over a turn whose worker is gone.
	lapsed = 2 * time.Minute
	// counted bounds how many such turns are counted.
	counted = 100
)

// queue tells whether jobs are done, and which were given up.
func queue(ctx context.Context, in *Installation) (found []Finding) {
	states, err := in.DB.QueueCounts(ctx)
	if err != nil {
		return failed(err)
	}
	sums := map[string]int64{}
	for _, s := range states {
		sums[s.State] += s.Jobs
	}
	ages, err := jobs.Ages(ctx, in.DB, in.Now())
	if err != nil {
		return failed(err)
	}
	var oldest time.Duration
	for _, age := range ages {
		oldest = max(oldest, age)
	}
	remedy := words("Look whether a worker runs and keeps up (jobs.workers, jobs.turn_workers), and at /admin/queue")
	switch age := oldest.Round(time.Second); {
	case oldest > lostJob:
		found = append(found, fault(words("%d jobs wait, the oldest for %v: nobody works them off", sums["available"], age), remedy))
	case oldest > lateJob:
		found = append(found, warn(words("%d jobs wait, the oldest for %v", sums["available"], age), remedy))
	}
	overdue, err := in.DB.OverdueTurns(ctx, in.Now().Add(-lapsed).UTC(), counted)
	if err != nil {
		return append(found, failed(err)...)
	}
	if n := len(overdue); n > 0 {
		found = append(found, warn(words("%d turns of agents have lost their worker, the oldest at %s, and none has taken them over", n,
			overdue[0].LeaseUntil.UTC().Format(time.RFC3339)), remedy))
	}
	if n := sums["discarded"]; n > 0 {
		found = append(found, warn(words("%d jobs were given up after several attempts", n), words("See why at /admin/queue, and start them again or delete them there")))
	}
	if len(found) == 0 {
		return one(fine(words("%d jobs wait, %d are under way, %d are planned", sums["available"], sums["running"], sums["scheduled"]+sums["retryable"])))
	}
	return found
}
