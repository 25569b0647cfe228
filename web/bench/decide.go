//go:build unix

package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/coagent-studio/coagent/store"
)

const (
	decideAgents = 10
	decidePosts  = 100 // in a round
	decidePause  = 20 * time.Millisecond
)

// benchDecide measures the CPU of one decision: the job that reads the room, decides
// about ten agents and stores why. It is the cost of a post on a node, minus its cost on
// a node that leaves the jobs to others. The post seems to call somebody, so that the
// agents have to decide about it.
func benchDecide(l *lab) error {
	if l.server == nil {
		return nil
	}
	f := &figure{name: fmt.Sprintf("a look with %d agents: CPU", decideAgents), db: onPostgres, unit: "ms", aim: aim{valueAtMost, 2},
		note: "without the post, but with the job: about half"}
	working, err := l.silent(false)
	defer func() { err = errors.Join(err, working.end()) }()
	if err != nil {
		return err
	}
	idle, err := l.silent(true)
	defer func() { err = errors.Join(err, idle.end()) }()
	if err != nil {
		return err
	}
	for i := range l.rounds + 1 {
		looks, err := l.posts(working)
		if err != nil {
			return err
		}
		posts, err := l.posts(idle)
		if err != nil {
			return err
		}
		if i > 0 { // the first warms up
			f.got = append(f.got, milliseconds(looks-posts))
		}
	}
	l.table.add(f)
	return nil
}

// silent makes a room of two people and ten agents. The agents are asked at each post and
// never speak. The node that serves the room runs the decisions or leaves them to others.
func (l *lab) silent(noJobs bool) (a *answering, err error) {
	a = &answering{}
	if a.db, err = l.database(onPostgres); err != nil {
		return a, err
	}
	c, err := a.db.newClass(l.ctx, 2, true)
	if err != nil {
		return a, err
	}
	names := make([]string, decideAgents-1)
	for i := range names {
		names[i] = fmt.Sprintf("Agent %d", i)
	}
	if err := a.db.with(l.ctx, func(db *store.DB) error {
		return db.InTx(l.ctx, func(tx *store.Tx) error {
			_, err := c.addAgents(l.ctx, tx, "", names...)
			return err
		})
	}); err != nil {
		return a, err
	}
	if err := a.db.silence(l.ctx, c.room); err != nil {
		return a, err
	}
	s := a.db.site()
	s.NoJobs = noJobs
	if a.ours, err = l.spawn(roleCoagent, s); err != nil {
		return a, err
	}
	a.ends = append(a.ends, a.ours.stop)
	if a.class, err = joinRoom(l.ctx, a.ours.addr, c.room, c.people); err != nil {
		return a, err
	}
	a.ends = append(a.ends, a.class.leave)
	return a, nil
}

// posts makes a member post, and returns the CPU of each post.
func (l *lab) posts(a *answering) (each time.Duration, err error) {
	before, err := a.ours.usage()
	if err != nil {
		return 0, err
	}
	for range decidePosts {
		if _, err := l.sayOnce(a.class, "@nobody "+lineText(lineSize)); err != nil {
			return 0, err
		}
		time.Sleep(decidePause) // the decision ends before the next post
	}
	after, err := a.ours.usage()
	return (after.CPU - before.CPU) / decidePosts, err
}
