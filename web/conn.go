package web

import (
	"bufio"
	"errors"
	"io"
	"net"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// The bounds of swallow and outlast: wide enough for a telephone that sends a class list
// or a long message, and a client that sends without end must not exceed them.
const (
	swallowBytes = 16 << 20
	swallowFor   = 20 * time.Second
	swallowPause = 2 * time.Second // after such a silence the client has sent all, or waits
)

const (
	// chatterBytes is what a socket may send beside the text of one message: frame
	// headers, pings, pongs.
	chatterBytes = 64 << 10
	// chatterRate is how many more such bytes may come per second between two messages.
	chatterRate = 1 << 10
)

// errChatter ends a socket whose peer sends frames without end but no message.
var errChatter = errors.New("web: too many frames without a message")

// conn is a client's connection.
type conn struct {
	*net.TCPConn
	unread atomic.Bool // it is closed before everything was read
	bare   bareLines
	ended  bool // the client sends no more; read and written by the one that serves it

	// For sockets only; used by their one reader alone.
	metered bool
	left    int64 // bytes until the next message
	since   time.Time
	linger  time.Time // until then each piece that comes gives the peer more time
}

// Read reads, and ends a socket that sends too much without a message. Without this the
// socket's library would read on: it reports neither empty fragments nor pings to us.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	c.ended = c.ended || errors.Is(err, io.EOF)
	if !c.metered {
		c.bare.see(p[:n])
	}
	if !c.metered || n == 0 {
		return n, err
	}
	if c.left -= int64(n); c.left+int64(time.Since(c.since).Seconds()*chatterRate) < 0 {
		return 0, errChatter
	}
	if now := time.Now(); now.Before(c.linger) {
		_ = c.SetReadDeadline(now.Add(swallowPause)) // an error means that the connection is closed
	}
	return n, err
}

// ration lets the peer of a socket send one more message of up to most bytes.
func (c *conn) ration(most int64) { c.metered, c.left, c.since = true, most+chatterBytes, time.Now() }

// outlast lets the peer of a socket that is being closed send the rest of what it has
// begun: a browser in the middle of a long frame that finds its connection reset reports
// no close code, so the page would send the same frame again, for ever.
func (c *conn) outlast() {
	c.ration(swallowBytes)
	c.linger = time.Now().Add(swallowFor)
}

// Close closes the connection. When the client still sends, Close first reads on: such a
// client reads the answer only after it has sent everything, and closing a connection
// with unread bytes resets it (RFC 9112, section 9.6).
func (c *conn) Close() error {
	if c.unread.Swap(false) && c.CloseWrite() == nil {
		c.swallow()
	}
	return c.TCPConn.Close()
}

func (c *conn) swallow() {
	buf, end := make([]byte, 4<<10), time.Now().Add(swallowFor)
	for left := swallowBytes; left > 0 && time.Now().Before(end); {
		if c.SetReadDeadline(time.Now().Add(swallowPause)) != nil {
			return
		}
		n, err := c.TCPConn.Read(buf)
		if err != nil {
			return
		}
		left -= n
	}
}

// endUnread makes the connection of a request end with its answer, although not
// everything that the client sends has been read.
func endUnread(ctx *fasthttp.RequestCtx) {
	ctx.Response.SetConnectionClose()
	if c, ok := ctx.Conn().(*conn); ok {
		c.unread.Store(true)
	}
}

// rawConn returns the connection below a hijacked one.
func rawConn(nc net.Conn) *conn {
	if u, ok := nc.(interface{ UnsafeConn() net.Conn }); ok {
		nc = u.UnsafeConn()
	}
	c, _ := nc.(*conn)
	return c
}

// slim frees the buffer that read the head of a hijacked connection's request. The buffer
// is half of what an idle socket costs. While bodies are streams, fasthttp keeps it for
// the life of the connection and takes it back afterwards. Call grow before that: it
// restores the size.
func slim(nc net.Conn) (grow func()) {
	br := headReader(nc)
	if br == nil || br.Buffered() > 0 {
		return func() {}
	}
	size := br.Size()
	*br = *bufio.NewReaderSize(rawConn(nc), 0) // bufio's smallest size; larger reads bypass the buffer
	return func() { *br = *bufio.NewReaderSize(nil, size) }
}

// headReader returns the reader of a hijacked connection, nil for any other connection.
// fasthttp exports no name for it.
func headReader(nc net.Conn) *bufio.Reader {
	v := reflect.ValueOf(nc)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return nil
	}
	field := v.Elem().FieldByName("r")
	if !field.IsValid() || field.Type() != reflect.TypeFor[io.Reader]() {
		return nil
	}
	br, _ := (*(*io.Reader)(field.Addr().UnsafePointer())).(*bufio.Reader)
	return br
}
