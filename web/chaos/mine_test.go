//go:build unix

package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/web/proctest"
)

// mine is the device of a person who follows rooms on one socket. It connects again after
// each fault, to another node if there is one, and reads on where it was.
type mine struct {
	person *proctest.Person
	nodes  []string
	rooms  []string

	mu       sync.Mutex
	conn     *websocket.Conn
	connects int
	seqs     map[string]int64          // the last event of each room
	news     map[string]event.RoomNews // the newest of each room
	faults   []string
}

func follow(ctx context.Context, p *proctest.Person, rooms []string, nodes ...*proctest.Process) (m *mine, ended *sync.WaitGroup) {
	m = &mine{person: p, rooms: rooms, seqs: map[string]int64{}, news: map[string]event.RoomNews{}}
	for _, n := range nodes {
		m.nodes = append(m.nodes, n.URL)
	}
	ended = new(sync.WaitGroup)
	ended.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			m.session(ctx, m.nodes[n%len(m.nodes)])
			pause(ctx, 50*time.Millisecond)
		}
	})
	return m, ended
}

// session subscribes to all rooms, each behind what was heard of it, and reads until the
// connection ends.
func (m *mine) session(ctx context.Context, base string) {
	d := &websocket.Dialer{Subprotocols: []string{"coagent.me.v1"}, HandshakeTimeout: 15 * time.Second, NetDialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext}
	conn, res, err := d.DialContext(ctx, "ws"+strings.TrimPrefix(base, "http")+"/api/v1/users/me/ws", http.Header{"Authorization": {"Bearer " + m.person.Token()}})
	if res != nil {
		_ = res.Body.Close() // the connection does not end with it
	}
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	m.mu.Lock()
	m.conn, m.connects = conn, m.connects+1
	after := make([]event.RoomAfter, len(m.rooms))
	for i, room := range m.rooms {
		seq := m.seqs[room]
		after[i] = event.RoomAfter{RoomID: room, After: &seq}
	}
	m.mu.Unlock()
	if conn.WriteJSON(map[string]any{"type": "subscribe", "rooms": after}) != nil {
		return
	}
	for {
		_, data, err := conn.ReadMessage()
		if err != nil {
			return
		}
		m.take(data)
	}
}

func (m *mine) take(data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var f struct {
		Type   string           `json:"type"`
		RoomID string           `json:"room_id"`
		Seq    int64            `json:"seq"`
		Rooms  []event.RoomNews `json:"rooms"`
	}
	if err := json.Unmarshal(data, &f); err != nil {
		m.faults = append(m.faults, fmt.Sprintf("%.200s: %v", data, err))
		return
	}
	switch f.Type {
	case "rooms":
		for _, n := range f.Rooms {
			if old, ok := m.news[n.RoomID]; ok && n.ReadSeq < old.ReadSeq {
				m.faults = append(m.faults, fmt.Sprintf("the mark of %s went from %d down to %d", n.RoomID, old.ReadSeq, n.ReadSeq))
			}
			m.news[n.RoomID] = n
		}
	case "error", "resync", "unsubscribed", "room_gone":
		m.faults = append(m.faults, string(data))
	case "joined":
	default:
		if f.Seq == 0 || f.RoomID == "" {
			return
		}
		if want := m.seqs[f.RoomID] + 1; f.Seq != want {
			m.faults = append(m.faults, fmt.Sprintf("seq %d of %s came, want %d", f.Seq, f.RoomID, want))
		}
		m.seqs[f.RoomID] = f.Seq
	}
}

// heard is how far the device has come in a room, and what it was told of it last.
func (m *mine) heard(room string) (int64, event.RoomNews) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.seqs[room], m.news[room]
}

// cut ends the connection without a word.
func (m *mine) cut() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.conn != nil {
		_ = m.conn.NetConn().Close() // the read ends by it
	}
}

// TestMine: two devices of one person, on two nodes where there are two, follow all rooms by
// one socket each while servers are killed and connections cut. They miss nothing and get
// nothing twice; a mark that was acknowledged stands, and both are told of it.
func TestMine(t *testing.T) {
	t.Parallel()
	proctest.Each(t, func(t *testing.T, s *proctest.Site) {
		nodes := []*proctest.Process{s.Serve()}
		if s.Postgres() {
			nodes = append(nodes, s.Serve())
		}
		w := s.Populate(proctest.To(false, nodes...), proctest.Plan{Students: 5, Rooms: 3})
		reader := w.Students[4]
		c := seat(s, &proctest.World{Teacher: w.Teacher, Students: w.Students[:4], Rooms: w.Rooms})
		ctx, stop := context.WithCancel(t.Context())
		desk, deskEnded := follow(ctx, reader, w.Rooms, nodes...)
		phone, phoneEnded := follow(ctx, reader, w.Rooms, nodes[len(nodes)-1], nodes[0])
		devices := []*mine{desk, phone}

		talk, hush := context.WithCancel(t.Context())
		var busy sync.WaitGroup
		busy.Go(func() { c.talk(t, talk, 1<<30, 150*time.Millisecond) })
		marks := map[string]int64{}
		busy.Go(func() { // the person reads along
			for n := 0; talk.Err() == nil; n++ {
				room := w.Rooms[n%len(w.Rooms)]
				if seq, _ := desk.heard(room); seq > 0 {
					a, err := reader.Try(talk, http.MethodPut, "/api/v1/rooms/"+room+"/read", map[string]int64{"seq": seq})
					if err == nil && a.Status == http.StatusOK {
						marks[room] = max(marks[room], seq)
					}
				}
				pause(talk, 30*time.Millisecond)
			}
		})
		busy.Go(func() {
			for talk.Err() == nil {
				pause(talk, between(50*time.Millisecond, 400*time.Millisecond))
				phone.cut()
			}
		})
		kills := either(20, 4)
		killAll(t, nodes, kills)
		hush()
		busy.Wait()
		o := verdict(t, s, row{fault: "kill -9, one socket a person", note: fmt.Sprintf("%d kills, cuts", kills)}, c.rooms, nil, c.members)

		for i, d := range devices {
			for _, room := range w.Rooms {
				head, _, err := s.DB().EventRange(t.Context(), room)
				if err != nil {
					t.Fatal(err)
				}
				until := within(t, 30*time.Second)
				for seq, n := d.heard(room); seq < head || n.LastSeq != head || n.ReadSeq < marks[room]; seq, n = d.heard(room) {
					if pause(until, 50*time.Millisecond); until.Err() != nil {
						t.Errorf("device %d heard %d of %d events and was told %+v, want the mark %d", i, seq, head, n, marks[room])
						break
					}
				}
				_, n := d.heard(room)
				counted, err := s.DB().Messages(t.Context(), room, 0, 1000)
				if err != nil {
					t.Fatal(err)
				}
				unread := 0
				for _, m := range counted {
					if m.Seq > n.ReadSeq && m.SenderID != reader.ID {
						unread++
					}
				}
				if n.Unread != unread {
					t.Errorf("device %d was told of %d unread messages, want %d behind %d", i, n.Unread, unread, n.ReadSeq)
				}
			}
		}
		stop()
		deskEnded.Wait()
		phoneEnded.Wait()
		for i, d := range devices {
			for _, fault := range d.faults {
				t.Errorf("device %d: %s", i, fault)
			}
			if d.connects < 2 {
				t.Errorf("device %d connected %d times: nothing was cut", i, d.connects)
			}
		}
		if o.Acked == 0 || len(marks) != len(w.Rooms) {
			t.Errorf("%d messages and marks in %d rooms were acknowledged: nothing is proved", o.Acked, len(marks))
		}
	})
}
