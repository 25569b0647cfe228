package app

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

const (
	// keyBatch is how many values are read at once.
	keyBatch = 200
	// keyPasses is how often a column is gone through, until a pass finds nothing to do.
	keyPasses = 20
)

// keyRotation encrypts everything anew with the first key. Each value is replaced by a
// statement of its own that does nothing if somebody has changed the value meanwhile. So it
// holds no locks, may run beside servers and other rotations, and goes on after a kill.
type keyRotation struct {
	db   *store.DB
	keys *secret.Keyring
	now  clock
	log  *slog.Logger
	node string // this process
}

// tellKeys is told how many of the values a rotation has gone through.
type tellKeys func(ctx context.Context, done, total int) error

// status counts the values by their keys and changes nothing.
func (k *keyRotation) status(ctx context.Context) (*KeyReport, error) {
	r := &KeyReport{Keys: k.keys.Len()}
	for _, c := range store.EncryptedColumns() {
		col, _, err := k.pass(ctx, c, false, func(int) error { return nil })
		if err != nil {
			return nil, err
		}
		r.Columns = append(r.Columns, *col)
	}
	return r, nil
}

// rotate encrypts all columns anew. The canary is the last of them, so a kill before it
// leaves a database that still asks for the old key.
func (k *keyRotation) rotate(ctx context.Context, tell tellKeys) (*KeyReport, error) {
	columns := store.EncryptedColumns()
	done, total := 0, 0
	for _, c := range columns {
		n, err := k.db.CountEncryptedValues(ctx, c)
		if err != nil {
			return nil, err
		}
		total += n
	}
	r := &KeyReport{Keys: k.keys.Len()}
	for _, c := range columns {
		col, err := k.column(ctx, c, func(n int) error {
			done = min(done+n, total)
			return tell(ctx, done, total)
		})
		if err != nil {
			return nil, err
		}
		r.Columns = append(r.Columns, *col)
	}
	return r, nil
}

// column encrypts one column anew. What somebody stores behind the reader, or changes under
// its hands, is found by the next pass.
func (k *keyRotation) column(ctx context.Context, c store.EncryptedColumn, tell func(n int) error) (*KeyColumn, error) {
	rewritten := 0
	for range keyPasses {
		col, missed, err := k.pass(ctx, c, true, tell)
		if err != nil {
			return nil, err
		}
		rewritten += col.Rewritten
		if missed == 0 && col.Rewritten == 0 {
			col.Rewritten = rewritten
			return col, nil
		}
		tell = func(int) error { return nil } // these values are counted
	}
	return nil, fmt.Errorf("%s: values come again and again that an older key has made: a process with other auth.encryption_keys works on this database", c.Name())
}

// pass goes through a column once. missed counts the values that somebody changed meanwhile.
func (k *keyRotation) pass(ctx context.Context, c store.EncryptedColumn, rewrite bool, tell func(n int) error) (col *KeyColumn, missed int, err error) {
	col = &KeyColumn{Name: c.Name(), Holds: c.Holds, ByKey: make([]int, k.keys.Len()), UnreadableIDs: []string{}}
	var after []string
	for {
		values, err := k.db.EncryptedValues(ctx, c, after, keyBatch)
		if err != nil {
			return nil, 0, err
		}
		for _, v := range values {
			if c.Mixed && !strings.HasPrefix(v.Token, "gAAAA") {
				continue
			}
			plain, key, err := k.keys.DecryptBy(v.Token)
			if err == nil && key > 0 && rewrite {
				ok, err := k.renew(ctx, c, v, plain)
				if err != nil {
					return nil, 0, err
				}
				if !ok {
					missed++
					continue
				}
				key = 0
				col.Rewritten++
			}
			col.read(v, key, err)
		}
		if err := tell(len(values)); err != nil {
			return nil, 0, err
		}
		if len(values) < keyBatch {
			return col, missed, nil
		}
		after = values[len(values)-1].Key
	}
}

// renew encrypts one value anew.
func (k *keyRotation) renew(ctx context.Context, c store.EncryptedColumn, v store.EncryptedValue, plain secret.Text) (bool, error) {
	token, err := k.keys.Encrypt(plain)
	if err != nil {
		return false, err
	}
	return k.db.Single().ReplaceEncrypted(ctx, c, v, token)
}

// stranger returns a living process whose first key is not ours. It could not read what a
// rotation writes, or would go on to encrypt with the old key. On SQLite no process tells of
// itself.
func (k *keyRotation) stranger(ctx context.Context) (*store.Node, error) {
	nodes, err := k.db.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	first, now := k.first(), k.now.instant()
	i := slices.IndexFunc(nodes, func(n store.Node) bool {
		return n.ID != k.node && n.Alive(now) && !strings.HasPrefix(n.Keys, first)
	})
	if i < 0 {
		return nil, nil
	}
	return &nodes[i], nil
}

// first is the fingerprint of the key that encrypts.
func (k *keyRotation) first() string { return k.keys.Fingerprints()[0] }

// otherKeys is the refusal because of a stranger.
func otherKeys(n *store.Node) error {
	return errorf(KindConflict, wording.OtherKeys, "The process %s, which began at %s, has another first encryption key. Start all processes anew with the same keys, the new one in front, and try again a minute later.",
		n.ID, n.StartedAt.UTC().Format(time.RFC3339))
}
