package app

import (
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
)

// A device that signed in keeps a note about that, which lives longer than its session.
// The note is no credential. Wrong passwords from strangers lock an account for unknown
// devices, and the note lets this device past such locks. OWASP calls this "device
// cookies".

const (
	deviceLife     = 365 * 24 * time.Hour
	deviceAccounts = 16 // the most accounts in one note; a computer may be a whole class's
	deviceBytes    = 4096
)

// device is the content of a note. ID identifies the device.
type device struct {
	jwt.RegisteredClaims
	Accounts []deviceAccount `json:"acc"`
}

// deviceAccount is an account that the device signed in to. The account's epoch
// increases when the password changes or the person signs out everywhere.
type deviceAccount struct {
	UserID string `json:"u"`
	Epoch  int    `json:"e"`
}

// device reads a note. It returns nil if the note is not one of ours.
func (ss *sessions) device(note secret.Text) *device {
	if note == "" || len(note) > deviceBytes {
		return nil
	}
	d := new(device)
	if err := ss.openNote(deviceNotes, note, d); err != nil || d.ID == "" || len(d.Accounts) == 0 {
		return nil
	}
	return d
}

// knows reports whether the device signed in to this account and the password has not
// changed since.
func (d *device) knows(u *store.User) bool {
	return d != nil && u != nil && slices.Contains(d.Accounts, deviceAccount{u.ID, u.DeviceEpoch})
}

// DeviceNote makes the note for a device that signed in and got these tokens. It has the
// accounts of the device's earlier note, and this account. It is "" if the tokens do not
// come from signing in.
func (a *App) DeviceNote(t *Tokens, note secret.Text) (fresh secret.Text, life time.Duration, err error) {
	if t.user == nil {
		return "", 0, nil
	}
	d := a.sessions.device(note)
	if d == nil {
		d = &device{RegisteredClaims: jwt.RegisteredClaims{ID: store.NewID()}}
	}
	others := slices.DeleteFunc(d.Accounts, func(other deviceAccount) bool { return other.UserID == t.user.ID })
	d.Accounts = append([]deviceAccount{{t.user.ID, t.user.DeviceEpoch}}, others...)
	d.Accounts = d.Accounts[:min(len(d.Accounts), deviceAccounts)]
	d.ExpiresAt = jwt.NewNumericDate(a.now().Add(deviceLife))
	fresh, err = a.sessions.sealNote(deviceNotes, d)
	return fresh, deviceLife, err
}
