package app

import (
	"context"

	"github.com/coagent-studio/coagent/app/limit"
	"github.com/coagent-studio/coagent/jobs"
)

// Prune is what the job of this name does.
func (a *App) Prune(ctx context.Context) error {
	return newPruner(a.cfg, a.db, a.log, a.now, limit.NewGate(1)).prune(ctx, jobs.Prune{})
}

// FireDue fires what is due, whether this node is the one that looks or not.
func (a *App) FireDue(ctx context.Context) error { return a.engine.FireDue(ctx) }
