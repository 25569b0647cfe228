package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// maxPayload is the most bytes that Postgres accepts in one notification.
const maxPayload = 7999

// The Postgres channels between processes.
const (
	ChannelWake     = "coagent_wake"     // "<node> <room>:<seq> ...": these rooms have newer events
	ChannelQueues   = "coagent_queues"   // "<node> <queue> ...": these queues have new jobs
	ChannelAccounts = "coagent_accounts" // "<node> <id> ...": these accounts, sessions or access tokens have changed
	ChannelSignal   = "coagent_signal"   // signals that are never stored: typing, presence, text as it streams
)

// OnCommit sets the function that this process calls after each commit, with the events
// of that commit in order. Set it before the first transaction.
func (d *DB) OnCommit(fn func([]Event)) { d.committed = fn }

// SendSignal sends a payload to the other processes and returns when Postgres has it;
// best effort. On SQLite there is no other process, so it does nothing.
func (d *DB) SendSignal(ctx context.Context, payload []byte) error {
	if d.notifier == nil {
		return nil
	}
	if len(payload) > maxPayload {
		return fmt.Errorf("a signal of %d bytes, at most %d are possible", len(payload), maxPayload)
	}
	return d.notifier.signal(ctx, string(payload))
}

// NotifyQueue tells the other processes that a queue has new jobs. Call it after the
// commit. On SQLite it does nothing.
func (d *DB) NotifyQueue(name string) {
	if d.notifier != nil {
		d.notifier.add(func(n *notifier) { n.queues[name] = true })
	}
}

// notifyEvents tells the other processes which rooms have newer events.
func (d *DB) notifyEvents(events []Event) {
	if d.notifier == nil || len(events) == 0 {
		return
	}
	d.notifier.add(func(n *notifier) {
		for i := range events {
			e := &events[i]
			if _, known := n.rooms[e.RoomID]; known || len(n.rooms) < maxRoomsToNotify {
				n.rooms[e.RoomID] = max(n.rooms[e.RoomID], e.Seq)
			}
		}
	})
}

const (
	// notifyEvery is the least time between two rounds of notifications. The first after
	// a pause leaves at once.
	notifyEvery = 4 * time.Millisecond
	// notifyWithin bounds one round, and the last one when the database is closed.
	notifyWithin = 5 * time.Second
	// notifyRetry is the pause after a round that failed.
	notifyRetry = time.Second
	// maxRoomsToNotify bounds the rooms that wait while Postgres cannot be reached. The
	// other processes find the rest when they next ask, see Missed.
	maxRoomsToNotify = 10_000
	// maxAccountsToNotify bounds the accounts that wait. What the other processes keep of
	// the rest expires by itself.
	maxAccountsToNotify = 1000
	// maxSignalsToNotify bounds the signals that wait.
	maxSignalsToNotify = 1000
)

// notifier tells the other processes what became new in this one, on a connection of its
// own and after the commits. A NOTIFY inside a transaction takes a lock of the whole
// database until that transaction is on the disk, so that no two such commits, of any
// process, could share a flush.
type notifier struct {
	connect func(ctx context.Context) (*pgx.Conn, error)
	node    string
	kick    chan struct{} // holds a token while something waits

	mu      sync.Mutex
	running chan struct{} // closed when run has ended; nil before the first notification
	stop    context.CancelFunc
	closed  bool
	round
}

// round is what waits to be sent, or is being sent.
type round struct {
	rooms    map[string]int64
	queues   map[string]bool
	accounts map[string]bool
	signals  []waitingSignal
}

func newRound() round {
	return round{rooms: map[string]int64{}, queues: map[string]bool{}, accounts: map[string]bool{}}
}

// waitingSignal is a payload whose sender waits for the result.
type waitingSignal struct {
	payload string
	sent    chan error
}

func newNotifier(node string, connect func(ctx context.Context) (*pgx.Conn, error)) *notifier {
	return &notifier{connect: connect, node: node, kick: make(chan struct{}, 1), round: newRound()}
}

var errNotifierClosed = errors.New("the database is closed")

// add changes what waits to be sent. The first call starts the goroutine that sends.
func (n *notifier) add(change func(*notifier)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return
	}
	if n.running == nil {
		ctx, stop := context.WithCancel(context.Background())
		n.running, n.stop = make(chan struct{}), stop
		go n.run(ctx, n.running)
	}
	change(n)
	n.wake()
}

func (n *notifier) wake() {
	select {
	case n.kick <- struct{}{}:
	default: // the token is there
	}
}

