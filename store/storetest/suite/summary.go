package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sort"
	"strings"
	"sync"
)

// event is one line of `go test -json`.
type event struct{ Action, Package, Test, Output string }

// missing finds the tool whose absence skipped a test: the reason begins with it. A test
// that was skipped for another reason names none.
var missing = regexp.MustCompile(`SKIPPED \(([^)]+)\)`)

// summary is the result of all passes. Passes may add to it at the same time.
type summary struct {
	mu            sync.Mutex
	passed, fails int
	skipped       map[string]int // by the tool that was missing
	lacks         []string       // what the whole run went without
	failed        bool           // as go test itself reported
}

// add counts the tests of one pass. A test that ran several times, for example with
// -count, has failed if it failed once. failed is how go test ended.
func (s *summary) add(events io.Reader, failed bool) error {
	type key struct{ pkg, test string }
	reason, ended := map[key]string{}, map[key]string{}
	in := json.NewDecoder(events)
	for {
		var e event
		err := in.Decode(&e)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("the events of the tests: %w", err)
		}
		if e.Test == "" {
			continue
		}
		k := key{e.Package, e.Test}
		switch e.Action {
		case "output":
			if m := missing.FindStringSubmatch(e.Output); m != nil {
				reason[k] = m[1]
			}
		case "pass", "fail", "skip":
			if ended[k] != "fail" {
				ended[k] = e.Action
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = s.failed || failed
	for k, action := range ended {
		switch {
		case action == "pass":
			s.passed++
		case action == "fail":
			s.fails++
		case reason[k] != "":
			if s.skipped == nil {
				s.skipped = map[string]int{}
			}
			s.skipped[reason[k]]++
		}
	}
	return nil
}

// line is the last line of a run.
func (s *summary) line() string {
	line := fmt.Sprintf("%d passed, %d failed", s.passed, s.fails)
	if s.failed && s.fails == 0 {
		line += ", go test failed (see above)"
	}
	var tools []string
	for tool := range s.skipped {
		tools = append(tools, tool)
	}
	sort.Strings(tools)
	for _, tool := range tools {
		line += fmt.Sprintf(", %d skipped: %s", s.skipped[tool], tool)
	}
	if len(s.lacks) > 0 {
		line += "; " + strings.Join(s.lacks, "; ")
	}
	return line
}

// ok tells whether the run passes. When strict (under CI), every tool must be there: a
// test that was skipped for a missing one is a failure.
func (s *summary) ok(strict bool) bool {
	return !s.failed && (!strict || len(s.skipped) == 0 && len(s.lacks) == 0)
}
