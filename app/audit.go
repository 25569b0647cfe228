package app

import (
	"context"
	"crypto/sha256"
	"fmt"
	"reflect"
	"time"

	"github.com/google/uuid"

	"github.com/coagent-studio/coagent/app/telemetry"
	"github.com/coagent-studio/coagent/store"
)

// What the audit log tells of beside the actions of access.go. Nobody asks
// Check for these: they have happened, or are allowed by another action.
const (
	didSignIn            Action = "session.sign_in"
	didSignOut           Action = "session.sign_out"
	didEndSession        Action = "session.end"
	didStopImpersonating Action = "user.stop_impersonating"
	didSetPassword       Action = "user.set_password"
	didCreateKey         Action = "key.create"
	didShareKey          Action = "key.share"
	didDeleteKey         Action = "key.delete"
	didCreateToken       Action = "token.create"
	didRevokeToken       Action = "token.revoke"
	didDeleteThread      Action = "thread.delete"
	didDeleteMessage     Action = "message.delete"
	didRestoreMessage    Action = "message.restore"
)

// operatorName stands in the audit log for who acts at the machine itself: the
// commands, the first start, and the set-up link that it prints.
const operatorName = "operator"

// operator is the person at the machine, for the audit log; Check grants it
// nothing.
func operator() *Actor { return &Actor{User: store.User{ID: operatorName, Email: operatorName}} }

// target is the thing that a line of the audit log is about.
type target struct {
	kind string // "user", "agent", "course", ...
	id   string
}

// changes are members of a thing as the audit log shows them. A secret is never
// one of them: say "set" or "cleared" instead.
type changes map[string]any

// record adds one line to the audit log, in the transaction of the change. Of
// before and after only the members that differ are kept; before is nil for
// something new, after for something deleted. A change that changes nothing
// leaves no line.
func (a *App) record(ctx context.Context, tx *store.Tx, actor *Actor, action Action, on target, before, after changes) error {
	e := &store.AuditEntry{ID: store.NewID(), CreatedAt: a.instant(), ActorID: actor.User.ID, ActorName: actor.User.Email,
		Action: string(action), TargetType: on.kind, TargetID: on.id, RequestID: telemetry.RequestID(ctx)}
	if actor.ImpersonatorID != "" {
		super, err := tx.User(ctx, actor.ImpersonatorID)
		if err != nil {
			return err
		}
		e.ActorID, e.ActorName, e.OnBehalfOf = super.ID, super.Email, actor.User.ID
	}
	old, now := differing(before, after), differing(after, before)
	if after != nil && len(old) == 0 && len(now) == 0 {
		return nil
	}
	for _, who := range []string{"user_id", "agent_id"} {
		if id, ok := after[who]; ok {
			now[who] = id // whose place it is does not change with it
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

// Operate adds a line about a change that the actor is about to make with the
// page of the job queue: the request, and the jobs that it names. That page
// has transactions of its own, so the line comes before the change.
func (a *App) Operate(ctx context.Context, actor *Actor, request string, jobs []int64) error {
	if err := Check(actor, ActOperate, Resource{}); err != nil {
		return err
	}
	return a.db.InTx(ctx, func(tx *store.Tx) error {
		return a.record(ctx, tx, actor, ActOperate, target{"queue", cut(request, maxName)}, nil, changes{"jobs": fmt.Sprint(jobs)})
	})
}

// differing are the members of a thing that other has not, or not so.
func differing(of, other changes) changes {
	left := changes{}
	for member, v := range of {
		if was, kept := other[member]; !kept || !reflect.DeepEqual(v, was) {
			left[member] = short(v)
		}
	}
	return left
}

// maxFact is how many bytes of a text the audit log shows.
const maxFact = 500

// short cuts a long text, for example an agent's instructions, and adds its
// sum, by which two long texts that differ far behind can be told apart.
func short(v any) any {
	text, ok := v.(string)
	if p, points := v.(*string); points && p != nil {
		text, ok = *p, true
	}
	if !ok || len(text) <= maxFact {
		return v
	}
	return cut(text, maxFact) + " ... (" + sum(text) + ")"
}

// sum stands for a text that the audit log must not show, or not whole.
func sum(text string) string {
	if len(text) <= len("{}") {
		return text
	}
	return fmt.Sprintf("%d bytes, sha256 %.8x", len(text), sha256.Sum256([]byte(text)))
}

// AuditFilter narrows the audit log; empty members narrow nothing.
type AuditFilter = store.AuditFilter

// AuditLog lists who changed what, newest first: at most limit lines (1..200)
// of those older than the line before ("" = from the newest on).
func (a *App) AuditLog(ctx context.Context, actor *Actor, f AuditFilter, before string, limit int) (*store.Listing[store.AuditEntry], error) {
	if err := Check(actor, ActReadAudit, Resource{}); err != nil {
		return nil, err
	}
	for field, v := range map[string]*string{"actor_id": &f.ActorID, "on_behalf_of": &f.OnBehalfOf, "action": &f.Action,
		"target_type": &f.TargetType, "target_id": &f.TargetID} {
		if err := text(field, *v, 0, maxName); err != nil {
			return nil, err
		}
		if u, err := uuid.Parse(*v); err == nil {
			*v = u.String() // ids are stored in this spelling
		}
	}
	f.Since, f.Until = storable(f.Since), storable(f.Until)
	return a.db.AuditEntries(ctx, f, before, min(max(limit, 1), MaxAuditPage))
}

// storable brings an instant that a client asks for into the years that both
// databases can compare.
func storable(t time.Time) time.Time {
	first, last := time.Unix(0, 0), time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC)
	switch {
	case t.IsZero():
		return t
	case t.Before(first):
		return first
	case t.After(last):
		return last
	}
	return t
}

// MaxAuditPage is how many lines of the audit log one answer holds at most.
const MaxAuditPage = 200
