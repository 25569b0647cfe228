package realtime

import (
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	ownFrames = 256       // frames for this connection alone (acks, errors) that may wait
	ownBytes  = 256 << 10 // the bytes of these frames

	batchFrames = 256       // frames in one writev; Go keeps 16 bytes for each frame at the socket
	batchBytes  = 512 << 10 // bytes after which a batch takes no more frames

	// closeGrace is how long a peer may take to accept a close frame and answer it.
	closeGrace = 2 * time.Second
)

// ConnOptions says who is at the other end of a connection, and which frames it wants.
type ConnOptions struct {
	Variant   Variant
	UserID    string // "" means not shown in presence
	Name      string // the name that presence shows
	Kind      string // the kind that presence shows; "" for a person
	SessionID string
}

// Conn is the writing side of one WebSocket. Its methods may be called from any
// goroutine.
type Conn struct {
	nc    net.Conn
	raw   syscall.RawConn // of nc; nil if only the writer may use it
	who   ConnOptions
	wake  chan struct{}
	done  chan struct{} // closed when closing begins
	ended chan struct{} // closed when the writer has returned

	urgent atomic.Bool   // something guarded by mu waits for the writer
	spoke  atomic.Bool   // the peer sent something since the hub's last check
	writes atomic.Uint64 // odd while a write is under way
	hub    atomic.Pointer[Hub]

	writing sync.Mutex // held while somebody collects frames and writes them
	rest    *batch     // what the writer has to write first, guarded by writing
	over    bool       // nothing may be written any more, guarded by writing

	health health // used by the hub's ticker only

	mu      sync.Mutex
	seats   []*seat // its places in rooms
	ready   []*seat // those whose rooms may have something for it
	own     [][]byte
	ownSize int
	pong    []byte
	ping    bool
	closing bool
	code    int
	reason  string
}

// NewConn starts the writer of nc. nc must be the raw TCP connection, so that a batch
// is one write; a wrapper with UnsafeConn() net.Conn is unwrapped. The caller must end
// the Conn with Wait and must not set deadlines on nc.
func NewConn(nc net.Conn, who ConnOptions) *Conn {
	if who.Variant >= MaxVariants {
		panic("realtime: no such variant")
	}
	if u, ok := nc.(interface{ UnsafeConn() net.Conn }); ok {
		nc = u.UnsafeConn()
	}
	c := &Conn{
		nc: nc, raw: rawOf(nc), who: who,
		wake:  make(chan struct{}, 1),
		done:  make(chan struct{}),
		ended: make(chan struct{}),
	}
	go c.run()
	return c
}

// UserID returns the person's id.
func (c *Conn) UserID() string { return c.who.UserID }

// SessionID returns the id of the session that authorised the connection.
func (c *Conn) SessionID() string { return c.who.SessionID }

// Send queues one JSON text for this connection alone. It returns false when the
// connection is closing. It also returns false when too much waits already; it then
// closes the connection (4008).
func (c *Conn) Send(text []byte) bool {
	frame := TextFrame(text)
	c.mu.Lock()
	if c.closing {
		c.mu.Unlock()
		return false
	}
	if len(c.own) >= ownFrames || len(c.own) > 0 && c.ownSize+len(frame) > ownBytes {
		c.mu.Unlock()
		c.Close(CloseTooSlow, "too slow")
		return false
	}
	c.own = append(c.own, frame)
	c.ownSize += len(frame)
	c.mu.Unlock()
	c.interrupt()
	return true
}

// Waiting returns how many texts for this connection alone wait to be written.
func (c *Conn) Waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.own)
}

// greet queues the first texts of the connection. They may be longer than Send allows.
func (c *Conn) greet(texts [][]byte) {
	if len(texts) == 0 {
		return
	}
	c.mu.Lock()
	for _, text := range texts {
		c.own = append(c.own, TextFrame(text))
	}
	c.mu.Unlock()
	c.interrupt()
}

// Pong queues the answer to a ping. When several wait, only the newest is sent (RFC
// 6455 section 5.5.3).
func (c *Conn) Pong(data []byte) {
	frame := controlFrame(opPong, data)
	c.mu.Lock()
	c.pong = frame
	c.mu.Unlock()
	c.interrupt()
}

// Ping queues a ping.
func (c *Conn) Ping() {
	c.mu.Lock()
	c.ping = true
	c.mu.Unlock()
	c.interrupt()
}

// Alive notes that the peer sent something. The reader calls it for every frame,
// including pongs.
func (c *Conn) Alive() {
	if !c.spoke.Load() {
		c.spoke.Store(true)
	}
}

