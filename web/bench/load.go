//go:build unix

package main

import (
	"errors"
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
	each time.Duration // time from one answer to the next, over all clients
	cpu  time.Duration // the server's CPU for one request
	p50  time.Duration // half of the requests took at most this
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

func (l *lab) under(work load, p *process) (got pace, err error) {
	clients := make([]*httpClient, len(work.people))
	for i := range clients {
		if clients[i], err = dialHTTP(l.ctx, p.addr, work.people[i]); err != nil {
			return pace{}, err
		}
		defer func() { err = errors.Join(err, clients[i].conn.Close()) }()
	}
	before, err := p.usage()
	if err != nil {
		return pace{}, err
	}
	took, errs := make([][]time.Duration, len(clients)), make([]error, len(clients))
	var all sync.WaitGroup
	start := time.Now()
	for i, k := range clients {
		all.Go(func() {
			for errs[i] == nil && time.Since(start) < work.slice {
				begun := time.Now()
				errs[i] = work.ask(k, i)
				took[i] = append(took[i], time.Since(begun))
			}
		})
	}
	all.Wait()
	wall := time.Since(start)
	if err := errors.Join(errs...); err != nil {
		return pace{}, err
	}
	after, err := p.usage()
	every := slices.Concat(took...)
	n := time.Duration(len(every))
	return pace{each: wall / n, cpu: (after.CPU - before.CPU) / n, p50: median(every)}, err
}
