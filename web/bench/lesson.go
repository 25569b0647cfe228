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
	"time"
)

const (
	lessonClients = 4
	lessonSlice   = 500 * time.Millisecond
)

// call is one operation of a client. client distinguishes several clients.
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
		// These come last: they change what the others read.
		{"post a message", http.MethodPost, at("/rooms/" + s.room + "/messages"), func() string {
			return fmt.Sprintf(`{"text":%q,"client_id":"class-%d"}`, lineText(lineSize), sayCount.Add(1))
		}, http.StatusCreated},
		{"save an artifact", http.MethodPut, func(i int) string { return "/api/v1/workspaces/artifacts/" + s.artifacts[i] }, func() string {
			return fmt.Sprintf(`{"content":{"text":"%s%d"}}`, lineText(lineSize), sayCount.Add(1))
		}, http.StatusOK},
	}
}

// benchLesson compares the CPU of one request in a full school with that of bare Fiber
// and bun routes. A bare route runs the main statement of the operation (for a change, it
// writes the same rows) and answers the same JSON. It has no sign-in, permissions, huma,
// limits, log or wakes. On Postgres the database's own CPU is in neither figure.
func benchLesson(l *lab) error {
	for _, kind := range l.databases() {
		if err := l.lesson(kind); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) lesson(kind string) error {
	db, err := l.database(kind)
	if err != nil {
		return err
	}
	s, err := l.newLesson(db)
	if err != nil {
		return err
	}
	return l.beside(db, roleLesson, lessonSite{db.site(), s.people[1].id}, func(ours, bare *process) error {
		for _, c := range s.calls() {
			if err := l.compare(s, c, kind, ours, bare); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
		return nil
	})
}

// compare adds the figure of one operation.
func (l *lab) compare(s *lesson, c call, kind string, ours, bare *process) error {
	if err := l.sameAnswer(s, c, ours, bare); err != nil {
		return err
	}
	ask := func(k *httpClient, client int) error { _, err := k.call(c, client); return err }
	f := &figure{name: "class: " + c.name + ", CPU per request", db: kind, unit: "us", aim: aim{ratioAtMost, 5}}
	var p50, bareP50 []time.Duration
	err := l.inTurn(ours, bare, load{s.people[1 : 1+lessonClients], lessonSlice, ask}, func(got, floor pace) {
		f.got, f.floor = append(f.got, microseconds(got.cpu)), append(f.floor, microseconds(floor.cpu))
		p50, bareP50 = append(p50, got.p50), append(bareP50, floor.p50)
	})
	if err != nil {
		return err
	}
	f.note = fmt.Sprintf("p50 %.3g ms, bare %.3g ms", milliseconds(median(p50)), milliseconds(median(bareP50)))
	l.table.add(f)
	return nil
}

func (k *httpClient) call(c call, client int) ([]byte, error) {
	body := ""
	if c.body != nil {
		body = c.body()
	}
	return k.do(c.method, c.path(client), body, c.status)
}

// sameAnswer fails when the two answers differ: a floor that does less would be no floor.
// For changes it compares only the members.
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
