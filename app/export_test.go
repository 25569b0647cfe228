package app

import (
	"context"
	"time"

	"github.com/coagent-studio/coagent/app/limit"
	"github.com/coagent-studio/coagent/jobs"
)

// Prune is what the job of this name does.
func (a *App) Prune(ctx context.Context) error {
	return newPruner(a.cfg, a.db, a.log, a.now, limit.NewGate(1), a.files).prune(ctx, jobs.Prune{})
}

// FireDue fires what is due, whether this node is the one that looks or not.
func (a *App) FireDue(ctx context.Context) error { return a.engine.FireDue(ctx) }

// ReloadReports sets how often those who wait for a report read it again.
func (a *App) ReloadReports(every time.Duration) { a.reports.reload = every }

// WaitsForReport tells whether somebody waits in this process for a course's report.
func (a *App) WaitsForReport(courseID string) bool { return a.audience.streams.reads(courseID, "") }

// RunReport does the job of a report's attempt in this process.
func (a *App) RunReport(ctx context.Context, id string, attempt int) error {
	return a.reports.run(ctx, jobs.RunReport{ReportID: id, Attempt: attempt})
}

// CopyLease is for how long a copy belongs to a worker.
const CopyLease = copyLease

// RunCopy does the job of a copy's attempt in this process.
func (a *App) RunCopy(ctx context.Context, job jobs.CopyCourse) error { return a.runCopy(ctx, job) }

// SweepCopies takes over the copies whose lease ended before asOf.
func (a *App) SweepCopies(ctx context.Context, asOf time.Time) error { return a.sweepCopies(ctx, asOf) }
