package apptest

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/coagent-studio/coagent/store"
)

// This file makes people as rows, without the cost of a password. All that needs a class
// begins with them and makes the rest in its own way. A Class is made through App, so that
// the rules have their say. The world of web's tests is made through its handlers. The
// bench stores rows, because it has thousands of people before it measures. Only
// proctest.World has no rows of its own: it sees the program from outside alone.

// NewUser returns an active account that nobody can sign in to: it has no password.
func NewUser(role, name string) *store.User {
	id := store.NewID()
	return &store.User{ID: id, Email: strings.ReplaceAll(name, " ", ".") + "-" + id[24:] + "@example.org", FullName: &name, Role: role,
		IsActive: true, CreatedAt: time.Now().UTC().Truncate(time.Microsecond), Version: 1}
}

// NewSession returns a session of a user that begins now.
func NewSession(userID string, life time.Duration) *store.Session {
	now := time.Now().UTC().Truncate(time.Microsecond)
	return &store.Session{ID: store.NewID(), UserID: userID, Generation: 1, RotatedAt: now, CreatedAt: now, ExpiresAt: now.Add(life)}
}

// AddPerson stores a NewUser with a session of a day.
func AddPerson(ctx context.Context, tx *store.Tx, role, name string) (*store.User, *store.Session, error) {
	u := NewUser(role, name)
	s := NewSession(u.ID, 24*time.Hour)
	return u, s, errors.Join(tx.CreateUser(ctx, u), tx.CreateSession(ctx, s))
}

// Token signs an access token as the server does.
func Token(secretKey string, s *store.Session, expires time.Time) (string, error) {
	return jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": s.UserID, "sid": s.ID, "exp": expires.Unix()}).
		SignedString([]byte(secretKey))
}
