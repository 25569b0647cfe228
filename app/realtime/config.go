package realtime

import (
	"context"
	"log/slog"
	"time"
)

// Encoders make the JSON text of frames. Each is called once per frame and variant.
// With a nil result this variant does not get the frame; with a nil func nobody gets
// it. They run under a lock: they must be quick, and must not call the hub.
type Encoders struct {
	Event    func(Event, Variant) []byte
	Signal   func(room string, s Signal, v Variant) []byte
	Delta    func(room string, d Delta, v Variant) []byte
	Presence func(room string, members []Member, v Variant) []byte
	Resync   func(room string, head int64, v Variant) []byte
	// Hold returns how long the connections of an event's Actor wait for the event, and
	// for everything after it.
	Hold func(Event, Variant) time.Duration
}

// Config has the settings of a Hub. A zero value means the default in brackets.
type Config struct {
	Node string // unique per process; required if Send is set

	// Read returns up to limit events of a room with seq > after, ascending.
	Read func(ctx context.Context, room string, after int64, limit int) ([]Event, error)
	// Heads returns the newest seq of each room, for the poll. When it is nil, the poll
	// calls Read for each room.
	Heads func(ctx context.Context, rooms []string) (map[string]int64, error)
	// Send publishes a payload of at most MaxPayload bytes to the other nodes. It is
	// nil if there are none.
	Send func(ctx context.Context, payload []byte) error

	// Heard is called for every signal of another node, whether or not anybody here is
	// in its room. It must not block.
	Heard func(room string, s Signal)

	// Spoken is called when something was heard of an answer under way in a room, whether
	// or not anybody here is in it. It must not block, and must not call the hub.
	Spoken func(room string)

	Encode Encoders

	QueueFrames    int           // frames that a connection may be behind while a write is stuck [1024]
	QueueBytes     int           // bytes that it may be behind, approximately [1 MiB]
	HistoryBytes   int64         // of history that all connections replay, approximately [64 MiB]
	HistoryOf      int64         // of history that one person's connections replay [8 MiB]
	Ping           time.Duration // between pings [10 s]
	DeadAfter      time.Duration // of silence; detected up to 1 s later [18 s]
	WriteTimeout   time.Duration // of one write to a connection [10 s]
	PresenceExpiry time.Duration // after the last message of a node [30 s]
	PresenceWindow time.Duration // changes of presence are sent together [250 ms, plus 2 ms per member up to 2 s]
	Poll           time.Duration // between checks for missed wake-ups [15 s]

	Log *slog.Logger
	Now func() time.Time
}

func (c Config) withDefaults() Config {
	setDefault(&c.QueueFrames, 1024)
	setDefault(&c.QueueBytes, 1<<20)
	setDefault(&c.HistoryBytes, 64<<20)
	setDefault(&c.HistoryOf, 8<<20)
	setDefault(&c.Ping, 10*time.Second)
	setDefault(&c.DeadAfter, 18*time.Second)
	setDefault(&c.WriteTimeout, 10*time.Second)
	setDefault(&c.PresenceExpiry, 30*time.Second)
	setDefault(&c.PresenceWindow, 250*time.Millisecond)
	setDefault(&c.Poll, 15*time.Second)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func setDefault[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}
