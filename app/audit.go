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

// Actions that only the audit log knows, in addition to those of access.go. Check is
// never asked about them: they have already happened, or another action allows them.
const (
	didSignIn            Action = "session.sign_in"
	didSignOut           Action = "session.sign_out"
	didEndSession        Action = "session.end"
	didStopImpersonating Action = "user.stop_impersonating"
	didSetPassword       Action = "user.set_password"
	didSetUpTwoFactor    Action = "two_factor.set_up"
	didRemoveTwoFactor   Action = "two_factor.remove"
	didMakeRecoveryCodes Action = "two_factor.recovery_codes"
	didUseRecoveryCode   Action = "two_factor.use_recovery_code"
	didLinkIdentity      Action = "identity.link"
	didUnlinkIdentity    Action = "identity.unlink"
	didCreateKey         Action = "key.create"
	didShareKey          Action = "key.share"
	didDeleteKey         Action = "key.delete"
	didCreateToken       Action = "token.create"
	didRevokeToken       Action = "token.revoke"
	didDeleteThread      Action = "thread.delete"
	didCreateBudget      Action = "budget.create"
	didDeleteBudget      Action = "budget.delete"
	didDeleteBackup      Action = "backup.delete"
	didDeleteMessage     Action = "message.delete"
	didRestoreMessage    Action = "message.restore"
)

// target is the thing that a line of the audit log is about.
type target struct {
	kind string // "user", "agent", "course", ...
	id   string
}

// changes are members of a thing as the audit log shows them. A secret is never one of
// them: write "set" or "cleared" instead.
type changes map[string]any

// auditLog is where changes are noted, each in the transaction that makes it.
type auditLog struct{ now clock }

// record adds one line to the audit log, in the transaction of the change. It keeps only
// the members that differ between before and after. before is nil for a new thing, after
// is nil for a deleted one. If nothing differs, it adds no line.
func (l auditLog) record(ctx context.Context, tx *store.Tx, actor *Actor, action Action, on target, before, after changes) error {
	e := &store.AuditEntry{ID: store.NewID(), CreatedAt: l.now.instant(), ActorID: actor.User.ID, ActorName: loginOf(&actor.User),
		Action: string(action), TargetType: on.kind, TargetID: on.id, RequestID: telemetry.RequestID(ctx)}
	if actor.ImpersonatorID != "" {
		super, err := tx.User(ctx, actor.ImpersonatorID)
		if err != nil {
			return err
		}
		e.ActorID, e.ActorName, e.OnBehalfOf = super.ID, loginOf(super), actor.User.ID
	}
	old, now := differing(before, after), differing(after, before)
	if after != nil && len(old) == 0 && len(now) == 0 {
		return nil
	}
	for _, who := range []string{"user_id", "agent_id"} {
		if id, ok := after[who]; ok {
			now[who] = id // keep it although it does not change: it says who is concerned
		}
	}
	if len(old) > 0 {
		e.Before = store.ToJSON(old)
	}
	if len(now) > 0 {
		e.After = store.ToJSON(now)
	}
	return tx.CreateAuditEntry(ctx, e)
}

// Operate adds a line about a change that the actor is about to make on the page of the
// job queue: the request, and the jobs that it names. That page has transactions of its
// own, so the line is written before the change.
func (a *App) Operate(ctx context.Context, actor *Actor, request string, jobs []int64) error {
	if err := Check(actor, ActOperate, Resource{}); err != nil {
		return err
	}
	return a.db.InTx(ctx, func(tx *store.Tx) error {
		return a.audit.record(ctx, tx, actor, ActOperate, target{"queue", store.Cut(request, maxName)}, nil, changes{"jobs": fmt.Sprint(jobs)})
	})
}

// differing returns the members of one that are missing in other or have another value
// there.
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

// short cuts a long text, for example an agent's instructions, and adds its checksum.
// The checksum tells apart two texts that differ only after the cut.
func short(v any) any {
	text, ok := v.(string)
	if p, points := v.(*string); points && p != nil {
		text, ok = *p, true
	}
	if !ok || len(text) <= maxFact {
		return v
	}
	return store.Cut(text, maxFact) + " ... (" + sum(text) + ")"
}

// sum is the length and the checksum of a text that the audit log must not show, or not
// as a whole.
func sum(text string) string {
	if len(text) <= len("{}") {
		return text
	}
	return fmt.Sprintf("%d bytes, sha256 %.8x", len(text), sha256.Sum256([]byte(text)))
}

// AuditFilter limits which lines of the audit log are listed. An empty member is no
// limit.
type AuditFilter = store.AuditFilter

// AuditLog lists who changed what, newest first: at most limit lines (1..200) that are
// older than the line with the id before. A before of "" begins with the newest line.
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

// storable limits an instant from a client to the years that both databases can compare.
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

// MaxAuditPage is the most lines of the audit log in one answer.
const MaxAuditPage = 200
