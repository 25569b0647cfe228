package app

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/limit"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/app/signon"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// Who somebody from a provider is here: the account to which the identity was linked; else
// the account with an address that a trusted provider calls verified; else a new account,
// where the provider makes them.

// claimed is what a provider says of a person.
type claimed struct {
	email, name, username, language string
	verified                        bool // the address
	role                            string
	second                          bool // it asked for a second factor
}

func (p *signOnProvider) read(who *signon.Person) claimed {
	said := func(claim string) string {
		value, _ := who.Claims[claim].(string)
		return strings.TrimSpace(value)
	}
	c := claimed{email: said(p.Claims.Email), name: said(p.Claims.Name), username: said(p.Claims.Username), language: said(p.Claims.Language)}
	switch v := who.Claims[p.Claims.EmailVerified].(type) {
	case bool:
		c.verified = v
	case string:
		c.verified = v == "true"
	}
	if email("email", &c.email) != nil || !strings.Contains(c.email, "@") {
		c.email, c.verified = "", false
	}
	c.role = p.roleOf(texts(who.Claims[p.Claims.Groups]))
	c.second = slices.ContainsFunc(texts(who.Claims["amr"]), func(way string) bool { return slices.Contains([]string{"mfa", "otp", "hwk"}, way) })
	return c
}

// texts reads a claim that is a text or a list of texts.
func texts(value any) (all []string) {
	switch v := value.(type) {
	case string:
		all = append(all, v)
	case []any:
		for _, one := range v {
			if text, ok := one.(string); ok {
				all = append(all, text)
			}
		}
	}
	return all
}

// roleOf is the highest role that groups give, and the provider's default without one.
func (p *signOnProvider) roleOf(groups []string) string {
	best := p.DefaultRole
	for _, g := range groups {
		if role := p.Groups[g]; rankOf(role) > rankOf(best) {
			best = role
		}
	}
	return best
}

// rankOf orders the global roles.
func rankOf(role string) int { return slices.Index(rolesOf[everybody], role) }

// signOnAs signs in as the account of a person at a provider.
func (a *App) signOnAs(ctx context.Context, p *signOnProvider, who *signon.Person, client Client) (tokens *Tokens, err error) {
	c := p.read(who)
	if !p.allows(c) {
		return nil, errorf(KindForbidden, wording.SignOnNoAccount, "Your address at %s is not one that signs in here. Use another account there, or ask the operator.", p.Name)
	}
	sealed, err := a.signOns.keys.Encrypt(secret.Text(who.IDToken))
	if err != nil {
		return nil, err
	}
	// Two first sign-ins at once make the same identity or the same account. One of them
	// finds what the other has made.
	for try := 0; ; try++ {
		err = a.db.InTx(ctx, func(tx *store.Tx) error {
			u, err := a.signOnUser(ctx, tx, p, who, c, client)
			if err != nil {
				return err
			}
			enough := p.SecondFactor == config.SecondFactorTrusted || p.SecondFactor == config.SecondFactorClaimed && c.second
			from := store.SignOnOrigin{Provider: p.ID, Subject: who.Subject, SID: who.SID, EncryptedIDToken: sealed}
			if !hasTwoFactor(u) || enough {
				tokens, err = a.sessions.beginAt(ctx, tx, u, client, from, enough)
				return err
			}
			wait := &store.PendingSignOn{ID: store.NewID(), UserID: u.ID, SignOnOrigin: from, ExpiresAt: a.instant().Add(pendingLife)}
			if err := tx.CreatePendingSignOn(ctx, wait); err != nil {
				return err
			}
			tokens, err = a.sessions.needsCodeAfter(u, wait.ID)
			return err
		})
		if !errors.Is(err, store.ErrExists) || try == 2 {
			return tokens, fromStore(err, "User")
		}
	}
}

// beginAt opens a session that began at a provider; proven says that there was a second
// factor.
func (ss *sessions) beginAt(ctx context.Context, tx *store.Tx, u *store.User, client Client, from store.SignOnOrigin, proven bool) (*Tokens, error) {
	s := &store.Session{SecondFactor: proven}
	tokens, err := ss.begin(ctx, tx, u, client, s)
	if err != nil {
		return nil, err
	}
	return tokens, tx.CreateSessionSignOn(ctx, &store.SessionSignOn{SessionID: s.ID, SignOnOrigin: from})
}

// allows reports whether people with such an address sign in.
func (p *signOnProvider) allows(c claimed) bool {
	_, domain, _ := strings.Cut(c.email, "@")
	return len(p.AllowedDomains) == 0 || c.verified && slices.Contains(p.AllowedDomains, strings.ToLower(domain))
}

