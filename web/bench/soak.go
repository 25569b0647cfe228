//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/coagent-studio/coagent/store"
)

const (
	soakRooms   = 20
	soakMembers = 100 // five in a room
	// soakEvery is the time between two posts; agents answer three of ten.
	soakEvery  = time.Second / 8
	soakChance = 0.3
	// soakThinks is how long the model thinks.
	soakThinks = 300 * time.Millisecond
	soakSample = 10 * time.Second
	// soakStay and soakAway are how long a member is in the room, and then is not, on
	// average.
	soakStay = 60 * time.Second
	soakAway = 10 * time.Second
)

// soak lets people come and go, post and be answered for a while, on one database after
// the other, and fails when the server's memory or its goroutines grow.
func (l *lab) soak(whole time.Duration) error {
	var errs []error
	for _, kind := range l.databases() {
		s := &soak{lab: l, kind: kind, whole: whole, chance: rand.New(rand.NewPCG(1, 2))}
		if err := s.run(); err != nil {
			errs = append(errs, fmt.Errorf("soak on %s: %w", kind, err))
		}
		if l.ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// soak is one run on one database.
type soak struct {
	*lab
	kind  string
	whole time.Duration

	db      *database
	server  *process
	rooms   []string
	people  []person // in the order of the rooms, again and again
	crowd   crowd
	here    [soakMembers]atomic.Pointer[member]
	visits  atomic.Int64
	acked   atomic.Int64
	posted  int
	samples []soakSampled

	mu     sync.Mutex
	chance *rand.Rand
}

func (s *soak) run() (err error) {
	if s.db, err = s.database(s.kind); err != nil {
		return err
	}
	if err := s.db.with(s.ctx, func(db *store.DB) error {
		return db.InTx(s.ctx, func(tx *store.Tx) error { return s.store(s.ctx, tx) })
	}); err != nil {
		return err
	}
	provider, err := s.spawn(roleProvider, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, provider.stop()) }()
	if err := provider.call("answer", providerArgs{Text: modelAnswer, Wait: soakThinks}, nil); err != nil {
		return err
	}
	site := s.db.site()
	site.Provider = provider.addr + "/v1"
	if s.server, err = s.spawn(roleCoagent, site); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.server.stop()) }()
	if err := s.live(); err != nil {
		return err
	}
	return s.report()
}

// store adds the rooms, each with five members of its own and an agent.
func (s *soak) store(ctx context.Context, tx *store.Tx) error {
	s.people = make([]person, soakMembers)
	for i := range soakRooms {
		c := &class{room: store.NewID()}
		if err := c.store(ctx, tx, soakMembers/soakRooms, true); err != nil {
			return err
		}
		if err := setFrequency(ctx, tx, c.room, soakChance); err != nil {
			return err
		}
		s.rooms = append(s.rooms, c.room)
		for k, p := range c.people {
			s.people[k*soakRooms+i] = p
		}
	}
	return nil
}

// live runs the members, the posts and the samples until the time is over.
func (s *soak) live() error {
	ctx, cancel := context.WithTimeout(s.ctx, s.whole)
	defer cancel()
	var all sync.WaitGroup
	errs := make([]error, soakMembers+2)
	run := func(i int, fn func(context.Context) error) {
		all.Go(func() {
			if errs[i] = fn(ctx); errs[i] != nil {
				cancel() // the others need not go on
			}
		})
	}
	for i := range soakMembers {
		run(i, func(ctx context.Context) error { return s.comeAndGo(ctx, i) })
	}
	run(soakMembers, s.post)
	run(soakMembers+1, s.watch)
	all.Wait()
	s.crowd.readers.Wait()
	return errors.Join(errors.Join(errs...), s.ctx.Err())
}

// about returns a duration around a mean, as of something that may end at any time.
func (s *soak) about(mean time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Duration(s.chance.ExpFloat64() * float64(mean))
}

// until waits, and tells whether there is still time.
func until(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// comeAndGo is a member who reads the history, is in the room for a while, leaves, and
// comes back.
func (s *soak) comeAndGo(ctx context.Context, i int) error {
	for until(ctx, s.about(soakAway)) {
		if err := s.visit(ctx, i); err != nil {
			return fmt.Errorf("a member's visit: %w", err)
		}
	}
	return nil
}

func (s *soak) visit(ctx context.Context, i int) (err error) {
	room, p := s.rooms[i%soakRooms], s.people[i]
	// A visit that has begun goes on when the time is over.
	k, err := dialHTTP(s.ctx, s.server.addr, p)
	if err != nil {
		return err
	}
	_, err = k.do(http.MethodGet, "/api/v1/chat/messages/"+room+"?limit=50", "", http.StatusOK)
	if err := errors.Join(err, k.conn.Close()); err != nil {
		return err
	}
	m, err := dialRoom(s.ctx, s.server.addr, room, p)
	if err != nil {
		return err
	}
	m.crowd = &s.crowd
	m.watch(func(text []byte) {
		if isAck(text) {
			s.acked.Add(1)
		}
	})
	s.crowd.readers.Go(m.read)
	s.here[i].Store(m)
	s.visits.Add(1)
	until(ctx, s.about(soakStay))
	s.here[i].Store(nil)
	return m.leave()
}

// post lets somebody who is there say something, at a steady pace.
func (s *soak) post(ctx context.Context) error {
	tick := time.NewTicker(soakEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		s.mu.Lock()
		i := s.chance.IntN(soakMembers)
		s.mu.Unlock()
		for range soakMembers { // the next who is there
			if m := s.here[i].Load(); m != nil {
				// Who has just left does not say it.
				if m.say(fmt.Sprintf("soak-%d", sayCount.Add(1)), lineText(lineSize)) == nil {
					s.posted++
				}
				break
			}
			i = (i + 1) % soakMembers
		}
	}
}

// watch takes the samples, and with -profile what lives on the heap, in the second and the
// seventh minute.
func (s *soak) watch(ctx context.Context) error {
	start, heaps := time.Now(), []time.Duration{2 * time.Minute, 7 * time.Minute}
	for {
		u, err := s.server.usage()
		if err != nil {
			return err
		}
		s.samples = append(s.samples, soakSampled{time.Since(start), u})
		if s.heaps != "" && len(heaps) > 0 && time.Since(start) >= heaps[0] {
			file := filepath.Join(s.heaps, fmt.Sprintf("soak-%s-%.0fm.heap", s.kind, heaps[0].Minutes()))
			if err := s.server.call("heap", file, nil); err != nil {
				return err
			}
			heaps = heaps[1:]
		}
		if !until(ctx, soakSample) {
			return nil
		}
	}
}

// stored counts the messages of people and of agents in the database.
func (s *soak) stored() (people, agents int, err error) {
	const query = "SELECT count(sender_id), count(agent_id) FROM messages"
	if s.kind == onSQLite {
		lite, err := openLite(s.db)
		if err != nil {
			return 0, 0, err
		}
		err = lite.QueryRowContext(s.ctx, query).Scan(&people, &agents)
		return people, agents, errors.Join(err, lite.Close())
	}
	conn, err := pgx.Connect(s.ctx, s.db.url)
	if err != nil {
		return 0, 0, err
	}
	err = conn.QueryRow(s.ctx, query).Scan(&people, &agents)
	return people, agents, errors.Join(err, conn.Close(s.ctx))
}
