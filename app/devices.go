package app

import (
	"crypto/hmac"
	"crypto/sha256"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
)

// A device that signed in keeps a note of it, beside its session and beyond
// that. The note is no credential: it only lets the device past the locks that
// strangers bring about by wrong passwords, as OWASP's "device cookies" do.

const (
	deviceLife     = 365 * 24 * time.Hour
	deviceAccounts = 16 // that one note names; a computer may be a whole class's
	deviceBytes    = 4096
)

// device is such a note. Its ID is the device's.
type device struct {
	jwt.RegisteredClaims
	Accounts []deviceAccount `json:"acc"`
}

// deviceAccount is an account that was signed in to. The epoch moves on when
// the password changes or the person signs out everywhere.
type deviceAccount struct {
	UserID string `json:"u"`
	Epoch  int    `json:"e"`
}

// deviceKey signs notes. It goes with the secret of the sessions, and yet no
// note passes for a session's token, nor the other way round.
func (a *App) deviceKey() []byte {
	mac := hmac.New(sha256.New, []byte(a.cfg.Auth.SecretKey.Reveal()))
	_, _ = mac.Write([]byte("coagent device note"))
	return mac.Sum(nil)
}

// device reads a note, nil if it is none of ours.
func (a *App) device(note secret.Text) *device {
	if note == "" || len(note) > deviceBytes {
		return nil
	}
	d := new(device)
	_, err := jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired(), jwt.WithTimeFunc(a.now)).
		ParseWithClaims(note.Reveal(), d, func(*jwt.Token) (any, error) { return a.deviceKey(), nil })
	if err != nil || d.ID == "" || len(d.Accounts) == 0 {
		return nil
	}
	return d
}

// knows tells whether the device signed in to an account that has had the same
// password ever since.
func (d *device) knows(u *store.User) bool {
	return d != nil && u != nil && slices.Contains(d.Accounts, deviceAccount{u.ID, u.DeviceEpoch})
}

// DeviceNote is what a device keeps that signed in and got these tokens: what
// note says, which it may have had before, and the account. It is "" for tokens
// that were not got by signing in.
func (a *App) DeviceNote(t *Tokens, note secret.Text) (fresh secret.Text, life time.Duration, err error) {
	if t.user == nil {
		return "", 0, nil
	}
	d := a.device(note)
	if d == nil {
		d = &device{RegisteredClaims: jwt.RegisteredClaims{ID: store.NewID()}}
	}
	others := slices.DeleteFunc(d.Accounts, func(other deviceAccount) bool { return other.UserID == t.user.ID })
	d.Accounts = append([]deviceAccount{{t.user.ID, t.user.DeviceEpoch}}, others...)
	d.Accounts = d.Accounts[:min(len(d.Accounts), deviceAccounts)]
	d.ExpiresAt = jwt.NewNumericDate(a.now().Add(deviceLife))
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, d).SignedString(a.deviceKey())
	return secret.Text(text), deviceLife, err
}