// signOnUser finds or makes the account of a person at a provider.
func (a *App) signOnUser(ctx context.Context, tx *store.Tx, p *signOnProvider, who *signon.Person, c claimed, client Client) (*store.User, error) {
	now := a.instant()
	known, err := tx.Identity(ctx, who.Issuer, who.Subject)
	if err == nil {
		return a.signOns.again(ctx, tx, p, known, c)
	}
	if !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	known = &store.Identity{ID: store.NewID(), Provider: p.ID, Issuer: who.Issuer, Subject: who.Subject, Email: c.email, CreatedAt: now, LastUsedAt: now}
	if p.TrustedEmail && c.verified {
		u, err := tx.UserByEmail(ctx, c.email)
		if err == nil {
			return a.signOns.adopt(ctx, tx, p, known, u, c)
		}
		if !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
	}
	if !p.MakeAccounts {
		return nil, errorf(KindForbidden, wording.SignOnNoAccount,
			"There is no account here for yours at %s. If you have one, sign in with your password and link it on your account page; otherwise ask for one.", p.Name)
	}
	return a.signOnNew(ctx, tx, p, known, c, client)
}

// again lets in a person who has signed in with the provider before.
func (s *signOns) again(ctx context.Context, tx *store.Tx, p *signOnProvider, known *store.Identity, c claimed) (*store.User, error) {
	u, err := s.locked(ctx, tx, known.UserID, c.role)
	if err != nil {
		return nil, err
	}
	known.Email, known.LastUsedAt = c.email, s.now.instant()
	if err := s.follow(ctx, tx, p, known, u, c.role); err != nil {
		return nil, err
	}
	return u, tx.UseIdentity(ctx, known)
}

// locked locks an account that may get another role, and refuses one that may not sign in.
func (s *signOns) locked(ctx context.Context, tx *store.Tx, id, role string) (*store.User, error) {
	u, err := tx.User(ctx, id)
	if err == nil && u.Role == RoleSuperAdmin && role != RoleSuperAdmin {
		_, err = tx.LockSuperAdmins(ctx)
	}
	if err == nil {
		u, err = tx.UserForUpdate(ctx, id)
	}
	switch {
	case err != nil:
		return nil, err
	case u.IsBot():
		return nil, errIsBot
	case !u.IsActive:
		return nil, errInactive
	}
	return u, nil
}

// adopt links an identity to the account with its verified address. Somebody else may have
// made that account, from a class list, and know its password. So links that set it are
// void, sessions end, and where the provider gives a higher role the password goes.
func (s *signOns) adopt(ctx context.Context, tx *store.Tx, p *signOnProvider, known *store.Identity, u *store.User, c claimed) (*store.User, error) {
	u, err := s.locked(ctx, tx, u.ID, c.role)
	if err != nil {
		return nil, err
	}
	known.UserID = u.ID
	if err := tx.DeleteLinksOf(ctx, store.LinkPassword, u.ID); err != nil {
		return nil, err
	}
	if err := s.sessions.endAll(ctx, tx, u.ID, "", "an account at "+p.ID+" was linked"); err != nil {
		return nil, err
	}
	if u, err = tx.User(ctx, u.ID); err != nil { // ending the sessions has changed it
		return nil, err
	}
	if rankOf(c.role) > rankOf(u.Role) {
		u.PasswordHash = ""
	}
	if err := s.follow(ctx, tx, p, known, u, c.role); err != nil {
		return nil, err
	}
	if err := tx.CreateIdentity(ctx, known); err != nil {
		return nil, err
	}
	return u, s.audit.record(ctx, tx, &Actor{User: *u}, didLinkIdentity, target{"user", u.ID}, nil, identityChanges(known))
}

// follow gives an account the role that the provider says, as far as the provider has a
// say: a role that somebody else gave stays, unless this is the first word of the provider
// and it is higher. The last super admin stays one.
func (s *signOns) follow(ctx context.Context, tx *store.Tx, p *signOnProvider, known *store.Identity, u *store.User, role string) error {
	first := known.GivenRole == ""
	if role == known.GivenRole || first && rankOf(role) <= rankOf(u.Role) || !first && u.Role != known.GivenRole {
		return nil
	}
	if u.Role == RoleSuperAdmin {
		supers, err := tx.LockSuperAdmins(ctx)
		if err != nil {
			return err
		}
		if keepsSuperAdmin(supers, u.ID) != nil {
			s.log.WarnContext(ctx, "the last super admin keeps the role, although the provider takes it away", "provider", p.ID, "user", u.ID)
			return nil //nolint:nilerr // the sign-in goes on
		}
	}
	before, was := userChanges(u), u.Role
	u.Role, known.GivenRole = role, role
	if err := tx.UpdateUser(ctx, u); err != nil {
		return err
	}
	if err := tx.DeleteLinksOf(ctx, store.LinkPassword, u.ID); err != nil {
		return err
	}
	by := &Actor{User: store.User{ID: "sign-on:" + p.ID, Email: "sign-on " + p.ID}}
	if err := s.audit.record(ctx, tx, by, ActUpdateUser, target{"user", u.ID}, before, userChanges(u)); err != nil {
		return err
	}
	if was == RoleSuperAdmin {
		return s.sessions.endAll(ctx, tx, u.ID, "", "no super admin any more")
	}
	return nil
}

