package app

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
)

// signalSilence tells a person on another node why an agent does not answer. The body is
// a turn.Silence. Like the engine's own signals it is best effort, and no frame is made
// of it.
const signalSilence = "silence"

// signalReport tells the other nodes that a course's report has ended or is gone. It is
// sent with the course's id instead of a room's, and no frame is made of it.
const signalReport = "report"

// signalThread tells the other nodes that a thread is gone, so that nobody waits for an
// answer in it. No frame is made of it.
const signalThread = "thread"

// audience are the people who are connected to this process, by sockets and by event
// streams.
type audience struct {
	hub       *realtime.Hub
	streams   streams
	followers *followers
	told      silences
	editors   editors
	now       clock

	rechecks rechecks
}

// heardSignal handles a signal of another process.
func (a *App) heardSignal(roomID string, s realtime.Signal) {
	switch s.Type {
	case signalReport, signalThread:
		a.audience.streams.wake(roomID)
	case signalMarks: // with a person's id as the room's
		a.audience.streams.wake(roomID)
		var about MarksChanged
		if json.Unmarshal(s.Body, &about) == nil {
			a.audience.followers.marked(roomID, about.RoomID)
		}
	case signalCopy: // with a person's id as the room's
		a.audience.followers.copied(roomID, s.Body)
	case signalSilence:
		var about turn.Silence
		if json.Unmarshal(s.Body, &about) == nil {
			a.audience.show(roomID, about)
		}
	case event.SignalEditing:
		a.heardEditing(roomID, s)
	default:
		a.engine.Heard(roomID, s)
	}
}

// reportEnded wakes those who wait for a course's report, in this process and on the
// other nodes.
func (au *audience) reportEnded(courseID string) {
	au.streams.wake(courseID)
	au.hub.Signal(courseID, realtime.Signal{Type: signalReport})
}

// threadGone wakes those who wait for an answer in a thread or read it, in this process
// and on the other nodes.
func (au *audience) threadGone(id string) {
	au.streams.wake(id)
	au.hub.Signal(id, realtime.Signal{Type: signalThread})
}

// threadsGo deletes something with its threads in a transaction, and tells those who wait
// for answers there. of is as in store.ThreadsToEnd.
func (au *audience) threadsGo(ctx context.Context, tx *store.Tx, of, id string, del func() error) error {
	gone, err := tx.ThreadsToEnd(ctx, of, id)
	if err != nil {
		return err
	}
	tx.AfterCommit(func() {
		for _, thread := range gone {
			au.threadGone(thread)
		}
	})
	return del()
}

// spoken tells those who follow a room that an agent says something there.
func (au *audience) spoken(roomID string) {
	au.streams.spoken(roomID)
	au.followers.spoken(roomID)
}

// accountsChanged forgets what is kept of accounts, sessions, access tokens, courses and
// rooms that have changed, or whose people have. Without ids it forgets everything.
func (a *App) accountsChanged(ids []string) {
	if len(ids) == 0 {
		a.sessions.actors.forgetAll()
	} else {
		a.sessions.actors.forget(ids)
	}
	a.engine.ForgetPeople(ids...)
	a.audience.followers.changed(ids)
}

// cluster is what this process hears of the other processes on the same Postgres. What
// they notify arrives at once; what they committed and could not notify, within missedEvery.
type cluster struct {
	db       *store.DB
	audience *audience
	queue    *jobs.Queue
	changed  func(ids []string) // see App.accountsChanged
	log      *slog.Logger
	// A process that only works on jobs has no sockets: of the rooms it needs only who
	// types and which turns stop. One that only serves needs no jobs.
	work, serve bool
	listener    *realtime.Listener
}

// missedEvery is how often a process looks for what was committed and not notified.
const missedEvery = 250 * time.Millisecond

