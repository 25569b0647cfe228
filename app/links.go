package app

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"time"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/limit"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

const (
	// passwordLinkLife is how long a link for one person is valid. A link that was made
	// with a class list must last until the first lesson.
	passwordLinkLife = 3 * 24 * time.Hour
	rosterLinkLife   = 14 * 24 * time.Hour
	// pathReset is the studio's form. The token is in the URL's fragment, which
	// is never sent to a server and so is in no log.
	pathReset = "/reset#token="
)

// PasswordLink is a link that sets a person's password once. Only a hash of its token is
// stored, so it can be shown only now.
type PasswordLink struct {
	URLPath   string
	Token     string
	ExpiresAt time.Time
}

var errLinkSpent = errorf(KindForbidden, wording.LinkSpent, "This link is not valid any more. Ask for a new one.")

// MakePasswordLink makes a link with which a person sets a new password. It makes the
// person's earlier links invalid. Admins may do that for everybody but admins. Others
// may do it only if mayRule allows them to act as the person, because whoever sets a
// password can act as that person, and anybody can be added to a course.
func (a *App) MakePasswordLink(ctx context.Context, actor *Actor, userID string) (*PasswordLink, error) {
	u, res, err := a.acquaintance(ctx, actor, userID)
	if err != nil {
		return nil, err
	}
	if err := Check(actor, ActReadUser, res); err != nil {
		return nil, err
	}
	if u.IsBot() {
		return nil, errIsBot
	}
	if u.ID == actor.User.ID {
		return nil, errorf(KindRejected, wording.OwnPassword, "Change your own password in your profile")
	}
	may := mayActAs(ctx, a.db.Queries, actor, u)
	if may == nil {
		res.Relations |= IsTeacherOfPerson
	} else if KindOf(may) != KindForbidden {
		return nil, may
	}
	if err := Check(actor, ActMakePasswordLink, res); err != nil || may != nil {
		return nil, cmp.Or(err, may)
	}
	if !u.IsActive {
		return nil, errInactive
	}
	var link *PasswordLink
	err = a.db.InTx(ctx, func(tx *store.Tx) (err error) {
		// Under the lock of the account nobody can give this person a role or a right.
		held, err := tx.UserForUpdate(ctx, u.ID)
		if err != nil {
			return err
		}
		if err := mayActAs(ctx, tx.Queries, actor, held); err != nil {
			return err
		}
		if err := tx.DeleteLinksOf(ctx, store.LinkPassword, u.ID); err != nil {
			return err
		}
		if link, err = storeLink(ctx, a.now, tx, actor, u.ID, passwordLinkLife); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, ActMakePasswordLink, target{"user", u.ID}, nil, changes{"expires_at": event.Timestamp(link.ExpiresAt)})
	})
	return link, fromStore(err, "User")
}

// storeLink makes a link. The caller must have checked that the actor may do so.
func storeLink(ctx context.Context, now clock, tx *store.Tx, actor *Actor, userID string, life time.Duration) (*PasswordLink, error) {
	raw := make([]byte, 24)
	if _, err := rand.Read(raw); err != nil {
		return nil, err
	}
	token, made := base64.RawURLEncoding.EncodeToString(raw), now.instant()
	l := &store.OneTimeLink{ID: store.NewID(), Purpose: store.LinkPassword, UserID: userID, CreatedBy: actor.User.ID,
		TokenHash: hashToken(token), CreatedAt: made, ExpiresAt: made.Add(life)}
	return &PasswordLink{URLPath: pathReset + token, Token: token, ExpiresAt: l.ExpiresAt}, tx.CreateOneTimeLink(ctx, l)
}

// UsePasswordLink sets a new password with a link, which is then used up. It ends all
// sessions of the person and signs in with the new password. With two-factor sign-in the
// person has still to show a code.
func (a *App) UsePasswordLink(ctx context.Context, token, password string, client Client) (*Tokens, error) {
	link, err := a.db.OneTimeLink(ctx, store.LinkPassword, hashToken(token), a.instant())
	if errors.Is(err, store.ErrNotFound) {
		return nil, a.passwords.noSuchLink(ctx, client)
	}
	if err != nil {
		return nil, err
	}
	hash, err := a.passwords.hash(ctx, limit.Asker{Address: limit.NetworkOf(client.Address), Account: link.ID}, "password", password)
	if err != nil {
		return nil, err
	}
	var tokens *Tokens
	err = a.db.InTx(ctx, func(tx *store.Tx) (err error) {
		tokens, err = a.sessions.spendLink(ctx, tx, link, hash, client)
		return err
	})
	return tokens, err
}

// noSuchLink is the error for an invalid link. A client that tries many of them must
// wait. That never delays a client with a valid link.
func (p *passwords) noSuchLink(ctx context.Context, client Client) error {
	attempt, most, now := signin{address: "links:" + limit.NetworkOf(client.Address)}, p.cfg.Auth.SigninFailuresPerAddress, p.now.instant()
	counts, err := p.db.SigninFailures(ctx, attempt.keys(), now.Add(-p.cfg.Auth.SigninWindow), most)
	if err != nil {
		return err
	}
	if c := counts[attempt.address]; c.Count >= most {
		return tooFast("Too many links that are not valid", max(c.First.Add(p.cfg.Auth.SigninWindow).Sub(now), time.Second))
	}
	if err := p.failed(ctx, attempt); !errors.Is(err, errWrongPassword) {
		return err
	}
	return errLinkSpent
}

func (ss *sessions) spendLink(ctx context.Context, tx *store.Tx, link *store.OneTimeLink, hash string, client Client) (*Tokens, error) {
	// Lock order: account, link, as everywhere. A link is deleted with its person.
	u, err := tx.UserForUpdate(ctx, link.UserID)
	if err == nil {
		err = tx.UseOneTimeLink(ctx, link.ID, ss.now.instant())
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil, errLinkSpent
	}
	if err != nil {
		return nil, err
	}
	if !u.IsActive {
		return nil, errInactive
	}
	if err := linkHolds(ctx, tx, link, u); err != nil {
		return nil, err
	}
	u.PasswordHash = hash
	if err := tx.UpdateUser(ctx, u); err != nil {
		return nil, fromStore(err, "User")
	}
	if err := ss.endAll(ctx, tx, u.ID, "", "new password by a link"); err != nil {
		return nil, err
	}
	// A person who forgot the password has failed to sign in before.
	if err := forgiveSignin(ctx, tx, newSignin(u.Email, u, nil, client.Address)); err != nil {
		return nil, err
	}
	if err := ss.audit.record(ctx, tx, &Actor{User: *u}, didSetPassword, target{"user", u.ID}, nil,
		changes{"link_by": link.CreatedBy, "sessions": "ended"}); err != nil {
		return nil, err
	}
	// Ending the sessions has increased the account's epoch, so load it again.
	if u, err = tx.User(ctx, u.ID); err != nil {
		return nil, err
	}
	if hasTwoFactor(u) {
		return ss.needsCode(u) // a link takes the place of the password alone
	}
	return ss.open(ctx, tx, u, client)
}