// signOnNew makes an account. Only the address of a trusted provider becomes the account's:
// otherwise somebody could take another person's.
func (a *App) signOnNew(ctx context.Context, tx *store.Tx, p *signOnProvider, known *store.Identity, c claimed, client Client) (*store.User, error) {
	if err := a.limits.newPerAddress.spend(ctx, limit.NetworkOf(client.Address)); err != nil {
		return nil, err
	}
	if err := a.limits.newAtAll.spend(ctx, "all"); err != nil {
		return nil, err
	}
	fullName := c.name
	if personName("full_name", &fullName) != nil || letters(fullName) == "" {
		fullName = ""
	}
	u := personWithoutEmail(fullName, nil, a.instant())
	u.Role = c.role
	if p.TrustedEmail && c.verified {
		u.Email = c.email
	}
	wished, _, _ := strings.Cut(c.username, "@")
	names := madeUsernames(fullName, u.ID)
	if name, err := username("username", &wished); err == nil && name != nil {
		names = append([]string{*name}, names...)
	}
	free, err := freeUsernames(ctx, tx.Queries, names)
	if err != nil {
		return nil, err
	}
	if err := createNamed(ctx, tx, u, free); err != nil {
		return nil, err
	}
	if lang := localeOf(c.language); lang != "" {
		prefs := PreferencesOf(u)
		prefs.Locale = lang
		if err := tx.SetPreferences(ctx, u.ID, store.ToJSON(prefs)); err != nil {
			return nil, err
		}
	}
	known.UserID, known.GivenRole = u.ID, u.Role
	if err := tx.CreateIdentity(ctx, known); err != nil {
		return nil, err
	}
	by := &Actor{User: store.User{ID: "sign-on:" + p.ID, Email: "sign-on " + p.ID}}
	return u, a.audit.record(ctx, tx, by, ActCreateUser, target{"user", u.ID}, nil, userChanges(u))
}

// localeOf is our locale for a provider's language.
func localeOf(language string) string {
	switch tag := strings.ToLower(strings.ReplaceAll(language, "_", "-")); {
	case strings.HasPrefix(tag, "zh"):
		return "zh-TW"
	case strings.HasPrefix(tag, "en"):
		return "en"
	}
	return ""
}

func identityChanges(i *store.Identity) changes {
	return changes{"provider": i.Provider, "subject": i.Subject, "identity_email": i.Email}
}

// maxIdentities bounds how many identities people link to their account by themselves.
const maxIdentities = 10

// link links an identity to the account of a session, which the browser must still have.
func (a *App) link(ctx context.Context, p *signOnProvider, who *signon.Person, sessionID, token string) error {
	actor, err := a.sessions.authenticate(ctx, token, true)
	if err != nil || actor.SessionID != sessionID || actor.TokenID != "" {
		return errSignOnOver
	}
	if err := Check(actor, ActOwnIdentities, Resource{}); err != nil {
		return err
	}
	c, now := p.read(who), a.instant()
	if !p.allows(c) {
		return errorf(KindForbidden, wording.SignOnNoAccount, "Your address at %s is not one that signs in here. Use another account there, or ask the operator.", p.Name)
	}
	row := &store.Identity{ID: store.NewID(), UserID: actor.User.ID, Provider: p.ID, Issuer: who.Issuer, Subject: who.Subject, Email: c.email, CreatedAt: now, LastUsedAt: now}
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		if _, err := tx.LockPerson(ctx, actor.User.ID); err != nil {
			return err
		}
		linked, err := tx.IdentitiesOf(ctx, actor.User.ID)
		if err != nil {
			return err
		}
		if len(linked) >= maxIdentities {
			return errorf(KindConflict, wording.TooMany, "You have linked %d accounts at providers already. Unlink one that you do not use.", len(linked))
		}
		if err := tx.CreateIdentity(ctx, row); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, didLinkIdentity, target{"user", actor.User.ID}, nil, identityChanges(row))
	})
	if errors.Is(err, store.ErrExists) {
		return errorf(KindConflict, wording.SignOnLinked, "This account at %s signs in here already, as you or as somebody else", p.Name)
	}
	return fromStore(err, "User")
}

// Identities lists the actor's accounts at providers.
func (a *App) Identities(ctx context.Context, actor *Actor) ([]store.Identity, error) {
	if err := Check(actor, ActReadIdentities, Resource{}); err != nil {
		return nil, err
	}
	return a.db.IdentitiesOf(ctx, actor.User.ID)
}

// Unlink deletes one of the actor's identities, but not the last way in.
func (a *App) Unlink(ctx context.Context, actor *Actor, id string) error {
	if err := Check(actor, ActOwnIdentities, Resource{}); err != nil {
		return err
	}
	return fromStore(a.db.InTx(ctx, func(tx *store.Tx) error {
		u, err := tx.UserForUpdate(ctx, actor.User.ID)
		if err != nil {
			return err
		}
		all, err := tx.IdentitiesOf(ctx, u.ID)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(all, func(i store.Identity) bool { return i.ID == id })
		if at < 0 {
			return notFound("Identity")
		}
		if u.PasswordHash == "" && len(all) == 1 {
			return errorf(KindConflict, wording.SignOnLast, "This is your only way to sign in. Link another account or set a password first.")
		}
		if err := tx.DeleteIdentity(ctx, u.ID, id); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, didUnlinkIdentity, target{"user", u.ID}, identityChanges(&all[at]), nil)
	}), "Identity")
}
