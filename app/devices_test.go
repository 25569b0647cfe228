package app_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/crypto/bcrypt"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

const wrongOne = "wrong password"

// noteOf is what a device keeps that signed in to an account, or to several.
func noteOf(t *testing.T, r *apptest.Rig, accounts ...*store.User) (note secret.Text) {
	t.Helper()
	for _, u := range accounts {
		var err error
		if note, _, err = r.DeviceNote(signIn(t, r, u), note); err != nil || note == "" {
			t.Fatalf("got note %q, %v", note.Reveal(), err)
		}
	}
	return note
}

// attack fails to sign in from an address until it is told to wait.
func attack(t *testing.T, r *apptest.Rig, login, address string) (wait time.Duration) {
	t.Helper()
	for range r.Config.Auth.SigninFailuresPerAccount + 1 {
		_, err := r.SignIn(t.Context(), login, wrongOne, app.Client{Address: address})
		if app.KindOf(err) == app.KindLimited {
			return waitOf(t, err)
		}
		wrongPassword(t, err)
	}
	t.Fatal("guessing is not slowed down")
	return 0
}

// Wrong passwords slow strangers down and never shut anybody out.
func TestKnownDevices(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url, func(c *config.Config) { c.Auth.SigninFailuresPerAccount = 3 })
		ctx := t.Context()
		enter := func(u *store.User, pw, address string, note secret.Text) error {
			_, err := r.SignIn(ctx, u.Email, pw, app.Client{Address: address, Note: note})
			return err
		}
		t.Run("PassTheLock", func(t *testing.T) {
			u := account(t, r, app.RoleTeacher)
			note := noteOf(t, r, u)
			attack(t, r, u.Email, "192.0.2.9")
			for _, address := range []string{"192.0.2.9", "192.0.2.10"} {
				must(t, enter(u, password, address, note))
			}
			refused(t, enter(u, password, "192.0.2.9", ""), app.KindLimited, "rate_limited", "")
			attack(t, r, *u.Username, "192.0.2.9") // the other name is the same account
		})
		t.Run("StrangersAreSlowedDown", func(t *testing.T) {
			u := account(t, r, app.RoleTeacher)
			for range 8 { // whatever an attacker goes on trying
				wait := attack(t, r, u.Email, "192.0.2.9")
				if wait > 30*time.Second {
					t.Fatalf("told to wait %s", wait)
				}
				r.Advance(wait)
			}
			must(t, enter(u, password, "192.0.2.9", ""))
		})
		t.Run("FromElsewhereHardly", func(t *testing.T) {
			u := account(t, r, app.RoleTeacher)
			attack(t, r, u.Email, "192.0.2.9")
			err := enter(u, password, "192.0.2.44", "")
			if wait := waitOf(t, err); wait > time.Second {
				t.Errorf("told to wait %s", wait)
			}
			r.Advance(time.Second)
			must(t, enter(u, password, "192.0.2.44", ""))
		})
		t.Run("GuessingOnOneMakesItStrange", func(t *testing.T) {
			u := account(t, r, app.RoleTeacher)
			note := noteOf(t, r, u)
			for range 3 {
				wrongPassword(t, enter(u, wrongOne, "192.0.2.20", note))
			}
			for range 3 {
				wrongPassword(t, enter(u, wrongOne, "192.0.2.20", note))
			}
			refused(t, enter(u, wrongOne, "192.0.2.20", note), app.KindLimited, "rate_limited", "")
			r.Advance(5 * time.Second)
			must(t, enter(u, password, "192.0.2.20", note))
		})
		t.Run("NotesCannotBeMadeUp", func(t *testing.T) {
			u, other := account(t, r, app.RoleTeacher), account(t, r, app.RoleStudent)
			note, tokens := noteOf(t, r, other), signIn(t, r, u)
			attack(t, r, u.Email, "192.0.2.9")
			parts := strings.Split(note.Reveal(), ".")
			sign := func(key string, claims jwt.MapClaims) secret.Text {
				text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(key))
				must(t, err)
				return secret.Text(text)
			}
			claims := jwt.MapClaims{"jti": "x", "exp": r.Now().Add(time.Hour).Unix(), "acc": []map[string]any{{"u": u.ID, "e": 0}}}
			none, err := jwt.NewWithClaims(jwt.SigningMethodNone, claims).SignedString(jwt.UnsafeAllowNoneSignatureType)
			must(t, err)
			own := strings.Split(sign("x", claims).Reveal(), ".")
			for name, forged := range map[string]secret.Text{
				"of another account": note, "rubbish": "rubbish", "a session's token": secret.Text(tokens.Access), "a refresh token": secret.Text(tokens.Refresh),
				"signed by nobody": secret.Text(none), "signed by another key": sign("another key of thirty-two letters", claims),
				"signed as sessions are": sign(r.Config.Auth.SecretKey.Reveal(), claims),
				"with another content":   secret.Text(parts[0] + "." + own[1] + "." + parts[2]), "long": secret.Text(strings.Repeat("x", 100_000)),
			} {
				if err := enter(u, password, "192.0.2.9", forged); app.KindOf(err) != app.KindLimited {
					t.Errorf("%s: got %v, want rate_limited", name, err)
				}
			}
			for _, as := range []string{note.Reveal(), "Bearer " + note.Reveal()} {
				if _, err := r.Authenticate(ctx, as); err == nil {
					t.Error("a note signs in")
				}
			}
			if _, err := r.Refresh(ctx, note.Reveal()); err == nil {
				t.Error("a note refreshes a session")
			}
		})
		t.Run("UntilThePasswordChanges", func(t *testing.T) {
			for name, change := range map[string]func(*store.User) error{
				"ByTheOperator": func(u *store.User) error { return r.Operator().SetPassword(ctx, u.Email, password) },
				"ByThePerson": func(u *store.User) error {
					_, err := r.UpdateSelf(ctx, actorOf(t, r, signIn(t, r, u)), app.UserChanges{Password: app.Some(secret.Text(password)), CurrentPassword: password})
					return err
				},
				"ByAnAdmin": func(u *store.User) error {
					_, err := r.UpdateUser(ctx, r.User(t, app.RoleSuperAdmin, "Root"), u.ID, app.UserChanges{Password: app.Some(secret.Text(password))})
					return err
				},
				"SessionsEnded": func(u *store.User) error { return r.EndOtherSessions(ctx, actorOf(t, r, signIn(t, r, u))) },
			} {
				t.Run(name, func(t *testing.T) {
					u := account(t, r, app.RoleTeacher)
					note := noteOf(t, r, u)
					must(t, change(u))
					attack(t, r, u.Email, "192.0.2.9")
					refused(t, enter(u, password, "192.0.2.9", note), app.KindLimited, "rate_limited", "")
				})
			}
		})
		t.Run("ActingAsSomebodyDoesNot", func(t *testing.T) {
			super, u := account(t, r, app.RoleSuperAdmin), account(t, r, app.RoleStudent)
			as, err := r.Impersonate(ctx, actorOf(t, r, signIn(t, r, super)), u.ID, app.Client{})
			must(t, err)
			next, err := r.Refresh(ctx, as.Refresh)
			must(t, err)
			for _, tokens := range []*app.Tokens{as, next} {
				if note, _, err := r.DeviceNote(tokens, ""); err != nil || note != "" {
					t.Errorf("got note %q, %v", note.Reveal(), err)
				}
			}
		})
		t.Run("OfAWholeClass", func(t *testing.T) {
			var class []*store.User
			for range 18 {
				class = append(class, account(t, r, app.RoleStudent))
			}
			note := noteOf(t, r, class...)
			if n := len(note.Reveal()); n > 2000 {
				t.Errorf("the note has %d bytes", n)
			}
			for i, u := range []*store.User{class[17], class[2], class[1]} {
				attack(t, r, u.Email, "192.0.2.9")
				err := enter(u, password, "192.0.2.9", note)
				if known := err == nil; known != (i < 2) {
					t.Errorf("account %d: got %v", i, err)
				}
			}
		})
		t.Run("RotateWithTheSecret", func(t *testing.T) {
			u := account(t, r, app.RoleTeacher)
			note := noteOf(t, r, u)
			attack(t, r, u.Email, "192.0.2.9")
			node := apptest.NewStopped(t, url, func(c *config.Config) {
				c.Auth.SigninFailuresPerAccount, c.Auth.SecretKey = 3, "another secret of thirty-two letters"
			})
			_, err := node.SignIn(ctx, u.Email, password, app.Client{Address: "192.0.2.9", Note: note})
			refused(t, err, app.KindLimited, "rate_limited", "")
		})
	})
}

