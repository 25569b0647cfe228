//go:build unix

package chaos

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/web/proctest"
)

// peerEnv makes this test's binary an agent outside the program: it has the address to
// listen on.
const peerEnv = "COAGENT_CHAOS_PEER"

// order is how the agent behaves from now on.
type order struct {
	Mode                       string // fine, slow, or what it does wrong
	Server, Agent, Token, Room string
}

// call is one call that the agent got.
type call struct {
	ID, Content string
	Signed      bool
	Attempt     int
}

// outsidePeer is the whole agent. It forgets everything when it is killed, as a careless
// one does.
type outsidePeer struct {
	mu    sync.Mutex
	order order
	calls []call
}

func servePeer(addr string) int {
	p := new(outsidePeer)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /order", func(w http.ResponseWriter, q *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		_ = json.NewDecoder(q.Body).Decode(&p.order)
	})
	mux.HandleFunc("GET /calls", func(w http.ResponseWriter, _ *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		_ = json.NewEncoder(w).Encode(p.calls)
	})
	mux.HandleFunc("POST /hook", p.hook)
	fmt.Println(http.ListenAndServe(addr, mux))
	return 1
}

func (p *outsidePeer) hook(w http.ResponseWriter, q *http.Request) {
	raw, _ := io.ReadAll(q.Body)
	var e struct {
		ID, Content string
		Metadata    struct{ Attempt int }
	}
	_ = json.Unmarshal(raw, &e)
	p.mu.Lock()
	o := p.order
	mac := hmac.New(sha256.New, []byte(o.Token))
	_, _ = io.WriteString(mac, q.Header.Get("X-CoAgent-Timestamp")+"."+string(raw))
	signed := q.Header.Get("X-CoAgent-Signature") == "sha256="+hex.EncodeToString(mac.Sum(nil))
	p.calls = append(p.calls, call{e.ID, e.Content, signed, e.Metadata.Attempt})
	p.mu.Unlock()
	answer := func(text string) { _ = json.NewEncoder(w).Encode(map[string]string{"content": text}) }
	switch o.Mode {
	case "slow":
		time.Sleep(time.Second)
		answer("slow answer to " + e.Content)
	case "prose":
		_, _ = io.WriteString(w, "I am no JSON")
	case "huge":
		answer(strings.Repeat("x", 1<<20))
	case "500":
		w.WriteHeader(http.StatusInternalServerError)
	case "away":
		http.Redirect(w, q, o.Server+"/healthz", http.StatusTemporaryRedirect)
	case "later":
		w.WriteHeader(http.StatusAccepted)
	case "twice":
		// It answers by the webhook many times at once, in the name of others too, and
		// then here.
		var group sync.WaitGroup
		for i := range 12 {
			group.Go(func() {
				o.say(map[string]any{"sender_id": "somebody else", "content": fmt.Sprintf("answer %d to %s", i, e.Content), "correlation_id": e.ID})
			})
		}
		group.Wait()
		answer("one more answer to " + e.Content)
	default:
		answer("answer to " + e.Content)
	}
}

// say calls the webhook.
func (o *order) say(body map[string]any) (status int, got struct{ Dispatched bool }) {
	raw, _ := json.Marshal(body)
	req, _ := http.NewRequest(http.MethodPost, o.Server+"/api/v1/a2a/webhook", bytes.NewReader(raw))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Agent-ID", o.Agent)
	req.Header.Set("X-Agent-Token", o.Token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, got
	}
	defer res.Body.Close()
	_ = json.NewDecoder(res.Body).Decode(&got)
	return res.StatusCode, got
}

// outsideProcess is such an agent, as a process of its own.
type outsideProcess struct {
	t    *testing.T
	addr string
	cmd  *exec.Cmd
}

