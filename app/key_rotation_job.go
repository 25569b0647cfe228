package app

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
)

// settingRotation is the setting with the state of the last rotation that an admin began. As
// long as it is not over, there is store.SettingRotationLive too.
const settingRotation = "key_rotation"

const (
	rotationAttempts = 5
	// rotationLease is for how long a rotation belongs to a worker that tells nothing, or
	// waits for its job.
	rotationLease = time.Minute
	// rotationPace is the least time between two notes of how far it is.
	rotationPace = time.Second
)

// The states of a rotation.
const (
	RotationQueued  = "queued"
	RotationRunning = "running"
	RotationDone    = "done"
	RotationFailed  = "failed"
)

// KeyRotation is a rotation that an admin has begun. Attempt fences it: only its newest
// attempt writes.
type KeyRotation struct {
	State      string     `json:"state"`
	Reason     string     `json:"reason,omitempty"` // of a failed one, in English
	Attempt    int        `json:"attempt"`
	Tries      int        `json:"tries"` // attempts that did not come to an end
	Key        string     `json:"key"`   // fingerprint of the key that is to encrypt
	By         string     `json:"by"`    // id of who began it
	Done       int        `json:"done"`
	Total      int        `json:"total"`
	Rewritten  int        `json:"rewritten"`
	Unreadable int        `json:"unreadable"`
	StartedAt  time.Time  `json:"started_at"`
	EndedAt    *time.Time `json:"ended_at,omitempty"`
	LeaseUntil time.Time  `json:"lease_until"`

	stored string // as it was read
}

func (r *KeyRotation) live() bool { return r.State == RotationQueued || r.State == RotationRunning }

// rotationOf reads the state of the last rotation, nil when there was none.
func rotationOf(ctx context.Context, q store.Queries) (*KeyRotation, error) {
	text, err := q.Setting(ctx, settingRotation)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r := &KeyRotation{stored: text}
	return r, json.Unmarshal([]byte(text), r)
}

// save writes the state unless somebody else has; then it returns store.ErrStale.
func (r *KeyRotation) save(ctx context.Context, tx *store.Tx) error {
	text := string(store.ToJSON(r))
	ok, err := tx.SwapSetting(ctx, settingRotation, r.stored, text)
	if err == nil && !ok {
		return store.ErrStale
	}
	if err == nil {
		r.stored = text
	}
	return err
}

// EncryptionKeys returns how everything is encrypted, and the last rotation that an admin
// began, or nil.
func (a *App) EncryptionKeys(ctx context.Context, actor *Actor) (*KeyReport, *KeyRotation, error) {
	if err := Check(actor, ActRotateKeys, Resource{}); err != nil {
		return nil, nil, err
	}
	last, err := rotationOf(ctx, a.db.Queries)
	if err != nil {
		return nil, nil, err
	}
	report, err := a.rotation.status(ctx)
	return report, last, err
}

// RotateKeys begins to encrypt everything anew with the first key. A job does it.
func (a *App) RotateKeys(ctx context.Context, actor *Actor) (*KeyRotation, error) {
	if err := Check(actor, ActRotateKeys, Resource{}); err != nil {
		return nil, err
	}
	other, err := a.rotation.stranger(ctx)
	if err != nil {
		return nil, err
	}
	if other != nil {
		return nil, otherKeys(other)
	}
	underWay := errorf(KindConflict, wording.TooMany, "A rotation of the keys is under way. Wait for its end.")
	now := a.instant()
	next := &KeyRotation{State: RotationQueued, Attempt: 1, Key: a.rotation.first(), By: actor.User.ID, StartedAt: now, LeaseUntil: now.Add(rotationLease)}
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		last, err := rotationOf(ctx, tx.Queries)
		if err != nil {
			return err
		}
		if last == nil {
			next.stored, err = tx.InitSetting(ctx, settingRotation, string(store.ToJSON(next)))
			if err == nil && next.stored != string(store.ToJSON(next)) {
				return underWay
			}
		} else if last.live() {
			return underWay
		} else {
			next.stored, next.Attempt = last.stored, last.Attempt+1
			err = next.save(ctx, tx)
		}
		if err != nil {
			return err
		}
		if err := tx.SetSetting(ctx, store.SettingRotationLive, next.Key); err != nil {
			return err
		}
		if err := a.queue.Add(ctx, tx, jobs.RotateKeys{Attempt: next.Attempt}); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, ActRotateKeys, target{"encryption", "keys"}, nil, changes{"state": next.State})
	})
	if errors.Is(err, store.ErrStale) {
		return nil, underWay
	}
	return next, err
}