// newCluster makes what listens; nothing runs before run.
func newCluster(db *store.DB, audience *audience, queue *jobs.Queue, changed func(ids []string), work, serve bool, log *slog.Logger) *cluster {
	c := &cluster{db: db, audience: audience, queue: queue, changed: changed, work: work, serve: serve, log: log}
	cfg := realtime.ListenConfig{Connect: db.Connect, Channels: []string{store.ChannelSignal}, OnNotify: c.heard,
		OnReconnect: func() { changed(nil); audience.hub.WakeAll(); audience.streams.wakeAll() }, Log: log.With("part", "listener")}
	cfg.Channels = append(cfg.Channels, store.ChannelAccounts)
	if serve {
		cfg.Channels = append(cfg.Channels, store.ChannelWake)
	}
	if work {
		cfg.Channels = append(cfg.Channels, store.ChannelQueues)
	}
	c.listener = realtime.NewListener(cfg)
	return c
}

// run listens and looks until ctx ends.
func (c *cluster) run(ctx context.Context) {
	var loops sync.WaitGroup
	loops.Go(func() { c.listener.Run(ctx) })
	loops.Go(func() { c.watch(ctx) })
	loops.Wait()
}

// heard handles one notification.
func (c *cluster) heard(channel, payload string) {
	switch channel {
	case store.ChannelWake:
		c.wake(c.db.ParseWake(payload))
	case store.ChannelQueues:
		c.queue.Wake(c.db.ParseIDs(payload)...)
	case store.ChannelAccounts:
		if ids := c.db.ParseIDs(payload); len(ids) > 0 {
			c.changed(ids)
		}
	case store.ChannelSignal:
		// Most payloads are streamed text, which nobody needs where nobody is connected.
		if c.serve || strings.Contains(payload, realtime.WireSignal) {
			c.audience.hub.HandleSignal([]byte(payload))
		}
	}
}

// wake makes those who are connected here read what is new in rooms.
func (c *cluster) wake(rooms []store.Wake) {
	for _, w := range rooms {
		c.audience.hub.Wake(w.Room, w.Seq)
		c.audience.streams.wake(w.Room)
		c.audience.followers.wake(w.Room, w.Seq)
	}
}

// watch looks for what other processes have committed and not notified.
func (c *cluster) watch(ctx context.Context) {
	var queues []string
	if c.work {
		queues = jobs.Queues()
	}
	watch, tick, failing := c.db.Watch(queues...), time.NewTicker(missedEvery), false //nolint:forbidigo // the pace of a loop is no rule's time
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		missed, err := watch.Missed(ctx)
		if err != nil {
			if !failing && ctx.Err() == nil { // once for many failures in succession
				c.log.WarnContext(ctx, "looking for what other processes have committed failed", "err", err)
			}
			failing = true
			continue
		}
		failing = false
		if c.serve {
			c.wake(missed.Rooms)
		}
		c.queue.Wake(missed.Queues...)
	}
}

// newHub makes the hub that sends the events of the log to the sockets.
func newHub(cfg *config.Config, db *store.DB, now clock, log *slog.Logger,
	heard func(roomID string, s realtime.Signal), spoken func(roomID string)) *realtime.Hub {
	r := cfg.Rooms
	options := realtime.Config{
		Node: db.Node(),
		Read: func(ctx context.Context, room string, after int64, limit int) ([]realtime.Event, error) {
			rows, err := db.Events(ctx, room, after, limit)
			events := make([]realtime.Event, len(rows))
			for i := range rows {
				events[i] = event.Live(&rows[i])
			}
			return events, err
		},
		Heads:       db.EventHeads,
		Heard:       heard,
		Spoken:      spoken,
		Encode:      event.Encoders(),
		QueueFrames: r.SocketQueueFrames, QueueBytes: int(r.SocketQueueBytes), Ping: r.Ping, DeadAfter: r.DeadAfter,
		HistoryBytes: int64(cfg.Limits.AnswersAtOnce), HistoryOf: int64(cfg.Limits.AnswersPerPerson),
		PresenceExpiry: r.PresenceExpiry, Poll: r.EventPoll, Log: log.With("part", "realtime"), Now: now,
	}
	if db.Postgres() {
		options.Send = db.SendSignal
	}
	return realtime.NewHub(options)
}

// publish hands the events of a committed transaction to the sockets of this process.
func (au *audience) publish(events []store.Event) {
	for i := range events {
		au.hub.Publish(event.Live(&events[i]))
		au.streams.wake(events[i].RoomID)
	}
	au.followers.published(events)
}
