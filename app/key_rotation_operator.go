package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coagent-studio/coagent/store"
)

// Keys counts the encrypted values by their keys, and changes nothing.
func (o *Operator) Keys(ctx context.Context) (*KeyReport, error) { return o.rotation.status(ctx) }

// RotateKeys encrypts everything anew with the first key, beside running servers. wait is
// called while it waits for a process to end; tell is told how far it is.
func (o *Operator) RotateKeys(ctx context.Context, wait func(why string), tell func(done, total int)) (*KeyReport, error) {
	if err := o.sameKeys(ctx, wait); err != nil {
		return nil, err
	}
	r, err := o.rotation.rotate(ctx, func(_ context.Context, done, total int) error {
		tell(done, total)
		return nil
	})
	if errors.Is(err, context.Canceled) {
		return nil, errors.New("stopped half-way, and nothing is lost: run it again to go on")
	}
	if err != nil {
		return nil, err
	}
	return r, o.db.InTx(ctx, func(tx *store.Tx) error {
		return o.audit.record(ctx, tx, operator(), ActRotateKeys, target{"encryption", "keys"}, nil, rotationChanges(r))
	})
}

// rotationChanges is what the audit log says of a rotation.
func rotationChanges(r *KeyReport) changes {
	return changes{"rewritten": r.Rewritten(), "unreadable": r.Unreadable()}
}

// sameKeys refuses a rotation while another process has other keys. A process that has just
// ended is still taken for alive, so it waits until that one tells again or is taken for dead.
func (o *Operator) sameKeys(ctx context.Context, wait func(why string)) error {
	if err := sameKeysServe(o.cfg, o.rotation.first()); err != nil {
		return err
	}
	tick := time.NewTicker(time.Second) //nolint:forbidigo // the pace of a loop is no rule's time
	defer tick.Stop()
	var seen *store.Node
	for {
		n, err := o.rotation.stranger(ctx)
		if err != nil || n == nil {
			return err
		}
		if seen == nil || seen.ID != n.ID {
			seen = n
			wait(fmt.Sprintf("a process has other encryption keys; waiting for up to %s to see whether it has ended", store.NodeDeadAfter))
		} else if n.SeenAt.After(seen.SeenAt) {
			return otherKeys(n)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
