// Package secret protects secrets from being shown by accident. Text prints as ***
// everywhere, and a Keyring encrypts what is stored. It imports nothing of ours.
package secret

import (
	"crypto/hmac"
	"crypto/sha256"
	"database/sql/driver"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/fernet/fernet-go"
)

const masked = "***"

// Text is a text that must not leave the process by accident. Every way of printing,
// encoding or storing it gives ***, and only Reveal returns the text. An empty one
// stays empty, so that it shows as missing. Package fmt does not call these methods on
// unexported struct fields: do not print such structs.
type Text string

// Reveal returns the text itself. The caller is responsible for where it goes.
func (s Text) Reveal() string { return string(s) }

// String returns ***, or "" for an empty secret.
func (s Text) String() string {
	if s == "" {
		return ""
	}
	return masked
}

// GoString returns what String returns, in quotes, for the verb %#v.
func (s Text) GoString() string { return `"` + s.String() + `"` }

// Format writes *** for every verb, even %x and %d.
func (s Text) Format(f fmt.State, verb rune) {
	text := s.String()
	if verb == 'q' || verb == 'v' && f.Flag('#') {
		text = s.GoString()
	}
	_, _ = io.WriteString(f, text)
}

// MarshalText returns *** to every encoder of texts.
func (s Text) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON returns "***".
func (s Text) MarshalJSON() ([]byte, error) { return []byte(s.GoString()), nil }

// MarshalYAML returns ***.
func (s Text) MarshalYAML() (any, error) { return s.String(), nil }

// LogValue returns *** to slog.
func (s Text) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Value refuses to store a secret in the database unencrypted.
func (s Text) Value() (driver.Value, error) {
	return nil, errors.New("a secret must be encrypted before it is stored")
}

// Mask returns what a person may see of a stored secret: its first and last two
// characters, or nothing of one with four characters or fewer.
func Mask(s Text) string {
	runes := []rune(s.Reveal())
	if len(runes) <= 4 {
		return "****"
	}
	return string(runes[:2]) + "******" + string(runes[len(runes)-2:])
}

// ErrDecrypt says that none of the configured keys made a token, or that the token was
// damaged.
var ErrDecrypt = errors.New("cannot decrypt: none of the encryption keys fits, or the stored value is damaged")

// MakeFernetKey is a shell command that makes a key.
const MakeFernetKey = "openssl rand -base64 32 | tr +/ -_"

// Keyring encrypts what is stored, with Fernet (https://github.com/fernet/spec). Its
// first key encrypts, and all keys decrypt. So a new key is put before the old ones.
type Keyring struct{ keys []*fernet.Key }

// NewKeyring takes Fernet keys (32 bytes in base64). It fails if there is no key or a
// key is malformed. The error does not repeat the key.
func NewKeyring(keys ...Text) (*Keyring, error) {
	if len(keys) == 0 {
		return nil, errors.New("there is no encryption key")
	}
	ring := new(Keyring)
	for i, text := range keys {
		key, err := fernet.DecodeKey(strings.TrimSpace(text.Reveal()))
		if err != nil {
			return nil, fmt.Errorf("item %d is not a Fernet key, 32 random bytes in URL-safe base64; make one with: %s", i+1, MakeFernetKey)
		}
		ring.keys = append(ring.keys, key)
	}
	return ring, nil
}

// Encrypt returns the Fernet token of a secret. It refuses an empty secret, because
// nothing is stored for one.
func (k *Keyring) Encrypt(s Text) (string, error) {
	if s == "" {
		return "", errors.New("an empty secret cannot be encrypted")
	}
	token, err := fernet.EncryptAndSign([]byte(s.Reveal()), k.keys[0])
	if err != nil {
		return "", fmt.Errorf("encrypt: %w", err)
	}
	return string(token), nil
}

// Decrypt returns the secret that Encrypt took, however old the token is. Otherwise it
// fails with ErrDecrypt.
func (k *Keyring) Decrypt(token string) (Text, error) {
	text, _, err := k.DecryptBy(token)
	return text, err
}

// DecryptBy is Decrypt, and says which key of the ring made the token; the first is 0. A
// token does not name its key, so the keys are tried one after the other.
func (k *Keyring) DecryptBy(token string) (text Text, key int, err error) {
	// The library decodes leniently and would ignore what follows a bad character, so
	// check strictly first.
	if _, err := base64.URLEncoding.Strict().DecodeString(token); err != nil {
		return "", 0, ErrDecrypt
	}
	for i := range k.keys {
		if text := fernet.VerifyAndDecrypt([]byte(token), 0, k.keys[i:i+1]); len(text) > 0 {
			return Text(text), i, nil
		}
	}
	return "", 0, ErrDecrypt
}

// Len is how many keys the ring has.
func (k *Keyring) Len() int { return len(k.keys) }

// Fingerprints name the keys in their order. Nobody can compute a key from its fingerprint.
func (k *Keyring) Fingerprints() []string {
	all := make([]string, len(k.keys))
	for i, key := range k.keys {
		mac := hmac.New(sha256.New, key[:])
		_, _ = mac.Write([]byte("coagent key fingerprint"))
		all[i] = hex.EncodeToString(mac.Sum(nil)[:6])
	}
	return all
}

const canaryText = "coagent canary 1"

// NewCanary returns a token to store at the first start. At every later start
// CheckCanary proves with it that the keys still fit the database.
func (k *Keyring) NewCanary() (string, error) { return k.Encrypt(canaryText) }

// CheckCanary fails if no key of the ring made the token. The error says what to do.
func (k *Keyring) CheckCanary(token string) error {
	if text, err := k.Decrypt(token); err != nil || text != canaryText {
		return errors.New("the encryption key is not the one this database was started with: put that key back into " +
			"auth.encryption_keys (COAGENT_AUTH_ENCRYPTION_KEYS or ENCRYPTION_KEY), behind the new one if you are changing keys")
	}
	return nil
}
