//go:build unix

package main

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"
)

// beside runs fn with a coagent and a bare service on one database.
func (l *lab) beside(db *database, role string, setting any, fn func(ours, bare *process) error) (err error) {
	ours, err := l.spawn(roleCoagent, db.site())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ours.stop()) }()
	bare, err := l.spawn(role, setting)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bare.stop()) }()
	return fn(ours, bare)
}

// load keeps a server busy for a while: each of these people sends one request after the
// other on their own connection.
type load struct {
	people []person
	slice  time.Duration
	ask    func(k *httpClient, client int) error
}

// pace is how fast a server was under a load.
type pace struct {
	each     time.Duration // time from one answer to the next, over all clients
	cpu      time.Duration // the server's CPU for one request
	p50, p99 time.Duration // half of the requests, and 99 of 100, took at most this
	database time.Duration // the CPU of Postgres for one request; 0 where the system does not tell
	clients  time.Duration // that of the clients
	machine  time.Duration // that of everybody on the machine
}

// rate is the number of answers in a second.
func (p pace) rate() float64 { return float64(time.Second) / float64(p.each) }

// cores tells how many cores each of the processes kept busy.
func (p pace) cores() string {
	share := func(cpu time.Duration) float64 { return float64(cpu) / float64(p.each) }
	return fmt.Sprintf("cores: server %.2f, Postgres %.2f, clients %.2f; with others %.2f of %d", share(p.cpu), share(p.database), share(p.clients),
		share(p.machine), runtime.NumCPU())
}

// inTurn puts a load on both servers, once in each round. It keeps every pair of paces
// but the first, which warms up.
func (l *lab) inTurn(ours, bare *process, work load, keep func(ours, bare pace)) error {
	for i := range l.rounds + 1 {
		got, err := l.under(work, ours)
		if err != nil {
			return err
		}
		floor, err := l.under(work, bare)
		if err != nil {
			return err
		}
		if i > 0 {
			keep(got, floor)
		}
	}
	return nil
}

// under puts a load on a server, or on several that share it.
func (l *lab) under(work load, servers ...*process) (got pace, err error) {
	clients := make([]*httpClient, len(work.people))
	for i := range clients {
		if clients[i], err = dialHTTP(l.ctx, servers[i%len(servers)].addr, work.people[i]); err != nil {
			return pace{}, err
		}
		defer func() { err = errors.Join(err, clients[i].conn.Close()) }()
	}
	before, err := l.spent(servers)
	if err != nil {
		return pace{}, err
	}
	wall, every, err := busy(len(clients), work.slice, func(i int) error { return work.ask(clients[i], i) })
	if err != nil {
		return pace{}, err
	}
	after, err := l.spent(servers)
	got = paceOf(wall, every, before, after)
	got.cpu = (after.servers - before.servers) / time.Duration(len(every))
	return got, err
}

// paceOf is the pace of requests that took so long.
func paceOf(wall time.Duration, every []time.Duration, before, after spent) pace {
	n := time.Duration(len(every))
	return pace{each: wall / n, p50: median(every), p99: quantile(every, 0.99), database: (after.database - before.database) / n,
		clients: (after.own - before.own) / n, machine: (after.machine - before.machine) / n}
}

// spent is the CPU that was used so far.
type spent struct{ servers, database, own, machine time.Duration }

func (l *lab) spent(servers []*process) (s spent, err error) {
	for _, p := range servers {
		u, err := p.usage()
		if err != nil {
			return s, err
		}
		s.servers += u.CPU
	}
	s.database, s.own, s.machine = l.databaseCPU(), ownCPU(), machineCPU()
	return s, nil
}

// busy runs fn on n goroutines for a while, and returns how long that was and what each
// call took.
func busy(n int, slice time.Duration, fn func(i int) error) (wall time.Duration, every []time.Duration, err error) {
	took, errs := make([][]time.Duration, n), make([]error, n)
	var all sync.WaitGroup
	start := time.Now()
	for i := range n {
		all.Go(func() {
			for errs[i] == nil && time.Since(start) < slice {
				begun := time.Now()
				errs[i] = fn(i)
				took[i] = append(took[i], time.Since(begun))
			}
		})
	}
	all.Wait()
	return time.Since(start), slices.Concat(took...), errors.Join(errs...)
}
