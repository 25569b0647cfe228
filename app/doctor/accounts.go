package doctor

import (
	"context"
	"errors"
	"strings"

	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
)

// accounts tells whether anybody can rule, and whether anybody can guess a password.
func accounts(ctx context.Context, in *Installation) (found []Finding) {
	has, err := in.DB.HasSuperAdmin(ctx)
	if err != nil {
		return failed(err)
	}
	if !has {
		found = append(found, warn(words("There is no super admin"),
			words("Open the set-up link that `coagent serve` prints, or run: coagent seed-admin LOGIN")))
	}
	if in.DemoLogins != nil {
		logins, err := in.DemoLogins(ctx)
		if err != nil {
			return append(found, failed(err)...)
		}
		if len(logins) > 0 && shown(in) {
			found = append(found, warn(words("Accounts of the demo still have the passwords in demo.txt: %s", strings.Join(logins, ", ")),
				words("Switch them off, or set other passwords: coagent set-password NAME")))
		}
	}
	if len(found) == 0 {
		return one(fine(words("There is a super admin, and no account of the demo is open")))
	}
	return found
}

// shown tells whether others than the person at the machine reach the server. Only then are
// the demo's accounts a risk.
func shown(in *Installation) bool {
	return in.Config.HTTP.PublicURL != "" || exposed(in.Config.HTTP.Addr)
}

// encryption tells whether the configured keys fit the database.
func encryption(ctx context.Context, in *Installation) []Finding {
	ring, err := secret.NewKeyring(in.Config.Auth.EncryptionKeys...)
	if err != nil {
		return one(fault(words("The encryption keys cannot be used: %s", err.Error()), words("Correct auth.encryption_keys")))
	}
	canary, err := in.DB.Setting(ctx, store.SettingCanary)
	if errors.Is(err, store.ErrNotFound) {
		return one(Finding{State: Skipped, Text: words("Nothing was encrypted yet")})
	}
	if err != nil {
		return failed(err)
	}
	if ring.CheckCanary(canary) != nil {
		return one(fault(words("The encryption keys are not those of this database: stored model keys cannot be read, and `coagent serve` refuses to start"),
			words("Put the old key into auth.encryption_keys (COAGENT_AUTH_ENCRYPTION_KEYS, ENCRYPTION_KEY), behind the new one")))
	}
	return byKeys(ctx, in)
}

// byKeys tells whether a rotation of the keys is due, or has not come to its end.
func byKeys(ctx context.Context, in *Installation) (found []Finding) {
	if in.Keys == nil {
		return one(fine(words("The encryption keys are those of this database")))
	}
	older, unreadable, err := in.Keys(ctx)
	switch {
	case ctx.Err() != nil:
		return one(Finding{State: Skipped, Text: words("There are too many stored secrets to read all of them in a few seconds"), Remedy: words("Run: coagent keys status")})
	case err != nil:
		return failed(err)
	}
	if unreadable > 0 {
		found = append(found, fault(words("%d stored secrets cannot be read with any of the keys", unreadable),
			words("Put the missing key back into auth.encryption_keys, behind the others, or enter these secrets again; `coagent keys status` names them")))
	}
	if older > 0 {
		found = append(found, warn(words("%d stored secrets are encrypted with an older key than the first one", older), words("Run: coagent keys rotate")))
	}
	if len(found) > 0 {
		return found
	}
	if len(in.Config.Auth.EncryptionKeys) > 1 {
		return one(fine(words("Everything is encrypted with the first key: the others can be taken out of auth.encryption_keys")))
	}
	return one(fine(words("The encryption keys are those of this database")))
}
