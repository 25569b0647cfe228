package app

import (
	"context"
	"log/slog"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/limit"
	"github.com/coagent-studio/coagent/store"
)

// operatorName is the name in the audit log of whoever acts on the machine itself: by
// the commands, the first start, and the set-up link that it prints.
const operatorName = "operator"

// operator is the person at the machine, for the audit log. It has no role, so Check
// allows it nothing.
func operator() *Actor { return &Actor{User: store.User{ID: operatorName, Email: operatorName}} }

// Operator does what the person at the machine asks for: by the commands, and at every
// start. It needs no right, because whoever can start the program has its database.
type Operator struct {
	cfg       *config.Config
	db        *store.DB
	log       *slog.Logger
	now       clock
	audit     auditLog
	agents    *agentRules
	passwords *passwords
	rotation  *keyRotation
}

// Operator returns what the person at the machine can do.
func (a *App) Operator() *Operator { return a.operator }

// SetPassword replaces the password of an account, found by e-mail or user name, and
// ends its sessions. It is for the operator at the machine.
func (o *Operator) SetPassword(ctx context.Context, login, password string) error {
	u, err := o.db.UserByLogin(ctx, login)
	if err != nil {
		return fromStore(err, "User")
	}
	if u.IsBot() {
		return errIsBot
	}
	hash, err := o.passwords.hash(ctx, limit.Asker{}, "password", password)
	if err != nil {
		return err
	}
	return o.db.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.SetPasswordHash(ctx, u.ID, hash); err != nil {
			return fromStore(err, "User")
		}
		if err := tx.EndSessionsOf(ctx, u.ID, "", "password set by the operator", o.now.instant()); err != nil {
			return err
		}
		if err := tx.DeleteLinksOf(ctx, store.LinkPassword, u.ID); err != nil {
			return err
		}
		return o.audit.record(ctx, tx, operator(), didSetPassword, target{"user", u.ID}, nil, changes{"email": u.Email, "sessions": "ended"})
	})
}
