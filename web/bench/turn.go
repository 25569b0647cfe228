//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store"
)

// roleProvider is a model provider that answers at once, or as it is told.
const roleProvider = "provider"

// providerArgs say how the provider answers.
type providerArgs struct {
	Text string
	Wait time.Duration // before the answer begins
}

func startProvider(json.RawMessage) (*service, error) {
	server := llmtest.Start()
	set := func(raw json.RawMessage) (any, error) {
		var a providerArgs
		if err := json.Unmarshal(raw, &a); err != nil {
			return nil, err
		}
		server.Script(llmtest.Always(llmtest.Response{Text: a.Text, Wait: a.Wait}))
		return nil, nil
	}
	return &service{addr: server.URL, stop: func() error { server.Close(); return nil },
		ops: map[string]func(json.RawMessage) (any, error){"answer": set}}, nil
}

const (
	turnMembers = 100
	turnPosts   = 20 // in a round
	modelAnswer = "Because light scatters at small angles in the air."
)

// benchTurn measures the time from a post until an agent's answer is stored and has come
// to all members. The agent's provider answers at once.
func benchTurn(l *lab) error {
	for _, kind := range l.databases() {
		if err := l.turn(kind); err != nil {
			return err
		}
	}
	return nil
}

// answering is a room whose members listen and whose agents have a provider.
type answering struct {
	db             *database
	ours, provider *process
	class          *crowd
	ends           []func() error
}

// answers makes such a room with this number of members, and with what prepare adds to
// it. Call end on the result, with an error too.
func (l *lab) answers(kind string, members int, how providerArgs, prepare func(context.Context, *store.Tx, *class) error) (a *answering, err error) {
	a = &answering{}
	if a.db, err = l.database(kind); err != nil {
		return a, err
	}
	c, err := a.db.newClass(l.ctx, members, true)
	if err != nil {
		return a, err
	}
	if prepare != nil {
		if err := a.db.with(l.ctx, func(db *store.DB) error {
			return db.InTx(l.ctx, func(tx *store.Tx) error { return prepare(l.ctx, tx, c) })
		}); err != nil {
			return a, err
		}
	}
	if a.provider, err = l.spawn(roleProvider, nil); err != nil {
		return a, err
	}
	a.ends = append(a.ends, a.provider.stop)
	if err := a.provider.call("answer", how, nil); err != nil {
		return a, err
	}
	s := a.db.site()
	s.Provider = a.provider.addr + "/v1"
	if a.ours, err = l.spawn(roleCoagent, s); err != nil {
		return a, err
	}
	a.ends = append(a.ends, a.ours.stop)
	if a.class, err = joinRoom(l.ctx, a.ours.addr, c.room, c.people); err != nil {
		return a, err
	}
	a.ends = append(a.ends, a.class.leave)
	time.Sleep(2 * time.Second)
	return a, nil
}

func (a *answering) end() (err error) {
	for _, end := range slices.Backward(a.ends) {
		err = errors.Join(err, end())
	}
	return err
}

func (l *lab) turn(kind string) (err error) {
	a, err := l.answers(kind, turnMembers, providerArgs{Text: modelAnswer}, nil)
	defer func() { err = errors.Join(err, a.end()) }()
	if err != nil {
		return err
	}
	limit := map[string]float64{onPostgres: 20, onSQLite: 25}[kind]
	stored := &figure{name: fmt.Sprintf("turn: post to the reply at %d members, p50", turnMembers), db: kind, unit: "ms", aim: aim{valueAtMost, limit}}
	first := &figure{name: "turn: post to the first delta, p50", db: kind, unit: "ms", aim: aim{valueAtMost, limit}}
	for i := range l.rounds + 1 {
		var whole, deltas []time.Duration
		before, err := l.spent([]*process{a.ours})
		if err != nil {
			return err
		}
		for range turnPosts {
			t, err := l.turnOnce(a.class)
			if err != nil {
				return err
			}
			whole, deltas = append(whole, t.whole), append(deltas, t.first)
			time.Sleep(20 * time.Millisecond)
		}
		after, err := l.spent([]*process{a.ours})
		if err != nil {
			return err
		}
		if i == 0 {
			continue // warms up
		}
		stored.got, first.got = append(stored.got, milliseconds(median(whole))), append(first.got, milliseconds(median(deltas)))
		stored.cpu = append(stored.cpu, (after.servers-before.servers)/turnPosts)
		stored.note = fmt.Sprintf("p90 of the last round %.1f ms, CPU of Postgres %.1f ms", milliseconds(quantile(whole, 0.9)),
			milliseconds(after.database-before.database)/turnPosts)
	}
	l.table.add(stored)
	l.table.add(first)
	return nil
}

type turnTimes struct{ first, whole time.Duration }

func (l *lab) turnOnce(c *crowd) (t turnTimes, err error) {
	delta, finished := []byte(`{"type":"delta"`), []byte(`"state":"finished"`)
	ended := make(chan struct{})
	var mu sync.Mutex
	sender := c.members[len(c.members)-1]
	start := time.Now()
	sender.watch(func(text []byte) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case t.first == 0 && bytes.HasPrefix(text, delta):
			t.first = time.Since(start)
		case bytes.Contains(text, finished):
			close(ended)
			sender.watch(nil)
		}
	})
	// Wait for the post and the reply, at every member.
	arrived := c.arrival(c.lines.Load() + 2*int64(len(c.members)))
	if err := sender.say(fmt.Sprintf("turn-%d", sayCount.Add(1)), "Why is the sky blue?"); err != nil {
		return t, err
	}
	late := time.After(20 * time.Second)
	select {
	case <-arrived:
	case <-late:
		return t, errors.New("no reply came")
	}
	mu.Lock()
	t.whole = time.Since(start)
	mu.Unlock()
	select {
	case <-ended:
		return t, nil
	case <-late:
		return t, errors.New("the turn did not end")
	}
}