// Close sends what waits for this connection alone, then a close frame, and then closes
// the connection. Only the first call counts.
func (c *Conn) Close(code int, reason string) {
	c.mu.Lock()
	if c.closing {
		c.mu.Unlock()
		return
	}
	c.closing, c.code, c.reason = true, code, reason
	close(c.done)
	c.mu.Unlock()
	c.interrupt()
}

// Done is closed when closing begins. From then on nothing that the peer sends may be
// acted upon.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Wait closes the connection if nobody has done so. It returns when the writer has
// ended and will not use the socket again, after closeGrace at most.
func (c *Conn) Wait() {
	c.Close(CloseNormal, "")
	// An error means that the socket is closed, which ends the writer as well.
	_ = c.nc.SetWriteDeadline(time.Now().Add(closeGrace))
	<-c.ended
}

func (c *Conn) tooSlow() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.code == CloseTooSlow
}

// cut ends the connection without a close frame.
func (c *Conn) cut() { _ = c.nc.Close() }

func (c *Conn) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *Conn) interrupt() {
	c.urgent.Store(true)
	c.poke()
}

// run is the writer. It takes the token from wake before it collects, so anything
// queued later leaves a new token.
func (c *Conn) run() {
	defer close(c.ended)
	for {
		<-c.wake
		if c.writeAll() {
			return
		}
	}
}

// writeAll writes what waits for the connection. It returns true when nothing may follow.
func (c *Conn) writeAll() (over bool) {
	c.writing.Lock()
	defer c.writing.Unlock()
	for {
		b, last, more := c.rest, false, true
		if c.rest = nil; b == nil {
			b = batches.Get().(*batch)
			last = c.collect(b)
			more = b.full()
		}
		replayed := append([]*seat(nil), b.replayed...)
		err := c.write(b)
		b.release()
		for _, s := range replayed {
			s.room.feed.settled(s)
		}
		if err != nil || last {
			c.over = true
			c.finish(err)
			return true
		}
		if !more {
			return false
		}
	}
}

// collect fills b. It reports whether b ends with the close frame.
func (c *Conn) collect(b *batch) (last bool) {
	if c.urgent.Swap(false) && c.collectOwn(b) {
		return true
	}
	for !b.full() {
		s := c.nextReady()
		if s == nil {
			return false
		}
		s.collect(b)
		if b.full() { // there may be more
			c.mu.Lock()
			s.waits()
			c.mu.Unlock()
		}
	}
	return false
}

// collect adds what the room has for the seat.
func (s *seat) collect(b *batch) {
	if wait := s.room.feed.take(s, b); wait > 0 {
		time.AfterFunc(wait, s.poke)
	}
}

func (c *Conn) collectOwn(b *batch) (last bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, frame := range c.own {
		b.add(frame)
	}
	c.own, c.ownSize = nil, 0
	if c.pong != nil {
		b.add(c.pong)
		c.pong = nil
	}
	if c.ping {
		b.add(pingFrame)
		c.ping = false
	}
	if c.closing {
		b.add(closeFrame(c.code, c.reason))
	}
	return c.closing
}

func (c *Conn) write(b *batch) (err error) {
	switch len(b.frames) {
	case 0:
		return nil
	case 1:
		c.writes.Add(1)
		_, err = c.nc.Write(b.frames[0])
	default:
		c.writes.Add(1)
		b.left = b.frames
		_, err = b.left.WriteTo(c.nc)
	}
	c.writes.Add(1)
	c.count(b)
	return err
}

// count counts the frames of a batch that is written.
func (c *Conn) count(b *batch) {
	if h := c.hub.Load(); h != nil {
		h.stats.frames.Add(int64(len(b.frames)))
	}
}

// finish makes the reader return: at once after a failed write, otherwise when the peer
// answers the close frame. Closing the socket directly after that frame could reset the
// connection before the peer has read the frame.
func (c *Conn) finish(err error) {
	if err != nil {
		c.Close(abnormal, "")
		c.cut()
		return
	}
	if c.nc.SetReadDeadline(time.Now().Add(closeGrace)) != nil {
		c.cut()
	}
}

var (
	pingFrame = frameOf(opPing, nil)
	batches   = sync.Pool{New: func() any { return &batch{frames: make([][]byte, 0, batchFrames)} }}
)

// batch is the data of one write. Batches are pooled, so that an idle connection holds
// none.
type batch struct {
	frames [][]byte
	left   net.Buffers
	bytes  int

	replayed []*seat // those that it holds frames of from pages of history
}

func (b *batch) add(frame []byte) {
	b.frames = append(b.frames, frame)
	b.bytes += len(frame)
}

func (b *batch) full() bool { return len(b.frames) >= batchFrames || b.bytes >= batchBytes }

func (b *batch) release() {
	clear(b.frames)
	clear(b.replayed)
	b.frames, b.left, b.bytes, b.replayed = b.frames[:0], nil, 0, b.replayed[:0]
	batches.Put(b)
}