// A whole school is one address: what one of it gets wrong keeps nobody out.
func TestOneAddressIsASchool(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		if most := r.Config.Auth.SigninFailuresPerAddress; most != 300 {
			t.Fatalf("%d failures of an address are borne, want 300", most)
		}
		hash, err := app.NewHasher(r.Config.Auth).Hash(t.Context(), password)
		must(t, err)
		var known, fresh []*store.User
		for i := range 60 {
			id := store.NewID()
			u := &store.User{ID: id, Email: fmt.Sprintf("pupil-%d-%s@example.org", i, id[24:]), Role: app.RoleStudent, PasswordHash: hash,
				IsActive: true, CreatedAt: r.Now(), Version: 1}
			must(t, r.DB.InTx(t.Context(), func(tx *store.Tx) error { return tx.CreateUser(t.Context(), u) }))
			if i < 30 {
				known = append(known, u)
			} else {
				fresh = append(fresh, u)
			}
		}
		notes := map[string]secret.Text{}
		for _, u := range known {
			notes[u.ID] = noteOf(t, r, u)
		}
		teacher := account(t, r, app.RoleTeacher)
		const school = "192.0.2.50"
		// Old hashes of the lowest cost: what is tried counts, not what a guess costs.
		cheap, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		must(t, err)
		victims := []string{teacher.Email}
		for i := range 29 {
			u := &store.User{ID: store.NewID(), Role: app.RoleStudent, PasswordHash: string(cheap), IsActive: true, CreatedAt: r.Now(), Version: 1}
			u.Email = fmt.Sprintf("victim-%d-%s@example.org", i, u.ID[24:])
			must(t, r.DB.InTx(t.Context(), func(tx *store.Tx) error { return tx.CreateUser(t.Context(), u) }))
			victims = append(victims, u.Email)
		}
		for i := range r.Config.Auth.SigninFailuresPerAddress {
			_, err := r.SignIn(t.Context(), victims[i/10], wrongOne, app.Client{Address: school})
			wrongPassword(t, err)
		}
		var all sync.WaitGroup
		for _, u := range append(known, fresh...) {
			all.Go(func() {
				if _, err := r.SignIn(t.Context(), u.Email, password, app.Client{Address: school, Note: notes[u.ID]}); err != nil {
					t.Errorf("known %v: %v", notes[u.ID] != "", err)
				}
			})
		}
		all.Wait()
	})
}

