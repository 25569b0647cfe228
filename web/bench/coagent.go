//go:build unix

package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/web"
)

// roleCoagent is the whole program, wired as in web.Start. The parts have names here
// because a bench also writes to the database directly.
const roleCoagent = "coagent"

// site says where a coagent has its database and its model provider.
type site struct {
	URL, Dir string
	Provider string // base URL of the bench's model provider
	NoJobs   bool   // leave jobs to others (Postgres only)
}

func (d *database) site() site { return site{URL: d.url, Dir: d.dir} }

type coagent struct{ opened *app.Opened }

func startCoagent(raw json.RawMessage) (*service, error) {
	var s site
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, err
	}
	cfg, ctx := settings(s), context.Background()
	// The log costs what it costs in service, except for the disk.
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	log := slog.New(loudHandler{slog.NewTextHandler(null, nil), slog.NewTextHandler(os.Stderr, nil)})
	o, err := app.Open(ctx, cfg, log, app.Mode{Serve: true, Work: !s.NoJobs})
	if err != nil {
		return nil, err
	}
	server, err := web.NewServer(o.App, cfg, log, "bench")
	if err != nil {
		return nil, err
	}
	addr, err := server.Listen(ctx, cfg.HTTP.Addr)
	if err != nil {
		return nil, err
	}
	if err := o.Start(ctx); err != nil {
		return nil, err
	}
	go func() { _ = server.Serve() }() // it ends with Shutdown
	c := &coagent{o}
	return &service{addr: addr.String(),
		ops: map[string]func(json.RawMessage) (any, error){"burst": c.burst, "pace": c.pace},
		stop: func() error {
			ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
			defer cancel()
			return errors.Join(o.CloseSockets(ctx), server.Shutdown(ctx), o.Stop(ctx), o.Close())
		}}, nil
}

// loudHandler shows warnings on standard error.
type loudHandler struct{ quiet, loud slog.Handler }

// Enabled uses the program's own level.
func (h loudHandler) Enabled(ctx context.Context, l slog.Level) bool { return h.quiet.Enabled(ctx, l) }

// Handle writes the record.
func (h loudHandler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		return h.loud.Handle(ctx, r)
	}
	return h.quiet.Handle(ctx, r)
}

// WithAttrs adds to both.
func (h loudHandler) WithAttrs(a []slog.Attr) slog.Handler {
	return loudHandler{h.quiet.WithAttrs(a), h.loud.WithAttrs(a)}
}

// WithGroup adds to both.
func (h loudHandler) WithGroup(name string) slog.Handler {
	return loudHandler{h.quiet.WithGroup(name), h.loud.WithGroup(name)}
}

// burstArgs say which events to make in a room.
type burstArgs struct {
	Room   string
	Text   string
	Events int           // of a burst, or in all
	Every  time.Duration // between two paced ones
}

// burst commits many messages at once, which the hub then has to deliver. It returns the
// CPU used before the commit, because the bench measures the fan-out.
func (c *coagent) burst(raw json.RawMessage) (any, error) {
	var b burstArgs
	if err := json.Unmarshal(raw, &b); err != nil {
		return nil, err
	}
	return c.commit(b, b.Events)
}

// pace commits one message after another. It returns the CPU used from each commit to the
// beginning of the next message.
func (c *coagent) pace(raw json.RawMessage) (any, error) {
	var b burstArgs
	if err := json.Unmarshal(raw, &b); err != nil {
		return nil, err
	}
	tick := time.NewTicker(b.Every)
	defer tick.Stop()
	var used time.Duration
	for range b.Events {
		before, err := c.commit(b, 1)
		if err != nil {
			return nil, err
		}
		<-tick.C
		used += ownCPU() - before
	}
	return used, nil
}

func (c *coagent) commit(b burstArgs, events int) (before time.Duration, err error) {
	ctx, now := context.Background(), time.Now().UTC()
	body, err := json.Marshal(event.Message{Sender: "Bench", SenderID: store.NewID(), Content: b.Text})
	if err != nil {
		return 0, err
	}
	err = c.opened.DB.InTx(ctx, func(tx *store.Tx) error {
		for range events {
			seq, err := tx.NextSeq(ctx, b.Room, time.Time{})
			if err != nil {
				return err
			}
			if err := tx.CreateEvent(ctx, &store.Event{RoomID: b.Room, Seq: seq, ID: store.NewID(), Type: event.TypeMessage,
				Body: store.JSON(body), CreatedAt: now}); err != nil {
				return err
			}
		}
		before = ownCPU()
		return nil
	})
	return before, err
}
