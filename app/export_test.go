package app

import (
	"context"

	"github.com/coagent-studio/coagent/jobs"
)

// Prune is what the job of this name does.
func (a *App) Prune(ctx context.Context) error { return a.prune(ctx, jobs.Prune{}) }