// Nodes on one database count together what was guessed.
func TestNodesShareFailures(t *testing.T) {
	t.Parallel()
	url := storetest.Postgres(t)
	a, b := apptest.NewStopped(t, url), apptest.NewStopped(t, url)
	u := account(t, a, app.RoleTeacher)
	note := noteOf(t, b, u)
	attack(t, a, u.Email, "192.0.2.9")
	_, err := b.SignIn(t.Context(), u.Email, password, app.Client{Address: "192.0.2.9"})
	refused(t, err, app.KindLimited, "rate_limited", "")
	_, err = a.SignIn(t.Context(), u.Email, password, app.Client{Address: "192.0.2.9", Note: note})
	must(t, err)
}

// Where an address has sent too much, those who are known by a session or by
// their device go on, each within what one may send; nobody else does.
func TestAdmitKnown(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		const burst = 8
		r := apptest.NewStopped(t, url, func(c *config.Config) {
			c.Limits.AddressRequestsPerMinute, c.Limits.AddressRequestsBurst = 1, burst
		})
		refusal := &app.Error{Kind: app.KindLimited, Code: "rate_limited", Message: "the address"}
		admit := func(token string, note secret.Text) error { return r.AdmitKnown(t.Context(), token, note, refusal) }
		passes := func(token string, note secret.Text) (n int) {
			for ; n <= 10*burst && admit(token, note) == nil; n++ {
			}
			return n
		}
		bySession, byDevice, late := account(t, r, app.RoleStudent), account(t, r, app.RoleStudent), account(t, r, app.RoleStudent)
		tokens := signIn(t, r, bySession)
		note := noteOf(t, r, byDevice)
		old := signIn(t, r, late)
		for name, stranger := range map[string][2]string{
			"Nothing": {"", ""}, "NoToken": {"x.y.z", "x.y.z"}, "NoteAsToken": {note.Reveal(), ""}, "TokenAsNote": {"", tokens.Access},
			"PersonalToken": {"coa_pat_" + strings.Repeat("a", 40), ""},
			"OtherSecret":   {forge(t, jwt.SigningMethodHS256, []byte("another secret"), jwt.MapClaims{"sub": late.ID, "sid": store.NewID(), "exp": 1 << 40}), ""},
		} {
			if err := admit(stranger[0], secret.Text(stranger[1])); !errors.Is(err, refusal) {
				t.Errorf("%s: got %v, want the refusal of the address", name, err)
			}
		}
		if n := passes(tokens.Access, ""); n < burst || n > burst+2 {
			t.Errorf("a session passes %d times, want %d", n, burst)
		}
		if err := admit(tokens.Access, ""); errors.Is(err, refusal) || app.KindOf(err) != app.KindLimited {
			t.Errorf("a session beyond its own bound: got %v", err)
		}
		if n := passes("x", note); n < burst || n > burst+2 {
			t.Errorf("a device passes %d times, want %d", n, burst)
		}
		// Both at once are one person.
		if err := admit("", noteOf(t, r, bySession)); app.KindOf(err) != app.KindLimited {
			t.Errorf("the same person by a device: got %v", err)
		}
		// A page whose token has run out renews it; that must not be refused.
		r.Advance(time.Duration(r.Config.Auth.AccessTokenMinutes+1) * time.Minute)
		if err := admit(old.Access, ""); err != nil {
			t.Errorf("an expired session's token: got %v", err)
		}
	})
}
