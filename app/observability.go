package app

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/app/telemetry"
	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
)

// This file connects what happens in the program to its counters, traces and logs.
// Package telemetry defines what these may contain.

// newTelemetry makes the counters and the tracer. It reads the hub and the queue at each
// scrape.
func newTelemetry(cfg *config.Config, db *store.DB, hub *realtime.Hub, models *llm.Models, log *slog.Logger,
	now clock, version string) (*telemetry.Telemetry, error) {
	c := cfg.Telemetry
	return telemetry.New(telemetry.Options{Endpoint: c.OTLPEndpoint, Service: c.ServiceName, Sample: c.TraceSample,
		Instance: db.Node(), Providers: models.Names(), Log: log,
		Sockets: func() telemetry.Sockets {
			s := hub.Stats()
			return telemetry.Sockets{Open: s.Conns, Rooms: s.Rooms, Frames: s.Frames, Slow: s.Slow, Dead: s.Dead,
				Resyncs: s.Resyncs, SignalsLost: s.SignalsLost}
		},
		Version:   version,
		Standing:  func(ctx context.Context) (telemetry.Standing, error) { return standingOf(ctx, db, now) },
		QueueAges: func(ctx context.Context) (map[string]time.Duration, error) { return jobs.Ages(ctx, db, now()) },
	})
}

// standingOf is what the metrics tell of the whole installation.
func standingOf(ctx context.Context, db *store.DB, now clock) (s telemetry.Standing, err error) {
	if s.Jobs, err = db.CountJobs(ctx); err != nil {
		return s, err
	}
	done, err := db.NewestBackup(ctx, store.BackupDone)
	if err == nil {
		age := max(now().Sub(done.CreatedAt), 0)
		s.Backup = &age
	} else if !errors.Is(err, store.ErrNotFound) {
		return s, err
	}
	failed, err := db.NewestBackup(ctx, store.BackupFailed)
	if err == nil {
		age := max(now().Sub(failed.EndedAt), 0)
		s.BackupFailure = &age
	} else if !errors.Is(err, store.ErrNotFound) {
		return s, err
	}
	return s, nil
}

// Telemetry returns the counters and traces of this App.
func (a *App) Telemetry() *telemetry.Telemetry { return a.telemetry }

// QueueUI makes the page of the job queue under the path prefix. The caller must check
// ActOperate for each request.
func (a *App) QueueUI(prefix string) (*jobs.UI, error) {
	return a.queue.UI(prefix, quietQueueLog(a.log))
}

// observeJob traces a job and logs how it ended.
func observeJob(ctx context.Context, t *telemetry.Telemetry, now clock, log *slog.Logger,
	j jobs.Begun) (context.Context, func(jobs.Outcome, error)) {
	ctx, end := t.Job(ctx, telemetry.Job{ID: j.ID, Kind: j.Kind, Attempt: j.Attempt, Waited: j.Waited, Carried: j.Carried})
	started := now()
	return ctx, func(outcome jobs.Outcome, err error) {
		level, failed := slog.LevelInfo, outcome == jobs.Failed || outcome == jobs.Discarded
		if failed {
			level = slog.LevelWarn
		}
		attrs := []slog.Attr{slog.String("kind", j.Kind), slog.String("outcome", string(outcome)), slog.Int("attempt", j.Attempt),
			telemetry.Millis("ms", now().Sub(started)), telemetry.Millis("waited_ms", j.Waited)}
		if err != nil {
			attrs = append(attrs, slog.String("err", err.Error()))
		}
		log.LogAttrs(ctx, level, "job", attrs...)
		end(string(outcome), failed)
	}
}

// postOutcome is the outcome of a message that came over a socket.
func postOutcome(p *Posted, err error) string {
	switch {
	case err == nil && p.Dup:
		return "repeated"
	case err == nil:
		return "stored"
	case KindOf(err) == KindInternal:
		return "failed"
	}
	return "refused"
}

// jobOutcome says what the queue does with a job that failed with err.
func jobOutcome(err error) jobs.FailureOutcome {
	var e *Error
	switch {
	case errors.Is(err, turn.ErrBusy):
		return jobs.FailureOutcome{Snooze: time.Second}
	case errors.As(err, &e):
		switch e.Kind {
		case KindInvalid, KindRejected, KindForbidden, KindNotFound:
			return jobs.FailureOutcome{Cancel: true}
		case KindLimited, KindUnavailable:
			return jobs.FailureOutcome{Snooze: max(e.RetryAfter, time.Second)}
		}
	}
	return jobs.FailureOutcome{}
}
