package apptest

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
)

// The key of the authenticator app, and a recovery code, of an account with SetTwoFactor.
const (
	AppKey       = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
	RecoveryCode = "abcd-2345-wxyz"
)

// SetTwoFactor gives an account two-factor sign-in with AppKey and RecoveryCode.
func SetTwoFactor(t testing.TB, db *store.DB, cfg *config.Config, userID string) {
	t.Helper()
	keys, err := secret.NewKeyring(cfg.Auth.EncryptionKeys...)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := keys.Encrypt(AppKey)
	if err != nil {
		t.Fatal(err)
	}
	hash, now := sha256.Sum256([]byte(RecoveryCode)), time.Now().UTC().Truncate(time.Microsecond)
	if err := db.InTx(t.Context(), func(tx *store.Tx) error {
		if err := tx.BeginTwoFactor(t.Context(), &store.TwoFactor{UserID: userID, EncryptedSecret: sealed, CreatedAt: now}); err != nil {
			return err
		}
		if err := tx.ConfirmTwoFactor(t.Context(), userID, 0, now); err != nil {
			return err
		}
		return tx.SetRecoveryCodes(t.Context(), userID, []string{hex.EncodeToString(hash[:])})
	}); err != nil {
		t.Fatal(err)
	}
}

// Code is what an app with a key shows at an instant.
func Code(t testing.TB, key string, at time.Time) string {
	t.Helper()
	code, err := totp.GenerateCode(key, at)
	if err != nil {
		t.Fatal(err)
	}
	return code
}
