package app

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"image/png"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"github.com/coagent-studio/coagent/app/secret"
)

// Codes of authenticator apps (TOTP, RFC 6238) with what every app takes: SHA-1, six
// digits, thirty seconds.
const (
	totpPeriod = 30 * time.Second
	totpDigits = 6
	// totpSkew is how many steps a clock may be off to either side.
	totpSkew = 1
	qrPixels = 264
)

// totpKey is a new key as an app takes it: typed in, or by its QR code.
type totpKey struct {
	secret secret.Text // in base32
	uri    secret.Text // otpauth://
	qr     secret.Text // a PNG as a data: URL
}

// newTOTPKey makes a key. An app lists it by the names of the server and the account.
func newTOTPKey(server, account string) (*totpKey, error) {
	key, err := totp.Generate(totp.GenerateOpts{Issuer: server, AccountName: account, Period: uint(totpPeriod.Seconds()),
		Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1, Rand: rand.Reader})
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	picture, err := key.Image(qrPixels, qrPixels)
	if err != nil {
		return nil, fmt.Errorf("draw a QR code: %w", err)
	}
	var out bytes.Buffer
	if err := png.Encode(&out, picture); err != nil {
		return nil, fmt.Errorf("draw a QR code: %w", err)
	}
	return &totpKey{secret.Text(key.Secret()), secret.Text(key.URL()),
		secret.Text("data:image/png;base64," + base64.StdEncoding.EncodeToString(out.Bytes()))}, nil
}

// totpStep returns the step at which a code is right, and 0 for a wrong code. Only steps
// after the last one that was used count, so no code is accepted twice.
func totpStep(key secret.Text, code string, last int64, now time.Time) int64 {
	if !isTOTP(code) {
		return 0
	}
	current := now.Unix() / int64(totpPeriod.Seconds())
	found := int64(0)
	for step := current - totpSkew; step <= current+totpSkew; step++ {
		ok, err := hotp.ValidateCustom(code, uint64(step), key.Reveal(), hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err == nil && ok && step > last && found == 0 {
			found = step
		}
	}
	return found
}

// isTOTP reports whether a text has the form of a code of an app.
func isTOTP(text string) bool {
	return len(text) == totpDigits && strings.Trim(text, "0123456789") == ""
}