func (p *outsideProcess) start() {
	p.t.Helper()
	self, err := os.Executable()
	if err != nil {
		p.t.Fatal(err)
	}
	p.cmd = exec.Command(self)
	p.cmd.Env = append(os.Environ(), peerEnv+"="+p.addr)
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		p.t.Fatal(err)
	}
	go func() { _, _ = bufio.NewReader(out).ReadString(0) }()
	for within := within(p.t, 30*time.Second); ; pause(within, 20*time.Millisecond) {
		if c, err := net.Dial("tcp", p.addr); err == nil {
			_ = c.Close()
			return
		}
		if within.Err() != nil {
			p.t.Fatal("the agent's process does not start")
		}
	}
}

func (p *outsideProcess) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

func (p *outsideProcess) tell(o order) {
	p.t.Helper()
	raw, _ := json.Marshal(o)
	res, err := http.Post("http://"+p.addr+"/order", "application/json", bytes.NewReader(raw))
	if err != nil {
		p.t.Fatal(err)
	}
	_ = res.Body.Close()
}

func (p *outsideProcess) calls() (all []call) {
	p.t.Helper()
	res, err := http.Get("http://" + p.addr + "/calls")
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	_ = json.NewDecoder(res.Body).Decode(&all)
	return all
}

// TestOutsideAgent: an agent in a process of its own is slow, wrong, killed and hostile,
// and the server is killed in the middle of a call. Nothing is lost, and the room reads
// each answer once.
func TestOutsideAgent(t *testing.T) {
	t.Parallel()
	proctest.Each(t, func(t *testing.T, s *proctest.Site) {
		serve := s.Serve()
		victim := serve
		if s.Postgres() {
			serve = s.Serve("COAGENT_JOBS_IN_SERVE=false")
			if err := victim.Kill9(); err != nil {
				t.Fatal(err)
			}
			victim = s.Worker()
		}
		w := s.Populate(proctest.To(false, serve), proctest.Plan{Students: 1, Rooms: 2})
		room, student := w.Rooms[0], w.Students[0]
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		p := &outsideProcess{t: t, addr: ln.Addr().String()}
		_ = ln.Close()
		p.start()
		t.Cleanup(func() { p.kill() })
		var made struct {
			ID             string
			ExternalConfig struct {
				CallbackToken string `json:"callback_token"`
			} `json:"external_config"`
		}
		w.Admin.Call(t, http.MethodPost, "/api/v1/agents/external/create", map[string]any{"name": "Far", "webhook_url": "http://" + p.addr + "/hook",
			"auth_type": "none", "timeout_ms": 20_000, "fallback_message": "Far is away."}, &made)
		w.Admin.Call(t, http.MethodPost, "/api/v1/rooms/"+room+"/agents/"+made.ID, nil, nil)
		o := order{Server: serve.URL, Agent: made.ID, Token: made.ExternalConfig.CallbackToken, Room: room}
		as := func(mode string) { o.Mode = mode; p.tell(o) }
		settle := func(n int) []store.Message {
			t.Helper()
			var all []store.Message
			waiting := within(t, 90*time.Second)
			for {
				if all, err = s.DB().Messages(t.Context(), room, 0, 1000); err != nil {
					t.Fatal(err)
				}
				if len(all) >= n || waiting.Err() != nil {
					break
				}
				pause(waiting, 20*time.Millisecond)
			}
			if err := s.Settled(within(t, 90*time.Second), room); err != nil {
				t.Fatal(err)
			}
			if all, err = s.DB().Messages(t.Context(), room, 0, 1000); err != nil || len(all) != n {
				t.Fatalf("got %d messages, %v, want %d: %+v", len(all), err, n, all)
			}
			return all
		}
		n := 0
		ask := func(text string, more int) store.Message {
			t.Helper()
			student.Call(t, http.MethodPost, "/api/v1/rooms/"+room+"/messages", map[string]string{"text": text}, nil)
			n += 1 + more
			return settle(n)[n-1]
		}
		want := func(m store.Message, text string) {
			t.Helper()
			if m.AgentID != made.ID || m.Content != text {
				t.Errorf("got %+v, want %q", m, text)
			}
		}

		as("fine")
		want(ask("one", 1), "answer to one")
		for _, mode := range []string{"prose", "huge", "away", "500"} {
			as(mode)
			want(ask(mode, 1), "Far is away.")
			as("fine") // so that its breaker stays closed
			want(ask("and now", 1), "answer to and now")
		}
		as("twice")
		if m := ask("twice", 1); m.TurnID == "" || !strings.HasSuffix(m.Content, " to twice") {
			t.Errorf("got %+v", m)
		}

		// The server dies in the middle of the call.
		as("slow")
		before := len(p.calls())
		student.Call(t, http.MethodPost, "/api/v1/rooms/"+room+"/messages", map[string]string{"text": "killed"}, nil)
		for waiting := within(t, 30*time.Second); len(p.calls()) == before; pause(waiting, 10*time.Millisecond) {
			if waiting.Err() != nil {
				t.Fatal("the agent was not asked")
			}
		}
		if err := victim.Kill9(); err != nil {
			t.Fatal(err)
		}
		if _, err := victim.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		n += 2
		want(settle(n)[n-1], "slow answer to killed")
		calls := p.calls()[before:]
		if len(calls) != 2 || calls[0].ID != calls[1].ID || calls[1].Attempt != 2 {
			t.Errorf("got the calls %+v, want two with one id", calls)
		}
		for _, c := range p.calls() {
			if !c.Signed {
				t.Errorf("the call %+v is not signed", c)
			}
		}

		// The agent dies, and is back before the last attempt.
		p.kill()
		student.Call(t, http.MethodPost, "/api/v1/rooms/"+room+"/messages", map[string]string{"text": "restarted"}, nil)
		p.start()
		as("fine")
		n += 2
		want(settle(n)[n-1], "answer to restarted")

		// It answers later, when it is not in the room any more.
		as("later")
		ask("later", 0)
		var id string
		for _, c := range p.calls() {
			id = c.ID
		}
		w.Admin.Call(t, http.MethodDelete, "/api/v1/rooms/"+room+"/agents/"+made.ID, nil, nil)
		for _, body := range []map[string]any{{"sender_id": student.ID, "content": "late", "correlation_id": id}, {"sender_id": made.ID, "content": "x", "metadata": map[string]string{"room_id": room}},
			{"sender_id": made.ID, "content": "x", "metadata": map[string]string{"room_id": w.Rooms[1]}}} {
			if code, got := o.say(body); code != http.StatusOK || got.Dispatched {
				t.Errorf("%v: got %d %+v", body, code, got)
			}
		}
		// Once back, its late answer counts, once. Then it floods the room.
		w.Admin.Call(t, http.MethodPost, "/api/v1/rooms/"+room+"/agents/"+made.ID, nil, nil)
		var flood sync.WaitGroup
		for range 10 {
			flood.Go(func() { o.say(map[string]any{"sender_id": "x", "content": "late", "correlation_id": id}) })
		}
		flood.Wait()
		n++
		if m := settle(n)[n-1]; m.TurnID != id || m.Content != "late" {
			t.Errorf("got %+v, want the late answer", m)
		}
		for i := range 40 {
			flood.Go(func() {
				o.say(map[string]any{"sender_id": "x", "content": fmt.Sprintf("@Far and all, flood %d", i), "metadata": map[string]string{"room_id": room}})
			})
		}
		flood.Wait()
		n += 2 // with the late answer they are three, and then a person has to speak
		settle(n)
		for _, proc := range s.Processes() {
			// 503 is what a server says that begins or ends.
			log := strings.ReplaceAll(proc.Log(), "status=503", "")
			if strings.Contains(log, "status=5") || strings.Contains(log, "panic") || strings.Contains(log, "I am no JSON") {
				t.Errorf("%s has failed, or tells what the agent has said", proc.Name)
			}
		}
	}, `COAGENT_EXTERNAL_ALLOW=127.0.0.0/8`)
}