// signal sends a payload and waits until it is sent, or ctx ends.
func (n *notifier) signal(ctx context.Context, payload string) error {
	sent, err := make(chan error, 1), errNotifierClosed
	n.add(func(n *notifier) {
		if err = nil; len(n.signals) >= maxSignalsToNotify {
			err = errors.New("too many signals wait")
			return
		}
		n.signals = append(n.signals, waitingSignal{payload, sent})
	})
	if err != nil {
		return err
	}
	select {
	case err := <-sent:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close sends what waits, for notifyWithin at most, and ends the connection.
func (n *notifier) close() {
	n.mu.Lock()
	running := n.running
	n.closed = true
	n.wake()
	n.mu.Unlock()
	if running == nil {
		return
	}
	select {
	case <-running:
	case <-time.After(notifyWithin):
		n.stop()
		<-running
	}
}

// run sends what waits, until the notifier is closed and all is sent.
func (n *notifier) run(ctx context.Context, ended chan struct{}) {
	defer close(ended)
	var conn *pgx.Conn
	defer func() { hangUp(conn) }()
	for {
		select {
		case <-n.kick:
		case <-ctx.Done():
			return
		}
		r, closed := n.take()
		err := n.send(ctx, &conn, r)
		for _, s := range r.signals {
			s.sent <- err
		}
		if closed { // nothing can have been added since
			return
		}
		pause := notifyEvery
		if err != nil {
			hangUp(conn)
			conn, pause = nil, notifyRetry
			n.putBack(r)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

func (n *notifier) take() (r round, closed bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	r, n.round = n.round, newRound()
	return r, n.closed
}

// putBack keeps what could not be sent for the next round. Signals are told of the error
// instead.
func (n *notifier) putBack(r round) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for room, seq := range r.rooms {
		n.rooms[room] = max(n.rooms[room], seq)
	}
	maps.Copy(n.queues, r.queues)
	maps.Copy(n.accounts, r.accounts)
	n.wake()
}

// send sends one round in one statement. It opens the connection when there is none.
func (n *notifier) send(ctx context.Context, conn **pgx.Conn, r round) error {
	var channels, payloads []string
	notify := func(channel string, texts ...string) {
		for _, text := range texts {
			channels, payloads = append(channels, channel), append(payloads, text)
		}
	}
	wakes := make([]string, 0, len(r.rooms))
	for room, seq := range r.rooms {
		wakes = append(wakes, room+":"+strconv.FormatInt(seq, 10))
	}
	notify(ChannelWake, n.payloads(wakes)...)
	notify(ChannelQueues, n.payloads(slices.Collect(maps.Keys(r.queues)))...)
	notify(ChannelAccounts, n.payloads(slices.Collect(maps.Keys(r.accounts)))...)
	for _, s := range r.signals {
		notify(ChannelSignal, s.payload)
	}
	if len(channels) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, notifyWithin)
	defer cancel()
	if *conn == nil {
		made, err := n.connect(ctx)
		if err != nil {
			return fmt.Errorf("connect to notify: %w", err)
		}
		*conn = made
	}
	_, err := (*conn).Exec(ctx, "SELECT count(pg_notify(channel, payload)) FROM unnest($1::text[], $2::text[]) AS n (channel, payload)", channels, payloads)
	if err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	return nil
}

// payloads joins words to texts that each begin with this process's name and fit into a
// notification.
func (n *notifier) payloads(words []string) []string {
	var all []string
	for _, word := range words {
		if last := len(all) - 1; last >= 0 && len(all[last])+1+len(word) <= maxPayload {
			all[last] += " " + word
		} else {
			all = append(all, n.node+" "+word)
		}
	}
	return all
}

// hangUp closes a connection properly, and waits only briefly.
func hangUp(conn *pgx.Conn) {
	if conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // it is given up either way
}

// Wake says that a room's log has reached Seq.
type Wake struct {
	Room string
	Seq  int64
}

// ParseWake reads a payload of ChannelWake. It returns nothing for this process's own
// notifications, which it has handled already.
func (d *DB) ParseWake(payload string) []Wake {
	var wakes []Wake
	for _, word := range d.ParseIDs(payload) {
		room, n, _ := strings.Cut(word, ":")
		if seq, err := strconv.ParseInt(n, 10, 64); err == nil {
			wakes = append(wakes, Wake{room, seq})
		}
	}
	return wakes
}

// ParseIDs reads a payload of ChannelQueues or ChannelAccounts. It returns nothing for this process's own
// notifications.
func (d *DB) ParseIDs(payload string) []string {
	words := strings.Fields(payload)
	if len(words) == 0 || words[0] == d.node {
		return nil
	}
	return words[1:]
}