// runRotation is the job of a rotation.
func (a *App) runRotation(ctx context.Context, job jobs.RotateKeys) error {
	r, err := rotationOf(ctx, a.db.Queries)
	if err != nil || r == nil || !r.live() || r.Attempt != job.Attempt {
		return err // it is over, or there is a newer attempt
	}
	if r.Key != a.rotation.first() {
		// A process with other keys must not undo what is asked for.
		return a.endRotation(ctx, r, nil, wording.Of("A process with another first encryption key took the job. Start all processes anew with the same keys.").String())
	}
	noted := time.Time{}
	report, err := a.rotation.rotate(ctx, func(ctx context.Context, done, total int) error {
		now := a.instant()
		if now.Sub(noted) < rotationPace {
			return nil
		}
		noted = now
		r.State, r.Done, r.Total, r.LeaseUntil = RotationRunning, done, total, now.Add(rotationLease)
		return r.save(ctx, a.db.Single())
	})
	if errors.Is(err, store.ErrStale) {
		return nil // another attempt has it
	}
	if err == nil {
		return a.endRotation(ctx, r, report, "")
	}
	// The job's own context may have ended, and with it the attempt.
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	a.log.WarnContext(ctx, "rotation of the keys was interrupted, and is tried again", "attempt", r.Attempt, "err", err)
	return a.retryRotation(end, r)
}

// endRotation ends a rotation with its report, or with the reason why it failed.
func (a *App) endRotation(ctx context.Context, r *KeyRotation, report *KeyReport, reason string) error {
	now := a.instant()
	r.State, r.EndedAt = RotationDone, &now
	if report == nil {
		r.State, r.Reason = RotationFailed, reason
	} else {
		r.Rewritten, r.Unreadable, r.Done = report.Rewritten(), report.Unreadable(), r.Total
	}
	a.log.InfoContext(ctx, "rotation of the keys has ended", "state", r.State, "rewritten", r.Rewritten, "unreadable", r.Unreadable, "reason", reason)
	err := a.db.InTx(ctx, func(tx *store.Tx) error {
		if err := r.save(ctx, tx); err != nil {
			return err
		}
		if err := tx.DeleteSetting(ctx, store.SettingRotationLive); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		who := Actor{User: store.User{ID: r.By}}
		if u, err := tx.User(ctx, r.By); err == nil {
			who.User = *u
		}
		return a.audit.record(ctx, tx, &who, ActRotateKeys, target{"encryption", "keys"}, changes{"state": RotationRunning},
			changes{"state": r.State, "rewritten": r.Rewritten, "unreadable": r.Unreadable})
	})
	if errors.Is(err, store.ErrStale) {
		return nil
	}
	return err
}

// retryRotation queues a rotation for its next attempt, or ends it after the last.
func (a *App) retryRotation(ctx context.Context, r *KeyRotation) error {
	if r.Tries++; r.Tries >= rotationAttempts {
		return a.endRotation(ctx, r, nil, wording.Of("The rotation was tried several times and did not come to its end. The log of the server says why.").String())
	}
	r.State, r.Attempt, r.LeaseUntil = RotationQueued, r.Attempt+1, a.instant().Add(rotationLease)
	err := a.db.InTx(ctx, func(tx *store.Tx) error {
		if err := r.save(ctx, tx); err != nil {
			return err
		}
		return a.queue.Add(ctx, tx, jobs.RotateKeys{Attempt: r.Attempt})
	})
	if errors.Is(err, store.ErrStale) {
		return nil
	}
	return err
}

// sweepRotation takes over a rotation whose worker or job is gone.
func (a *App) sweepRotation(ctx context.Context, asOf time.Time) error {
	r, err := rotationOf(ctx, a.db.Queries)
	if err != nil || r == nil || !r.live() || asOf.Before(r.LeaseUntil) {
		return err
	}
	return a.retryRotation(ctx, r)
}
