//go:build unix

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"sync"
	"time"
)

const (
	lessonClients = 4
	lessonSlice   = 500 * time.Millisecond
)

// call is one operation of a client; client tells several of them apart.
type call struct {
	name, method string
	path         func(client int) string
	body         func() string // nil for none
	status       int
}

func (s *lesson) calls() []call {
	at := func(path string) func(int) string { return func(int) string { return "/api/v1" + path } }
	read := func(name, path string) call { return call{name, http.MethodGet, at(path), nil, http.StatusOK} }
	return []call{
		{"who am I", http.MethodPost, at("/login/test-token"), nil, http.StatusOK},
		read("courses", "/courses/"),
		read("a course", "/courses/"+s.course),
		read("members of a course", "/courses/"+s.course+"/members"),
		read("rooms of a course", "/rooms/?course_id="+s.course),
		read("a room", "/rooms/"+s.room),
		read("a room's agents", "/rooms/"+s.room+"/agents"),
		read("announcements", "/announcements/?course_id="+s.course),
		read("artifacts", "/workspaces/"+s.room+"/artifacts"),
		read("history", "/chat/messages/"+s.room),
		// These last: they change what the others read.
		{"post a message", http.MethodPost, at("/rooms/" + s.room + "/messages"), func() string {
			return fmt.Sprintf(`{"text":%q,"client_id":"class-%d"}`, lineText(lineSize), sayCount.Add(1))
		}, http.StatusCreated},
		{"save an artifact", http.MethodPut, func(i int) string { return "/api/v1/workspaces/artifacts/" + s.artifacts[i] }, func() string {
			return fmt.Sprintf(`{"content":{"text":"%s%d"}}`, lineText(lineSize), sayCount.Add(1))
		}, http.StatusOK},
	}
}

// benchLesson compares the CPU of one request in a full school with that of
// bare Fiber and bun routes, which run the main statement of the operation
// (for a change: write the same rows) and answer the same JSON, but know
// neither sign-in nor permission, huma, limits, log or wakes. On Postgres the
// database's own CPU is in neither.
func benchLesson(l *lab) error {
	for _, kind := range l.databases() {
		if err := l.lesson(kind); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) lesson(kind string) (err error) {
	db, err := l.database(kind)
	if err != nil {
		return err
	}
	s, err := l.newLesson(db)
	if err != nil {
		return err
	}
	ours, err := l.spawn(roleCoagent, db.site())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ours.stop()) }()
	bare, err := l.spawn(roleLesson, lessonSite{db.site(), s.people[1].id})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bare.stop()) }()
	for _, c := range s.calls() {
		if err := l.sameAnswer(s, c, ours, bare); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		f := &figure{name: "class: " + c.name + ", CPU per request", db: kind, unit: "us", aim: aim{ratioAtMost, 5}}
		var p50, bareP50 []time.Duration
		for i := range l.rounds + 1 {
			got, took, err := l.callRate(s, c, ours)
			if err != nil {
				return err
			}
			floor, bareTook, err := l.callRate(s, c, bare)
			if err != nil {
				return err
			}
			if i > 0 { // the first warms up
				f.got, f.floor = append(f.got, microseconds(got)), append(f.floor, microseconds(floor))
				p50, bareP50 = append(p50, took), append(bareP50, bareTook)
			}
		}
		f.note = fmt.Sprintf("p50 %.3g ms, bare %.3g ms", milliseconds(median(p50)), milliseconds(median(bareP50)))
		l.table.add(f)
	}
	return nil
}

// callRate is the server's CPU for one request, and the median time of one.
func (l *lab) callRate(s *lesson, c call, p *process) (cpu, p50 time.Duration, err error) {
	clients := make([]*httpClient, lessonClients)
	for i := range clients {
		if clients[i], err = dialHTTP(l.ctx, p.addr, s.people[i+1]); err != nil {
			return 0, 0, err
		}
		defer func() { err = errors.Join(err, clients[i].conn.Close()) }()
	}
	before, err := p.usage()
	if err != nil {
		return 0, 0, err
	}
	took, errs := make([][]time.Duration, lessonClients), make([]error, lessonClients)
	var all sync.WaitGroup
	start := time.Now()
	for i, k := range clients {
		all.Go(func() {
			for errs[i] == nil && time.Since(start) < lessonSlice {
				begun := time.Now()
				_, errs[i] = k.call(c, i)
				took[i] = append(took[i], time.Since(begun))
			}
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return 0, 0, err
	}
	after, err := p.usage()
	every := slices.Concat(took...)
	return (after.CPU - before.CPU) / time.Duration(len(every)), median(every), err
}

func (k *httpClient) call(c call, client int) ([]byte, error) {
	body := ""
	if c.body != nil {
		body = c.body()
	}
	return k.do(c.method, c.path(client), body, c.status)
}

// sameAnswer fails when the two do not answer the same: a floor that does less
// would be no floor. Of changes only the members are compared.
func (l *lab) sameAnswer(s *lesson, c call, ours, bare *process) error {
	var answers [2]any
	for i, p := range []*process{ours, bare} {
		k, err := dialHTTP(l.ctx, p.addr, s.people[1])
		if err != nil {
			return err
		}
		text, err := k.call(c, 0)
		if err = errors.Join(err, k.conn.Close()); err != nil {
			return err
		}
		if err := json.Unmarshal(text, &answers[i]); err != nil {
			return err
		}
		if members, ok := answers[i].(map[string]any); ok && c.body != nil {
			answers[i] = slices.Sorted(maps.Keys(members))
		}
	}
	if !reflect.DeepEqual(answers[0], answers[1]) {
		return fmt.Errorf("the bare route answers otherwise:\n%.600v\n%.600v", answers[0], answers[1])
	}
	return nil
}
