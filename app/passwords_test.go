package app

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/alexedwards/argon2id"
	"golang.org/x/crypto/bcrypt"

	"github.com/coagent-studio/coagent/app/config"
)

func TestCheckPassword(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		password string
		ok       bool
	}{
		"OK":              {"correct horse", true},
		"EightCharacters": {"密碼一二三四五六", true},
		"Longest":         {strings.Repeat("x", 1024), true},
		"TooShort":        {"1234567", false},
		"ShortInMany":     {"密碼一二三四五", false},
		"TooLong":         {strings.Repeat("x", 1025), false},
		"NUL":             {"12345678\x00", false},
		"NotUTF8":         {"12345678\xff", false},
		"Empty":           {"", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := CheckPassword("new_password", tc.password)
			if tc.ok {
				if err != nil {
					t.Errorf("got %v, want no error", err)
				}
				return
			}
			var e *Error
			if !errors.As(err, &e) || e.Kind != KindInvalid || e.Fields[0].Field != "body.new_password" || strings.Contains(err.Error(), "1234567") {
				t.Errorf("got %v, want KindInvalid about new_password without the password", err)
			}
		})
	}
}

func TestHasher(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	h := NewHasher(config.Auth{HashConcurrency: 2})
	var cheap config.Auth
	cheap.HashCheaply(true)
	quick := NewHasher(cheap)
	least, err := quick.Hash(ctx, "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	hash, err := h.Hash(ctx, "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	legacy, err := bcrypt.GenerateFromPassword([]byte("correct horse"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	weak, err := argon2id.CreateHash("correct horse", &argon2id.Params{Memory: 1024, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32})
	if err != nil {
		t.Fatal(err)
	}

	t.Run("Format", func(t *testing.T) {
		t.Parallel()
		if !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
			t.Errorf("got %s", hash)
		}
		if again, err := h.Hash(ctx, "correct horse"); err != nil || again == hash {
			t.Errorf("got the same hash twice (%v), want a new salt", err)
		}
	})
	t.Run("CheapOnesInTests", func(t *testing.T) {
		t.Parallel()
		if !strings.HasPrefix(least, "$argon2id$v=19$m=8,t=1,p=1$") || !strings.HasPrefix(quick.nobody, "$argon2id$v=19$m=8,t=1,p=1$") {
			t.Errorf("got %s and %s", least, quick.nobody)
		}
		for _, stored := range []string{hash, least} {
			if ok, upgrade, err := quick.Verify(ctx, stored, "correct horse"); !ok || upgrade || err != nil {
				t.Errorf("%s: got %v, %v, %v, want it verified and kept", stored, ok, upgrade, err)
			}
		}
		if def := config.Default(); def.Auth.CheapHashes() {
			t.Error("hashes are cheap by default")
		}
	})
	for name, tc := range map[string]struct {
		hash, password string
		ok, upgrade    bool
	}{
		"OK":           {hash, "correct horse", true, false},
		"Wrong":        {hash, "wrong horse", false, false},
		"EmptyText":    {hash, "", false, false},
		"NUL":          {hash, "correct horse\x00", false, false},
		"TooLong":      {hash, strings.Repeat("x", 1<<20), false, false},
		"NotUTF8":      {hash, "\xff", false, false},
		"WeakArgon":    {weak, "correct horse", true, true},
		"WeakWrong":    {weak, "wrong horse", false, false},
		"LeastArgon":   {least, "correct horse", true, true},
		"Bcrypt2a":     {string(legacy), "correct horse", true, true},
		"Bcrypt2b":     {"$2b" + string(legacy[3:]), "correct horse", true, true},
		"Bcrypt2y":     {"$2y" + string(legacy[3:]), "correct horse", true, true},
		"BcryptWrong":  {string(legacy), "wrong horse", false, false},
		"BcryptLong":   {string(legacy), strings.Repeat("x", 1000), false, false},
		"WithoutHash":  {"", "correct horse", false, false},
		"NobodyByText": {h.nobody, "", false, false},
	} {
		t.Run("Verify"+name, func(t *testing.T) {
			t.Parallel()
			ok, upgrade, err := h.Verify(ctx, tc.hash, tc.password)
			if ok != tc.ok || upgrade != tc.upgrade || err != nil {
				t.Errorf("got %v, %v, %v, want %v, %v and no error", ok, upgrade, err, tc.ok, tc.upgrade)
			}
		})
	}
	t.Run("BcryptOfPython", func(t *testing.T) {
		t.Parallel()
		// Openwall's crypt_blowfish test vector, in the form that passlib stores; only 72 bytes count.
		const hash = "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui"
		password := "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789chars after 72 are ignored"
		if ok, _, err := h.Verify(ctx, hash, password); !ok || err != nil {
			t.Errorf("got %v and %v, want true", ok, err)
		}
	})
	t.Run("DamagedHashIsAnErrorNotAPanic", func(t *testing.T) {
		t.Parallel()
		for _, bad := range []string{
			"!", "plain", "$2b$", "$2b$31$" + string(legacy[7:]), "$argon2id$", "$argon2id$v=19$m=19456,t=2,p=1$$",
			"$argon2id$v=19$m=19456,t=0,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
			"$argon2id$v=19$m=19456,t=1,p=0$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
			"$argon2id$v=19$m=4294967295,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
			strings.Replace(hash, "argon2id", "argon2i", 1),
		} {
			if ok, upgrade, err := h.Verify(ctx, bad, "correct horse"); ok || upgrade || !errors.Is(err, errBadHash) {
				t.Errorf("%s: got %v, %v, %v, want errBadHash", bad, ok, upgrade, err)
			}
		}
	})
	t.Run("HashRefusesWhatIsNoText", func(t *testing.T) {
		t.Parallel()
		for _, bad := range []string{"", "12345678\x00", "12345678\xff", strings.Repeat("x", 1025)} {
			if _, err := h.Hash(ctx, bad); KindOf(err) != KindInvalid {
				t.Errorf("got %v, want KindInvalid", err)
			}
		}
	})
	t.Run("HashTakesOldShortOnes", func(t *testing.T) {
		t.Parallel()
		if _, err := h.Hash(ctx, "admin"); err != nil {
			t.Errorf("got %v: an upgrade at sign-in would fail", err)
		}
	})
}

func TestHasherBounds(t *testing.T) {
	t.Parallel()

	t.Run("WaitsNoLongerThanContext", func(t *testing.T) {
		t.Parallel()
		h := NewHasher(config.Auth{HashConcurrency: 1})
		release, err := h.acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 3)
		go func() { _, err := h.Hash(ctx, "correct horse"); done <- err }()
		go func() { _, _, err := h.Verify(ctx, h.nobody, "correct horse"); done <- err }()
		go func() { done <- h.VerifyNobody(ctx, "correct horse") }()
		cancel()
		for range 3 {
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want Canceled", err)
			}
		}
		release()
		if err := h.VerifyNobody(t.Context(), "correct horse"); err != nil {
			t.Errorf("after the release: got %v", err)
		}
	})
	t.Run("EndedContextDoesNoWork", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := NewHasher(config.Auth{}).VerifyNobody(ctx, "correct horse"); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want Canceled", err)
		}
	})
	t.Run("NobodyCostsAsMuchAsSomebody", func(t *testing.T) {
		t.Parallel()
		got, _, _, err := argon2id.DecodeHash(NewHasher(config.Auth{HashConcurrency: 1}).nobody)
		if err != nil || *got != *argonParams(false) {
			t.Errorf("got %+v and %v, want the parameters of Hash", got, err)
		}
	})
}
