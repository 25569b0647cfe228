//go:build unix

package main

import (
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/coagent-studio/coagent/web/bench/scaling"
)

// reckoning compares posts by many with what is reckoned for them from posts by one, as
// docs/scaling.md does for other machines.
type reckoning struct{ seen []*seenPosts }

// seenPosts are the rounds of one way to post, and of the floor beside it.
type seenPosts struct {
	school      scaling.School
	nodes       int
	posts, rows []pace
}

func (r *reckoning) add(school scaling.School, nodes int, posts, rows pace) {
	for _, s := range r.seen {
		if s.school == school && s.nodes == nodes {
			s.posts, s.rows = append(s.posts, posts), append(s.rows, rows)
			return
		}
	}
	r.seen = append(r.seen, &seenPosts{school, nodes, []pace{posts}, []pace{rows}})
}

// of returns the median of something over the rounds.
func of(paces []pace, what func(pace) time.Duration) time.Duration {
	var all []time.Duration
	for _, p := range paces {
		all = append(all, what(p))
	}
	return median(all).Round(time.Microsecond)
}

func cpuOfOne(p pace) time.Duration      { return p.cpu }
func databaseOfOne(p pace) time.Duration { return p.database }
func timeOfOne(p pace) time.Duration     { return p.each }

// others tells how many cores were taken by what is not measured.
func others(paces []pace) float64 {
	var all []float64
	for _, p := range paces {
		all = append(all, max(0, float64(p.machine-p.cpu-p.database-p.clients)/float64(p.each)))
	}
	return median(all)
}

// compare adds a figure for each way, and prints what it reckons from.
func (r *reckoning) compare(t *table) {
	one, many := r.seen[0], r.seen[len(postWriters)-1]
	alone := scaling.Alone{Client: of(one.posts, func(p pace) time.Duration { return p.clients }), Server: of(one.posts, cpuOfOne),
		Database: of(one.posts, databaseOfOne), Row: of(one.rows, cpuOfOne), RowDatabase: of(one.rows, databaseOfOne), RowEach: of(one.rows, timeOfOne),
		RowMany: of(many.rows, cpuOfOne), RowManyDatabase: of(many.rows, databaseOfOne)}
	fmt.Fprintf(os.Stderr, "\nscaling.Alone%+v\n", alone)
	for _, s := range r.seen {
		check := scaling.Check{School: s.school, Nodes: s.nodes, Others: others(s.posts)}
		f := &figure{name: fmt.Sprintf("posts: reckoned from 1, %d in %d rooms, nodes: %d", s.school.Writers, s.school.Rooms, s.nodes), db: onPostgres,
			unit: "/s", aim: aim{ratioWithin, scaling.Within}, note: "floor: what docs/scaling.md reckons"}
		reckoned := check.Reckon(alone, runtime.NumCPU())
		f.last = fmt.Sprintf("others took %.2f of %d cores", check.Others, runtime.NumCPU())
		for _, p := range s.posts {
			f.got, f.floor = append(f.got, p.rate()), append(f.floor, reckoned)
		}
		t.add(f)
	}
}
