package app

import (
	"crypto/hmac"
	"crypto/sha256"

	"github.com/golang-jwt/jwt/v5"

	"github.com/coagent-studio/coagent/app/secret"
)

// A note is what a browser keeps for the program in a cookie: that a device has signed in,
// that a password was right, on which way to a provider somebody is. It is signed with a key
// of its purpose, which is derived from the secret of the sessions. So a note is never valid
// as a session's token, nor as a note of another purpose.
const (
	deviceNotes  = "coagent device note"
	pendingNotes = "coagent second factor"
	signOnNotes  = "coagent sign-on"
)

// sealNote signs a note.
func (ss *sessions) sealNote(purpose string, content jwt.Claims) (secret.Text, error) {
	note, err := jwt.NewWithClaims(jwt.SigningMethodHS256, content).SignedString(noteKey(ss.cfg.Auth.SecretKey, purpose))
	return secret.Text(note), err
}

// openNote reads a note that has not expired. One that an earlier secret signed is good too.
func (ss *sessions) openNote(purpose string, note secret.Text, content jwt.Claims) error {
	return ss.verify(note.Reveal(), content, func(key secret.Text) []byte { return noteKey(key, purpose) })
}

func noteKey(key secret.Text, purpose string) []byte {
	mac := hmac.New(sha256.New, []byte(key.Reveal()))
	_, _ = mac.Write([]byte(purpose))
	return mac.Sum(nil)
}

// verify reads what one of the secrets has signed, with the key that of derives from it.
func (ss *sessions) verify(token string, content jwt.Claims, of func(secret.Text) []byte) error {
	_, err := jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired(), jwt.WithTimeFunc(ss.now)).
		ParseWithClaims(token, content, verifying(ss.cfg.Auth.VerifyingKeys(of)))
	return err
}
