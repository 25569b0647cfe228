//go:build linux

package chaos

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/apptest"
)

// answerPatience is how long a request waits for its turn: see package web.
const answerPatience = 5 * time.Second

// unread asks n times for a path as somebody, and reads none of the answers.
func (b *besieged) unread(n int, path, token string) []net.Conn {
	b.Helper()
	return b.heads(n, fmt.Sprintf("GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", path, token))
}

// hold has some answers be made as far as they are made, checks the memory
// beside what making their contents took, and lets them go.
func (b *besieged) hold(what string, ask func() []net.Conn) {
	b.Helper()
	b.calm = memory(b.T, b.serve, "VmRSS")
	conns, most := ask(), uint64(0)
	// Requests that find no room wait for a moment and are refused then; the
	// memory is looked at until all of that is over.
	begun := time.Now()
	apptest.Await(b.T, "the end of those who wait", func() bool {
		most = max(most, memory(b.T, b.serve, "VmRSS"))
		return time.Since(begun) > answerPatience+time.Second
	})
	b.Logf("%s: %d MiB at most, %d before", what, most>>20, b.calm>>20)
	if most > b.calm+moreMemory {
		b.Errorf("%s: got %d MiB, want no more than %d", what, most>>20, (b.calm+moreMemory)>>20)
	}
	b.bounded(what)
	for _, c := range conns {
		_ = c.Close()
	}
	apptest.Await(b.T, "the person to be served again after "+what, func() bool {
		a, err := b.w.Students[0].Try(b.Context(), http.MethodGet, "/api/v1/users/me", nil)
		return err == nil && a.Status == http.StatusOK
	})
	b.bounded(what + " that have gone")
}

// Answers that nobody reads have a total, whatever they are made of: the three
// attacks that made a process take 3 GiB.
func TestUnreadAnswers(t *testing.T) {
	t.Parallel()
	b := besiege(t, "COAGENT_LIMITS_POSTS_PER_MINUTE=100000", "COAGENT_LIMITS_POSTS_BURST=100000", "COAGENT_LIMITS_REQUESTS_PER_MINUTE=100000",
		"COAGENT_LIMITS_REQUESTS_BURST=100000", "COAGENT_QUOTAS_STORED=100MiB")
	student, room := b.w.Students[0], b.w.Rooms[0]
	token := student.Token()

	// As much as a room may hold.
	artifacts, text := "/api/v1/workspaces/"+room+"/artifacts", strings.Repeat("x", 900_000)
	stored := 0
	for {
		a, err := student.Try(t.Context(), http.MethodPost, artifacts, map[string]any{"type": "doc", "title": "Big", "content": map[string]string{"a": text}})
		if err != nil {
			t.Fatal(err)
		}
		if a.Status != http.StatusCreated {
			t.Logf("the room is full at %d MiB: %d", stored>>20, a.Status)
			break
		}
		stored += len(text)
	}
	if stored < 24<<20 {
		t.Fatalf("only %d MiB fitted into the room", stored>>20)
	}
	b.hold("20 lists of a full room", func() []net.Conn { return b.unread(20, artifacts, token) })

	prompt := strings.Repeat("長", 100_000)
	for i := range 100 {
		student.Call(t, http.MethodPost, "/api/v1/agents/global", map[string]string{"type": "student", "name": fmt.Sprint("T", i), "system_prompt": prompt,
			"model_provider": "offline"}, nil)
	}
	b.hold("8 lists of 100 templates", func() []net.Conn { return b.unread(8, "/api/v1/agents/global/list", token) })

	line := strings.Repeat("l", 60_000)
	for i := range 400 {
		student.Call(t, http.MethodPost, "/api/v1/rooms/"+room+"/messages", map[string]string{"text": fmt.Sprint(i, line)}, nil)
	}
	b.hold("20 histories", func() []net.Conn { return b.unread(20, "/api/v1/chat/messages/"+room+"?limit=1000", token) })
	b.hold("20 pages of events", func() []net.Conn { return b.unread(20, "/api/v1/rooms/"+room+"/events?limit=1000", token) })
	b.hold("20 event streams", func() []net.Conn {
		return b.heads(20, fmt.Sprintf("GET /api/v1/rooms/%s/events?after=0 HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n"+
			"Authorization: Bearer %s\r\n\r\n", room, token))
	})
	b.hold("70 sockets that resume", func() []net.Conn {
		return b.heads(70, fmt.Sprintf("GET /api/v1/chat/ws/%s?after=0 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: coagent.v2\r\n"+
			"Authorization: Bearer %s\r\n\r\n", room, token))
	})
}
