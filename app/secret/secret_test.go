package secret

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const (
	oneKey   = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	otherKey = "HxAeHRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgE="
)

func TestSecretHides(t *testing.T) {
	t.Parallel()
	const canary = "canary-key"
	type holder struct {
		Key  Text
		Keys []Text
		Map  map[string]Text
		Ptr  *Text
	}
	s := Text(canary)
	h := holder{Key: s, Keys: []Text{s}, Map: map[string]Text{"k": s}, Ptr: &s}

	t.Run("Fmt", func(t *testing.T) {
		t.Parallel()
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10.3s", "%t"} {
			for _, v := range []any{s, &s, h, &h} {
				got := fmt.Sprintf(verb, v)
				if strings.Contains(got, "canary") || strings.Contains(strings.ToLower(got), "63616e617279") {
					t.Errorf("%s of %T: got %s", verb, v, got)
				}
			}
		}
		if got := fmt.Sprintf("%s %s %v", s, s.String(), fmt.Errorf("bad %v", s)); got != "*** *** bad ***" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("Encoders", func(t *testing.T) {
		t.Parallel()
		for name, encode := range map[string]func(any) ([]byte, error){"json": json.Marshal, "yaml": yaml.Marshal} {
			got, err := encode(h)
			if err != nil || bytes.Contains(got, []byte("canary")) || !bytes.Contains(got, []byte("***")) {
				t.Errorf("%s: got %s and %v", name, got, err)
			}
		}
		if got, err := xml.Marshal(s); err != nil || bytes.Contains(got, []byte("canary")) {
			t.Errorf("xml: got %s and %v", got, err)
		}
	})
	t.Run("Slog", func(t *testing.T) {
		t.Parallel()
		var out bytes.Buffer
		for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(handler).With("with", s).Info("x", "key", s, "ptr", &s, "all", h, "group", slog.GroupValue(slog.Any("k", s)))
		}
		if strings.Contains(out.String(), "canary") {
			t.Errorf("got %s", out.String())
		}
	})
	t.Run("Database", func(t *testing.T) {
		t.Parallel()
		if v, err := s.Value(); err == nil {
			t.Errorf("got %v, want an error", v)
		}
	})
	t.Run("EmptyShowsAsEmpty", func(t *testing.T) {
		t.Parallel()
		if got := fmt.Sprint(Text("")); got != "" {
			t.Errorf("got %q, want nothing", got)
		}
	})
	t.Run("RevealAndJSONIn", func(t *testing.T) {
		t.Parallel()
		var got holder
		if err := json.Unmarshal([]byte(`{"Key":"canary-key"}`), &got); err != nil || got.Key.Reveal() != canary {
			t.Errorf("got %v, want the text that came in", err)
		}
	})
}

func TestMask(t *testing.T) {
	t.Parallel()
	for in, want := range map[Text]string{
		"": "****", "abcd": "****", "abcde": "ab******de", "sk-0123456789": "sk******89", "金鑰一二三四": "金鑰******三四", "金鑰一二": "****",
	} {
		if got := Mask(in); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func testRing(t *testing.T, keys ...Text) *Keyring {
	t.Helper()
	ring, err := NewKeyring(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func TestKeyring(t *testing.T) {
	t.Parallel()
	encrypt := func(t *testing.T, ring *Keyring, s Text) string {
		t.Helper()
		token, err := ring.Encrypt(s)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}

	t.Run("RoundTrip", func(t *testing.T) {
		t.Parallel()
		ring := testRing(t, oneKey)
		for _, want := range []Text{"x", "sk-0123456789abcdef", Text(strings.Repeat("金", 4000))} {
			token := encrypt(t, ring, want)
			if strings.Contains(token, want.Reveal()) && len(want) > 1 {
				t.Error("the token contains the secret")
			}
			if got, err := ring.Decrypt(token); err != nil || got != want {
				t.Errorf("got error %v, want %d bytes back", err, len(want))
			}
		}
	})
	t.Run("SpecVector", func(t *testing.T) {
		t.Parallel()
		// https://github.com/fernet/spec/blob/master/verify.json; older than any TTL.
		ring := testRing(t, "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=")
		got, err := ring.Decrypt("gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==")
		if err != nil || got.Reveal() != "hello" {
			t.Errorf("got %q and %v, want hello", got.Reveal(), err)
		}
	})
	t.Run("Rotation", func(t *testing.T) {
		t.Parallel()
		older := testRing(t, oneKey)
		both := testRing(t, otherKey, oneKey)
		newer := testRing(t, otherKey)
		if got, err := both.Decrypt(encrypt(t, older, "a secret")); err != nil || got != "a secret" {
			t.Errorf("an old token: got %v", err)
		}
		token := encrypt(t, both, "a secret")
		if got, err := newer.Decrypt(token); err != nil || got != "a secret" {
			t.Errorf("the first key did not encrypt: got %v", err)
		}
		if got, err := older.Decrypt(token); !errors.Is(err, ErrDecrypt) || got != "" {
			t.Errorf("a foreign token: got %v, want ErrDecrypt and nothing", err)
		}
	})
	t.Run("DamagedNeverComesBack", func(t *testing.T) {
		t.Parallel()
		ring := testRing(t, oneKey)
		token := encrypt(t, ring, "a secret")
		for _, bad := range []string{"", "plain", "gAAAAA", token[:len(token)-4], token + "x", token + "!", token[:20] + "A" + token[21:] + "=", "A" + token[1:]} {
			if got, err := ring.Decrypt(bad); !errors.Is(err, ErrDecrypt) || got != "" {
				t.Errorf("%q: got %v, want ErrDecrypt and nothing", bad, err)
			}
		}
	})
	t.Run("EmptyIsRefused", func(t *testing.T) {
		t.Parallel()
		if token, err := testRing(t, oneKey).Encrypt(""); err == nil {
			t.Errorf("got %q, want an error", token)
		}
	})
	t.Run("BadKeys", func(t *testing.T) {
		t.Parallel()
		if _, err := NewKeyring(); err == nil {
			t.Error("no key at all passed")
		}
		_, err := NewKeyring(oneKey, "canary")
		if err == nil || !strings.Contains(err.Error(), "item 2") || strings.Contains(err.Error(), "canary") {
			t.Errorf("got %v, want the second named and not repeated", err)
		}
	})
	t.Run("Canary", func(t *testing.T) {
		t.Parallel()
		older := testRing(t, oneKey)
		token, err := older.NewCanary()
		if err != nil {
			t.Fatal(err)
		}
		if err := testRing(t, otherKey, oneKey).CheckCanary(token); err != nil {
			t.Errorf("a rotated ring: got %v", err)
		}
		if err := testRing(t, otherKey).CheckCanary(token); err == nil || !strings.Contains(err.Error(), "COAGENT_AUTH_ENCRYPTION_KEYS") {
			t.Errorf("another key: got %v, want the remedy", err)
		}
		if err := older.CheckCanary(encrypt(t, older, "something else")); err == nil {
			t.Error("another text passed as the canary")
		}
	})
}
