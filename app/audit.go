package app

import (
	"context"
	"reflect"

	"github.com/coagent-studio/coagent/app/telemetry"
	"github.com/coagent-studio/coagent/store"
)

// target is the thing that a line of the audit log is about.
type target struct {
	kind string // "user", "agent", "course", ...
	id   string
}

// facts are members of a thing as the audit log shows them. A secret is never
// one of them: say "set" or "cleared" instead.
type facts map[string]any

// record adds one line to the audit log, in the transaction of the change. Of
// before and after only the members that differ are kept; before is nil for
// something new, after for something deleted.
func (a *App) record(ctx context.Context, tx *store.Tx, actor *Actor, action Action, on target, before, after facts) error {
	e := &store.AuditEntry{ID: store.NewID(), CreatedAt: a.instant(), ActorID: actor.User.ID, ActorName: actor.User.Email,
		Action: string(action), TargetType: on.kind, TargetID: on.id, RequestID: telemetry.RequestID(ctx)}
	if actor.ImpersonatorID != "" {
		super, err := tx.User(ctx, actor.ImpersonatorID)
		if err != nil {
			return err
		}
		e.ActorID, e.ActorName, e.OnBehalfOf = super.ID, super.Email, actor.User.ID
	}
	old, now := facts{}, facts{}
	for member, v := range before {
		if was, kept := after[member]; after == nil || !kept || !reflect.DeepEqual(v, was) {
			old[member] = v
		}
	}
	for member, v := range after {
		if was, kept := before[member]; before == nil || !kept || !reflect.DeepEqual(v, was) {
			now[member] = v
		}
	}
	if len(old) > 0 {
		e.Before = toJSON(old)
	}
	if len(now) > 0 {
		e.After = toJSON(now)
	}
	return tx.CreateAuditEntry(ctx, e)
}
