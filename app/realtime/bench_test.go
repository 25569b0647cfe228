package realtime

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// BenchmarkFanout reports the CPU of the whole process per delivery, kernel and the readers' own share included.
// "floor" is a bare server of the same kind: a channel and a coalescing writer per connection.
func BenchmarkFanout(b *testing.B) {
	const size = 300
	body := strings.Repeat("x", size)
	for _, tc := range []struct{ members, burst int }{{100, 1}, {500, 1}, {500, 100}} {
		members, burst := tc.members, tc.burst
		b.Run(fmt.Sprintf("hub/members=%d/burst=%d", members, burst), func(b *testing.B) {
			s := setup(b, func(cfg *Config) {
				cfg.Encode.Event = func(e Event, _ Variant) []byte { return []byte(body) }
				cfg.Encode.Presence = nil
			})
			var readers counters
			for range members {
				c := s.join(b, room1, ConnOptions{}, JoinOptions{})
				readers.add(c.nc)
			}
			measure(b, members, burst, len(TextFrame([]byte(body))), &readers, func(i int) {
				s.hub.Publish(Event{Room: room1, Seq: int64(i)})
			})
		})
		// The same to people whose connections follow 49 more rooms.
		b.Run(fmt.Sprintf("persons/members=%d/burst=%d", members, burst), func(b *testing.B) {
			s := setup(b, func(cfg *Config) {
				cfg.Encode.Event = func(e Event, _ Variant) []byte { return []byte(body) }
				cfg.Encode.Presence = nil
			})
			var readers counters
			for range members {
				c := s.join(b, room1, ConnOptions{}, JoinOptions{})
				for i := range 49 {
					s.hub.Join(fmt.Sprint("room ", i), c.conn, JoinOptions{Variant: 8})
				}
				readers.add(c.nc)
			}
			measure(b, members, burst, len(TextFrame([]byte(body))), &readers, func(i int) {
				s.hub.Publish(Event{Room: room1, Seq: int64(i)})
			})
		})
		b.Run(fmt.Sprintf("floor/members=%d/burst=%d", members, burst), func(b *testing.B) {
			var readers counters
			var queues []chan []byte
			frame := TextFrame([]byte(body))
			for range members {
				near, far := tcpPair(b)
				b.Cleanup(func() { _, _ = near.Close(), far.Close() })
				readers.add(far)
				queue := make(chan []byte, 4096)
				queues = append(queues, queue)
				go func() {
					for f := range queue {
						batch := newBatch()
						for batch.add(f); len(queue) > 0 && !batch.full(); {
							batch.add(<-queue)
						}
						batch.left = batch.frames
						_, err := batch.left.WriteTo(near)
						batch.release()
						if err != nil {
							return
						}
					}
				}()
			}
			measure(b, members, burst, len(frame), &readers, func(int) {
				for _, q := range queues {
					q <- frame
				}
			})
			for _, q := range queues {
				close(q)
			}
		})
	}
}

func newBatch() *batch { return batches.Get().(*batch) }

// counters read sockets and count the bytes.
type counters struct {
	bytes atomic.Int64
	all   sync.WaitGroup
}

func (c *counters) add(from io.Reader) {
	c.all.Go(func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := from.Read(buf)
			if err != nil {
				return
			}
			c.bytes.Add(int64(n))
		}
	})
}

// measure posts in bursts and waits for each to arrive everywhere.
func measure(b *testing.B, members, burst, size int, r *counters, post func(int)) {
	b.Helper()
	start := r.bytes.Load()
	before := cpuTime(b)
	b.ResetTimer()
	sent := 0
	for b.Loop() {
		for range burst {
			sent++
			post(sent)
		}
		want := start + int64(sent)*int64(members)*int64(size)
		for r.bytes.Load() < want {
			<-time.After(50 * time.Microsecond)
		}
	}
	b.StopTimer()
	b.ReportMetric(float64((cpuTime(b)-before).Nanoseconds())/float64(sent*members)/1000, "cpu-us/delivery")
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
