package app

import (
	"crypto/rand"
	"regexp"
	"strings"

	"github.com/coagent-studio/coagent/app/secret"
)

// Recovery codes take the place of a code of the app. Each has 60 random bits, so a plain
// hash of it cannot be reversed.
const (
	recoveryCodes  = 10
	recoveryLength = 14 // with its hyphens
)

// recoveryForm is abcd-2345-wxyz. The letters of base32 have no 0, 1, 8 and 9, so none is
// taken for another.
var recoveryForm = regexp.MustCompile(`^[a-z2-7]{4}-[a-z2-7]{4}-[a-z2-7]{4}$`)

// newRecoveryCodes makes the codes of a person, and the hashes under which they are stored.
func newRecoveryCodes() (codes []secret.Text, hashes []string) {
	for range recoveryCodes {
		letters := strings.ToLower(rand.Text())
		code := letters[:4] + "-" + letters[4:8] + "-" + letters[8:12]
		codes, hashes = append(codes, secret.Text(code)), append(hashes, hashToken(code))
	}
	return codes, hashes
}

// typedCode is a code as a person has typed it, in the form in which it is compared:
// people put blanks into the digits of an app, and forget the hyphens.
func typedCode(text string) string {
	bare := strings.NewReplacer(" ", "", "-", "").Replace(strings.ToLower(strings.TrimSpace(text)))
	if len(bare) == 12 {
		bare = bare[:4] + "-" + bare[4:8] + "-" + bare[8:]
	}
	return bare
}

// withCode splits the text of an older client's password field, in which a code follows
// right behind the password. ok is false when it ends with nothing that has the form of a
// code.
func withCode(text string) (password, code string, ok bool) {
	for _, n := range []int{totpDigits, recoveryLength} {
		at := len(text) - n
		if at <= 0 {
			continue
		}
		if code = strings.ToLower(text[at:]); isTOTP(code) || recoveryForm.MatchString(code) {
			return text[:at], code, true
		}
	}
	return "", "", false
}
