package app

import (
	"context"
	"log/slog"

	"github.com/coagent-studio/coagent/store"
)

// didFindSameLogin is the audit log's action for an account whose address or user name
// equals another account's in a different spelling. It is there for admins to read.
const didFindSameLogin Action = "user.same_login"

// warnOfSameLogins logs the accounts that can sign in only with the exact spelling.
func warnOfSameLogins(ctx context.Context, log *slog.Logger, clashes []store.LoginClash) {
	for _, c := range clashes {
		log.WarnContext(ctx, "two accounts have the same login in two spellings; the newer one is found by its exact spelling alone, until one is renamed or deleted",
			"field", c.Field, "account", spelled(c.User, c.Field), "id", c.User.ID,
			"older_account", spelled(c.Holder, c.Field), "older_id", c.Holder.ID)
	}
}

func spelled(u store.User, field string) string {
	if field == "username" && u.Username != nil {
		return *u.Username
	}
	return u.Email
}

// tellSameLogins gives login keys to accounts that have none. For each account that
// cannot get one, it adds one line to the audit log.
func (o *Operator) tellSameLogins(ctx context.Context) error {
	clashes, err := o.db.KeyLogins(ctx)
	if err != nil {
		return err
	}
	warnOfSameLogins(ctx, o.log, clashes)
	for _, c := range clashes {
		told, err := o.db.AuditEntries(ctx, store.AuditFilter{Action: string(didFindSameLogin), TargetType: "user", TargetID: c.User.ID}, "", 1)
		if err != nil {
			return err
		}
		if told.Len() > 0 {
			continue
		}
		if err := o.db.InTx(ctx, func(tx *store.Tx) error {
			return o.audit.record(ctx, tx, operator(), didFindSameLogin, target{"user", c.User.ID}, nil,
				changes{c.Field: spelled(c.User, c.Field), "same_as": c.Holder.ID, "its_spelling": spelled(c.Holder, c.Field)})
		}); err != nil {
			return err
		}
	}
	return nil
}
