package web

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/store/storetest"
)

// One person gets a quarter, one address half, all together the whole; what is
// given back is free again.
func TestBodies(t *testing.T) {
	t.Parallel()
	b := newBodies(&config.HTTP{BodiesLimit: 1 << 10, BodyLimit: 100, UploadLimit: 200})
	from := func(person, address string) *incoming { return &incoming{person: person, address: address} }
	a1, a2, stranger := from("p1", "a"), from("p1", "a"), from("", "a")
	for _, step := range []struct {
		in   *incoming
		n    int64
		want bool
	}{{a1, 200, true}, {a2, 56, true}, {a2, 1, false}, {stranger, 256, true}, {stranger, 1, false}, {from("p2", "a"), 1, false},
		{from("p1", "b"), 1, false}, {from("", "b"), 512, true}, {from("", "c"), 1, false}} {
		if got := b.take(step.in, step.n); got != step.want {
			t.Errorf("%+v: got %v", step, got)
		}
	}
	b.give(a1)
	if !b.take(from("p1", "c"), 200) || b.take(from("", "c"), 1) {
		t.Error("what was given back is not free, or more than that")
	}
	if got := newBodies(&config.HTTP{BodiesLimit: 1 << 20, BodyLimit: 1 << 20, UploadLimit: 3 << 20}).most; got != 12<<20 {
		t.Errorf("got %d, want room for the largest body of a person", got)
	}
}

// A body is read as it comes, in every length around its bounds.
func TestReadAll(t *testing.T) {
	t.Parallel()
	const most = 3 * firstPiece
	for _, n := range []int{0, 1, firstPiece - 1, firstPiece, firstPiece + 1, most - 1, most, most + 1, 2 * most} {
		sent := bytes.Repeat([]byte("x"), n)
		for _, length := range []int{-1, n, n + 1} {
			for name, slow := range map[string]func(io.Reader) io.Reader{"at once": func(r io.Reader) io.Reader { return r }, "bytes": iotest.OneByteReader, "with its end": iotest.DataErrReader} {
				b := newBodies(&config.HTTP{BodiesLimit: 16 * most})
				in := &incoming{stream: slow(bytes.NewReader(sent)), length: length}
				got, err := in.readAll(b, most)
				var want error
				switch {
				case length > most, length < 0 && n > most:
					want = fiber.ErrRequestEntityTooLarge
				case length > n:
					want = fiber.ErrBadRequest
				}
				if !errors.Is(err, want) || err == nil && !bytes.Equal(got, sent) || err == nil && !in.whole || errors.Is(want, fiber.ErrBadRequest) && in.whole || cap(got) > most+1 {
					t.Errorf("%d bytes as %d, %s: got %d of %d (%v), whole %v, want %v", n, length, name, len(got), cap(got), err, in.whole, want)
				}
				if b.give(in); b.held != 0 || len(b.of) != 0 {
					t.Errorf("%d bytes as %d: %d are still counted", n, length, b.held)
				}
			}
		}
	}
}

// A connection is kept when what nobody wanted was small, and its next request
// is read from the right place.
func TestUnwantedBodies(t *testing.T) {
	t.Parallel()
	r := start(t, storetest.SQLite(t))
	const behind = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, at := range []string{"POST " + v1 + "/courses/", "PUT /nowhere", "GET " + v1 + "/users/me", "GET " + v1 + "/chat/ws/x", "FOO /"} {
		for body, kept := range map[string]bool{strings.Repeat(behind, 100): true, strings.Repeat("x", 100<<10): false} {
			got, _ := r.rawAnswers(t, fmt.Sprintf("%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s%s", at, len(body), body, behind))
			if want := map[bool]int{true: 2, false: 1}[kept]; len(got) != want || got[0].status < 400 || kept && got[1].status != 200 {
				t.Errorf("%s with %d bytes: got %+v, want %d answers", at, len(body), got, want)
			}
			if !kept {
				continue
			}
			got, _ = r.rawAnswers(t, fmt.Sprintf("%s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n%s", at, len(body), body, behind))
			if len(got) != 2 || got[0].status < 400 || got[1].status != 200 {
				t.Errorf("%s in chunks: got %+v, want 2 answers", at, got)
			}
		}
	}
}

// A socket that sends frames without end and no message is closed; a message
// in many small pieces is none of these.
func TestEndlessFrames(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	frame := func(head byte, text string) string {
		return string([]byte{head, 0x80 | byte(len(text)), 0, 0, 0, 0}) + text
	}
	const more, last, opensText, ping = 0x00, 0x80, 0x01, 0x89
	c := w.join(t, student, "", false)
	pieces := frame(opensText, "")
	for _, letter := range strings.Repeat("ab", 500) {
		pieces += frame(more, string(letter)) + frame(more, "")
	}
	if _, err := io.WriteString(c.ws.NetConn(), pieces+frame(ping, "?")+frame(last, "!")); err != nil {
		t.Fatal(err)
	}
	if got := c.next("message")["content"]; got != strings.Repeat("ab", 500)+"!" {
		t.Errorf("got %.40q, want the whole message", got)
	}
	for name, endless := range map[string]string{"empty pieces": frame(more, ""), "pings": frame(ping, ""), "pieces and pings": frame(more, "") + frame(ping, "x")} {
		c := w.join(t, student, "", true)
		begin := ""
		if endless[0] == more {
			begin = frame(opensText, "")
		}
		flood := begin + strings.Repeat(endless, 1000)
		sent, until := 0, time.Now().Add(20*time.Second)
		for time.Now().Before(until) && len(c.ended) == 0 {
			n, err := io.WriteString(c.ws.NetConn(), flood)
			if sent += n; err != nil {
				break
			}
			flood = strings.Repeat(endless, 1000)
		}
		if got := c.closed(); got != realtime.CloseTooLarge {
			t.Errorf("%s: closed with %d after %d bytes, want %d", name, got, sent, realtime.CloseTooLarge)
		}
	}
}
