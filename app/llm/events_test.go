package llm

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// read is what a stream holds, one event a line, "open" for one that did not end.
func readAll(in io.Reader, most int) (string, error) {
	var out strings.Builder
	for e, err := range newEventReader(in, most).events() {
		if err != nil {
			return out.String(), err
		}
		switch {
		case e.alive:
		case e.open:
			fmt.Fprintf(&out, "open %s|%q\n", e.name, e.data)
		default:
			fmt.Fprintf(&out, "%s|%q\n", e.name, e.data)
		}
	}
	return out.String(), nil
}

// The examples of the HTML standard (9.2.6), and what the web platform's tests
// of eventsource/format-* send.
var grammar = map[string]struct{ in, want string }{
	"stocks":              {"data: YHOO\ndata: +2\ndata: 10\n\n", "|\"YHOO\\n+2\\n10\"\n"},
	"four blocks":         {": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n", "|\"first event\"\n|\"second event\"\nopen |\" third event\"\n"},
	"two empty, one open": {"data\n\ndata\ndata\n\ndata:", "|\"\"\n|\"\\n\"\nopen |\"\"\n"},
	"a blank or none":     {"data:test\n\ndata: test\n\n", "|\"test\"\n|\"test\"\n"},
	"byte order mark":     {"\xEF\xBB\xBFdata:1\n\n\xEF\xBB\xBFdata:2\n\ndata:3\n\n", "|\"1\"\n|\"3\"\n"},
	"two marks":           {"\xEF\xBB\xBF\xEF\xBB\xBFdata:1\n\ndata:2\n\ndata:3\n\n", "|\"2\"\n|\"3\"\n"},
	"comments":            {"data:1\n:\x00\n:\r\ndata:2\n:" + strings.Repeat("x", 5000) + "\ndata:3\n:data:fail\n\n", "|\"1\\n2\\n3\"\n"},
	"event":               {"event:test\ndata:x\n\ndata:x\n\n", "test|\"x\"\n|\"x\"\n"},
	"event empty":         {"event: \ndata:data\n\n", "|\"data\"\n"},
	"event without data":  {"event: error\n\ndata: x\n\n", "|\"x\"\n"},
	"the last name wins":  {"event:a\nevent:b\ndata:x\n\n", "b|\"x\"\n"},
	"fields":              {"data:\x00\ndata: 2\rData:1\ndata\x00:2\ndata:1\r\x00data:4\nda-ta:3\rdata_5\ndata:3\rdata:\r\n data:32\ndata:4\n\n", "|\"\\x00\\n2\\n1\\n3\\n\\n4\"\n"},
	"line ends":           {"data:test\r\ndata\ndata:test\r\n\r", "|\"test\\n\\ntest\"\n"},
	"CR alone":            {"data:a\r\rdata:b\r\r", "|\"a\"\n|\"b\"\n"},
	"null character":      {"data:\x00\n\n\n\n", "|\"\\x00\"\n"},
	"retry and id":        {"retry:3000\nid:7\ndata:x\n\nretry:1000x\ndata:y\n\n", "|\"x\"\n|\"y\"\n"},
	"leading blank":       {"data:\ttest\rdata: \ndata:test\n\n", "|\"\\ttest\\n\\ntest\"\n"},
	"newlines before":     {"\n\n\r\n\rdata: x\n\n", "|\"x\"\n"},
	"UTF-8":               {"data:ok…漢\n\n", "|\"ok…漢\"\n"},
	"colon in a value":    {"data: a: b\n\n", "|\"a: b\"\n"},
	"unknown fields":      {"foo: bar\ndata: x\nbaz\n\n", "|\"x\"\n"},
}

func TestEventGrammar(t *testing.T) {
	t.Parallel()
	for name, c := range grammar {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for how, in := range map[string]io.Reader{
				"at once": strings.NewReader(c.in), "byte by byte": iotest.OneByteReader(strings.NewReader(c.in)),
				"in halves": iotest.HalfReader(strings.NewReader(c.in)), "with its end": iotest.DataErrReader(strings.NewReader(c.in)),
			} {
				if got, err := readAll(in, 1<<20); got != c.want || err != nil {
					t.Errorf("%s: got %q, %v, want %q", how, got, err, c.want)
				}
			}
		})
	}
}

// An event is there as soon as its last line has ended, also when an LF may follow the CR.
func TestEventWaitsForNothing(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"\n\n", "\r\r", "\r\n\r"} {
		in, out := io.Pipe()
		got := make(chan string)
		go func() {
			for e := range newEventReader(in, 1<<10).events() {
				got <- string(e.data)
			}
			close(got)
		}()
		_, _ = io.WriteString(out, "data: now"+end)
		if text := <-got; text != "now" {
			t.Errorf("%q: got %q", end, text)
		}
		_ = out.Close()
		for range got {
		}
	}
}

func TestEventBounds(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]string{
		"a line": "data: " + strings.Repeat("x", 5000), "many lines": strings.Repeat("data: xxxxxxxx\n", 500), "no field": strings.Repeat("x", 5000),
	} {
		if _, err := readAll(strings.NewReader(in), 1000); !errors.Is(err, errEventTooLong) {
			t.Errorf("%s: got %v, want it too long", name, err)
		}
	}
	if _, err := readAll(strings.NewReader(strings.Repeat(": ping\n", 5000)+strings.Repeat("\n", 5000)+"data: x\n\n"), 1000); err != nil {
		t.Errorf("signs of life add up to an event: %v", err)
	}
	if _, err := readAll(io.MultiReader(strings.NewReader("data: x"), iotest.ErrReader(io.ErrUnexpectedEOF)), 1000); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v, want the reader's own error", err)
	}
}

// However a stream is cut into packets the same events come out, and none is longer than the limit.
func FuzzEvents(f *testing.F) {
	for _, c := range grammar {
		f.Add([]byte(c.in), 3)
	}
	f.Fuzz(func(t *testing.T, in []byte, size int) {
		whole, err := readAll(bytes.NewReader(in), 200)
		parts, err2 := readAll(&packets{in, max(1, size%17)}, 200)
		if whole != parts || (err == nil) != (err2 == nil) {
			t.Errorf("got %q, %v at once and %q, %v in packets", whole, err, parts, err2)
		}
		for e := range newEventReader(bytes.NewReader(in), 200).events() {
			if len(e.data) > 200 {
				t.Errorf("got an event of %d bytes", len(e.data))
			}
		}
	})
}

type packets struct {
	rest []byte
	size int
}

func (p *packets) Read(to []byte) (int, error) {
	if len(p.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(to, p.rest[:min(p.size, len(p.rest))])
	p.rest = p.rest[n:]
	return n, nil
}
