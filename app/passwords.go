package app

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"
	"golang.org/x/crypto/bcrypt"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/limit"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

const (
	minPasswordRunes = 8
	maxPasswordBytes = 1024
	maxBcryptCost    = 16
	maxArgonMemory   = 1 << 20 // KiB
	maxArgonRounds   = 64
	minArgonBytes    = 8 // of salt and key, RFC 9106
)

// passwords checks who knows an account's password, and slows down those who guess.
type passwords struct {
	cfg    *config.Config
	db     *store.DB
	now    clock
	hasher *Hasher
	guard  signinGuard
}

// argonParams are the parameters of new hashes: 19 MiB, two passes, one lane
// (OWASP Password Storage Cheat Sheet). Cheap ones are the least that argon2 allows.
func argonParams(cheap bool) *argon2id.Params {
	p := &argon2id.Params{Memory: 19 * 1024, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}
	if cheap {
		p.Memory, p.Iterations = 8, 1
	}
	return p
}

// CheckPassword is the rule for new passwords: at least 8 characters, at most
// 1024 bytes, UTF-8 without NUL. Its error is KindInvalid about field, the
// member that the client sent.
func CheckPassword(field, password string) error {
	if !hashable(password) {
		return invalid(field, "use at most %d bytes of text, without NUL characters", maxPasswordBytes)
	}
	if utf8.RuneCountInString(password) < minPasswordRunes {
		return invalid(field, "use at least %d characters", minPasswordRunes)
	}
	return nil
}

func hashable(password string) bool {
	return len(password) <= maxPasswordBytes && utf8.ValidString(password) && !strings.ContainsRune(password, 0)
}

// hashBounds limits how many wait to hash a password. A hash takes some tens of
// milliseconds, so even the full queue of one address is done within seconds.
var hashBounds = limit.Bounds{PerAddress: 256, AtAll: 2048, Busy: &Error{Kind: KindUnavailable, Code: wording.Busy, RetryAfter: 5 * time.Second,
	Message: "Very many passwords are being checked for your address right now. Try again in 5 s."}}

// Hasher hashes and verifies passwords. It does only a limited number at a time, because
// each takes 19 MiB and tens of milliseconds of a processor.
type Hasher struct {
	queue  *limit.FairQueue
	who    limit.Asker
	params *argon2id.Params // of new hashes
	nobody string           // a well-formed hash that fits no password
}

// NewHasher makes a Hasher that does c.HashConcurrency hashes at a time; 0 means one per
// processor.
func NewHasher(c config.Auth) *Hasher {
	concurrency := c.HashConcurrency
	if concurrency <= 0 {
		concurrency = runtime.GOMAXPROCS(0)
	}
	p := argonParams(c.CheapHashes())
	nobody := fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", p.Memory, p.Iterations, p.Parallelism,
		strings.Repeat("A", 22), strings.Repeat("A", 43))
	return &Hasher{queue: limit.NewFairQueue(concurrency, hashBounds), params: p, nobody: nobody}
}

// forAsker is the same hasher, which waits in the queue for who.
func (h *Hasher) forAsker(who limit.Asker) *Hasher {
	return &Hasher{queue: h.queue, who: who, params: h.params, nobody: h.nobody}
}

// Hash returns the argon2id hash of a password in the PHC format. It waits in the queue
// until ctx ends. For a text that cannot be a password the error is KindInvalid.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	if !hashable(password) || password == "" {
		return "", invalid("password", "use 1 to %d bytes of text, without NUL characters", maxPasswordBytes)
	}
	release, err := h.acquire(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	hash, err := argon2id.CreateHash(password, h.params)
	if err != nil {
		return "", fmt.Errorf("hash a password: %w", err)
	}
	return hash, nil
}

// Verify reports whether a password has this hash (argon2id, or bcrypt from before).
// upgrade is true if the hash is weaker than what Hash makes and should be replaced. An
// empty hash takes as long as any other and fits no password. The error means that the
// stored hash is damaged or that ctx ended.
func (h *Hasher) Verify(ctx context.Context, hash, password string) (ok, upgrade bool, err error) {
	if hash == "" {
		hash = h.nobody
	}
	// No such text was ever hashed, so do not spend the time.
	if !hashable(password) || password == "" {
		return false, false, nil
	}
	release, err := h.acquire(ctx)
	if err != nil {
		return false, false, err
	}
	defer release()
	if strings.HasPrefix(hash, "$2") {
		return verifyBcrypt(hash, password)
	}
	return verifyArgon(hash, password, h.params)
}

// VerifyNobody takes as long as Verify, for a sign-in to an account that does not exist.
// Its error is that of ctx.
func (h *Hasher) VerifyNobody(ctx context.Context, password string) error {
	_, _, err := h.Verify(ctx, h.nobody, password)
	return err
}

func (h *Hasher) acquire(ctx context.Context) (release func(), err error) {
	return h.queue.Acquire(ctx, h.who)
}

var errBadHash = errors.New("the stored password hash is neither argon2id nor bcrypt")

func verifyBcrypt(hash, password string) (ok, upgrade bool, err error) {
	if cost, err := bcrypt.Cost([]byte(hash)); err != nil || cost > maxBcryptCost {
		return false, false, errBadHash
	}
	err = bcrypt.CompareHashAndPassword([]byte(hash), []byte(password))
	if errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		return false, false, nil
	}
	if err != nil {
		return false, false, errBadHash
	}
	return true, true, nil
}

func verifyArgon(hash, password string, want *argon2id.Params) (ok, upgrade bool, err error) {
	// A damaged hash could otherwise panic inside argon2, or its empty key could fit
	// every password.
	p, salt, key, err := argon2id.DecodeHash(hash)
	if err != nil || p.Iterations < 1 || p.Iterations > maxArgonRounds || p.Parallelism < 1 ||
		p.Memory > maxArgonMemory || len(salt) < minArgonBytes || len(key) < minArgonBytes {
		return false, false, errBadHash
	}
	ok, err = argon2id.ComparePasswordAndHash(password, hash)
	if err != nil {
		return false, false, errBadHash
	}
	return ok, ok && (p.Memory < want.Memory || p.Iterations < want.Iterations), nil
}
