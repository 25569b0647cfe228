package schedule

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// reader keeps the first problem of a configuration. So the members can be read one
// after the other without checking for an error each time.
type reader struct{ first *Problem }

// node is one value of a configuration and the path to it.
type node struct {
	r  *reader
	at string
	v  any
}

// read begins to read a configuration. An empty text and null count as an empty object.
func read(at, text string) (node, *reader) {
	r := &reader{}
	n := node{r: r, at: at}
	if text == "null" || strings.TrimSpace(text) == "" {
		return n, r
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&n.v); err != nil {
		n.fail("must be an object")
	}
	n.object()
	return n, r
}

// err returns the first problem as an error, nil when there is none.
func (r *reader) err() error {
	if r.first == nil {
		return nil
	}
	return r.first
}

func (n node) fail(format string, args ...any) {
	if n.r.first == nil {
		n.r.first = problem(n.at, format, args...)
	}
}

func (n node) absent() bool { return n.v == nil }

// object returns the members of an object. Null and an absent value have none.
func (n node) object() map[string]any {
	m, ok := n.v.(map[string]any)
	if !ok && !n.absent() {
		n.fail("must be an object")
	}
	return m
}

func (n node) member(name string) node {
	return node{r: n.r, at: n.at + "." + name, v: n.object()[name]}
}

// has tells whether an object has one of the members. A member that is null does not
// count.
func (n node) has(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return n.object()[name] != nil })
}

// items returns the values of a list, none for null.
func (n node) items(most int) []node {
	list, ok := n.v.([]any)
	switch {
	case !ok && !n.absent():
		n.fail("must be a list")
	case len(list) > most:
		n.fail("has %d entries, at most %d are possible", len(list), most)
		return nil
	}
	nodes := make([]node, len(list))
	for i, v := range list {
		nodes[i] = node{r: n.r, at: fmt.Sprintf("%s[%d]", n.at, i), v: v}
	}
	return nodes
}

// choice returns one of several words. Absent, null and "" give the first word.
func (n node) choice(words ...string) string {
	text, ok := n.v.(string)
	if text == "" && (ok || n.absent()) {
		return words[0]
	}
	if !slices.Contains(words, text) {
		n.fail("must be one of %s", strings.Join(slices.DeleteFunc(slices.Clone(words), func(w string) bool { return w == "" }), ", "))
	}
	return text
}

// flag returns true or false. Absent and null are false.
func (n node) flag() bool {
	v, ok := n.v.(bool)
	if !ok && !n.absent() {
		n.fail("must be true or false")
	}
	return v
}

// number returns a number from least to most. An absent one gives the fallback; when
// the fallback is NaN, it is a problem.
func (n node) number(least, most, fallback float64) float64 {
	if n.absent() && !math.IsNaN(fallback) {
		return fallback
	}
	num, ok := n.v.(json.Number)
	v, err := strconv.ParseFloat(string(num), 64)
	if !ok || err != nil || !(v >= least && v <= most) {
		n.fail("must be a number from %v to %v", least, most)
		return least
	}
	return v
}

// whole returns a number without a fraction.
func (n node) whole(least, most int, fallback float64) int {
	v := n.number(float64(least), float64(most), fallback)
	if v != math.Trunc(v) {
		n.fail("must be a whole number from %d to %d", least, most)
	}
	return int(v)
}

var required = math.NaN()

// minutes returns a number of minutes, which may have a fraction.
func (n node) minutes(least, most float64) time.Duration {
	return time.Duration(n.number(least, most, required) * float64(time.Minute))
}

// clock returns a time of day as minutes since midnight.
func (n node) clock() int {
	s, _ := n.v.(string)
	hour, ok := twoDigits(s, 0, 23)
	minute, ok2 := twoDigits(s, 3, 59)
	if len(s) != len("15:04") || !ok || !ok2 || s[2] != ':' {
		n.fail("must be a time of the day from 00:00 to 23:59, as HH:MM")
	}
	return hour*60 + minute
}

func twoDigits(s string, at, most int) (int, bool) {
	if len(s) < at+2 {
		return 0, false
	}
	tens, ones := int(s[at])-'0', int(s[at+1])-'0'
	v := tens*10 + ones
	return v, tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 && v <= most
}

// date returns a day.
func (n node) date() day {
	s, _ := n.v.(string)
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || t.Year() < 1970 || t.Year() > 2999 {
		n.fail("must be a date from 1970-01-01 to 2999-12-31, as YYYY-MM-DD")
		return 0
	}
	return dayOf(t)
}
