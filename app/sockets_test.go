package app_test

import (
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/store/storetest"
)

// TestSit: of two handshakes that were let in side by side where one more
// connection may be open, the second is closed so that its client comes back.
func TestSit(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url, func(c *config.Config) { c.Limits.ConnectionsAtOnce = 1 })
		c := r.Class(t)
		seats := make([]*app.Seat, 2)
		for i := range seats {
			var err error
			if seats[i], err = r.Enter(t.Context(), c.Student, c.Room.ID); err != nil {
				t.Fatal(err)
			}
		}
		for i, seat := range seats {
			server, client := net.Pipe()
			conn := seat.Sit(server, true, -1)
			t.Cleanup(func() {
				_ = client.Close()
				seat.Leave()
				conn.Close(realtime.CloseGoingAway, "")
				conn.Wait()
			})
			if i == 0 {
				go func() { _, _ = io.Copy(io.Discard, client) }()
				continue
			}
			frame := make([]byte, 4) // final, close, its length, the code
			if err := client.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(client, frame); err != nil || frame[0] != 0x88 || binary.BigEndian.Uint16(frame[2:]) != realtime.CloseTooSlow {
				t.Errorf("got %x (%v), want a close frame with %d", frame, err, realtime.CloseTooSlow)
			}
		}
		if _, err := r.Enter(t.Context(), c.Student, c.Room.ID); app.KindOf(err) != app.KindLimited {
			t.Errorf("a third handshake: got %v, want it refused", err)
		}
	})
}
