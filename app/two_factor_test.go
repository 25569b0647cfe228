package app_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// twoFactored is an account with two-factor sign-in.
func twoFactored(t *testing.T, r *apptest.Rig, role string) *store.User {
	t.Helper()
	u := account(t, r, role)
	apptest.SetTwoFactor(t, r.DB, r.Config, u.ID)
	return u
}

func stranger() app.Client { return app.Client{UserAgent: "test", Address: "192.0.2.7"} }

func TestTwoFactorSignIn(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		code := func() string { return apptest.Code(t, apptest.AppKey, r.Now()) }
		in := func(u *store.User, typed string) (*app.Tokens, error) {
			return r.SignIn(t.Context(), u.Email, typed, stranger())
		}
		begin := func(u *store.User) secret.Text {
			t.Helper()
			tokens, err := in(u, password)
			if err != nil || tokens.Access != "" || tokens.Pending == "" {
				t.Fatalf("got %+v, %v, want a pending sign-in", tokens, err)
			}
			return tokens.Pending
		}
		t.Run("TheStudiosForm", func(t *testing.T) {
			u := twoFactored(t, r, app.RoleTeacher)
			tokens, err := r.SignInWithCode(t.Context(), begin(u), " "+code()[:3]+" "+code()[3:]+" ", stranger())
			if err != nil || tokens.Access == "" || tokens.Pending != "" {
				t.Fatalf("got %+v, %v", tokens, err)
			}
			actor, err := r.Authenticate(t.Context(), tokens.Access)
			if err != nil || actor.User.ID != u.ID {
				t.Errorf("got %+v, %v", actor, err)
			}
			_, err = r.SignInWithCode(t.Context(), begin(u), code(), stranger())
			refused(t, err, app.KindRejected, "wrong_code", "") // none is taken twice
			r.Advance(30 * time.Second)
			if _, err := r.SignInWithCode(t.Context(), begin(u), code(), stranger()); err != nil {
				t.Error(err)
			}
		})
		t.Run("OneField", func(t *testing.T) {
			u := twoFactored(t, r, app.RoleTeacher)
			if tokens, err := in(u, password+code()); err != nil || tokens.Access == "" {
				t.Fatalf("got %+v, %v", tokens, err)
			}
			_, err := in(u, password+code())
			wrongPassword(t, err)
			_, err = in(u, "another"+code())
			wrongPassword(t, err)
			if tokens, err := in(u, password+strings.ToUpper(apptest.RecoveryCode)); err != nil || tokens.Access == "" {
				t.Fatalf("a recovery code: got %+v, %v", tokens, err)
			}
			_, err = in(u, password+apptest.RecoveryCode)
			wrongPassword(t, err)
		})
		t.Run("WithoutItDigitsArePassword", func(t *testing.T) {
			u := account(t, r, app.RoleTeacher)
			_, err := in(u, password+"123456")
			wrongPassword(t, err)
			if err := r.Operator().SetPassword(t.Context(), u.Email, "battery 123456"); err != nil {
				t.Fatal(err)
			}
			if tokens, err := in(u, "battery 123456"); err != nil || tokens.Access == "" {
				t.Errorf("got %+v, %v", tokens, err)
			}
			apptest.SetTwoFactor(t, r.DB, r.Config, u.ID)
			if tokens, err := in(u, "battery 123456"); err != nil || tokens.Pending == "" {
				t.Errorf("got %+v, %v", tokens, err)
			}
		})
		t.Run("ClocksMayDiffer", func(t *testing.T) {
			u := twoFactored(t, r, app.RoleTeacher)
			for _, off := range []time.Duration{-90 * time.Second, 90 * time.Second} {
				_, err := in(u, password+apptest.Code(t, apptest.AppKey, r.Now().Add(off)))
				wrongPassword(t, err)
			}
			if _, err := in(u, password+apptest.Code(t, apptest.AppKey, r.Now().Add(-30*time.Second))); err != nil {
				t.Error(err)
			}
			if _, err := in(u, password+apptest.Code(t, apptest.AppKey, r.Now().Add(30*time.Second))); err != nil {
				t.Error(err)
			}
			_, err := in(u, password+code()) // the step before the last one
			wrongPassword(t, err)
		})
		t.Run("TheNoteEnds", func(t *testing.T) {
			u := twoFactored(t, r, app.RoleTeacher)
			changed := begin(u)
			for _, note := range []secret.Text{"", "x", secret.Text(signIn(t, r, account(t, r, app.RoleTeacher)).Access)} {
				_, err := r.SignInWithCode(t.Context(), note, code(), stranger())
				refused(t, err, app.KindRejected, "two_factor_over", "")
			}
			if _, err := r.Authenticate(t.Context(), changed.Reveal()); err == nil {
				t.Error("the note is a session")
			}
			if err := r.Operator().SetPassword(t.Context(), u.Email, password); err != nil {
				t.Fatal(err)
			}
			_, err := r.SignInWithCode(t.Context(), changed, code(), stranger())
			refused(t, err, app.KindRejected, "two_factor_over", "")
			late := begin(u)
			r.Advance(5*time.Minute + time.Second)
			_, err = r.SignInWithCode(t.Context(), late, code(), stranger())
			refused(t, err, app.KindRejected, "two_factor_over", "")
		})
		t.Run("ALinkIsThePasswordAlone", func(t *testing.T) {
			u := twoFactored(t, r, app.RoleTeacher)
			link, err := r.MakePasswordLink(t.Context(), r.User(t, app.RoleSuperAdmin, "Root"), u.ID)
			if err != nil {
				t.Fatal(err)
			}
			tokens, err := r.UsePasswordLink(t.Context(), link.Token, "a new battery", stranger())
			if err != nil || tokens.Access != "" || tokens.Pending == "" {
				t.Fatalf("got %+v, %v", tokens, err)
			}
			if tokens, err = r.SignInWithCode(t.Context(), tokens.Pending, code(), stranger()); err != nil || tokens.Access == "" {
				t.Errorf("got %+v, %v", tokens, err)
			}
		})
	})
}

func TestTwoFactorGuesses(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		u := twoFactored(t, r, app.RoleTeacher)
		known := stranger()
		tokens, err := r.SignIn(t.Context(), u.Email, password+apptest.Code(t, apptest.AppKey, r.Now()), known)
		if err != nil {
			t.Fatal(err)
		}
		if known.Note, _, err = r.DeviceNote(tokens, ""); err != nil {
			t.Fatal(err)
		}
		r.Advance(time.Minute)
		first, err := r.SignIn(t.Context(), u.Email, password, stranger())
		if err != nil {
			t.Fatal(err)
		}
		// All at once, as whoever guesses would.
		var wrong, limited atomic.Int64
		var guesses sync.WaitGroup
		for range 40 {
			guesses.Go(func() {
				_, err := r.SignInWithCode(t.Context(), first.Pending, "000000", stranger())
				switch app.KindOf(err) {
				case app.KindRejected:
					wrong.Add(1)
				case app.KindLimited:
					limited.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		guesses.Wait()
		if wrong.Load() != 5 || limited.Load() != 35 {
			t.Errorf("%d codes were checked and %d not, want 5 and 35", wrong.Load(), limited.Load())
		}
		right := apptest.Code(t, apptest.AppKey, r.Now())
		_, err = r.SignIn(t.Context(), u.Email, password+right, stranger())
		refused(t, err, app.KindLimited, "rate_limited", "")
		// Whoever signed in there before is not shut out by strangers.
		if _, err := r.SignIn(t.Context(), u.Email, password+right, known); err != nil {
			t.Error(err)
		}
		r.Advance(r.Config.Auth.SigninWindow)
		if _, err := r.SignIn(t.Context(), u.Email, password+apptest.Code(t, apptest.AppKey, r.Now()), stranger()); err != nil {
			t.Error(err)
		}
	})
}

// Of two who send the same code at once, one gets in.
func TestTwoFactorRace(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		for _, code := range []string{apptest.RecoveryCode, apptest.Code(t, apptest.AppKey, r.Now())} {
			u := twoFactored(t, r, app.RoleTeacher)
			first, err := r.SignIn(t.Context(), u.Email, password, stranger())
			if err != nil {
				t.Fatal(err)
			}
			var in atomic.Int64
			var both sync.WaitGroup
			for range 4 {
				both.Go(func() {
					if tokens, err := r.SignInWithCode(t.Context(), first.Pending, code, stranger()); err == nil && tokens.Access != "" {
						in.Add(1)
					}
				})
			}
			both.Wait()
			if in.Load() != 1 {
				t.Errorf("%q let %d in, want 1", code, in.Load())
			}
		}
	})
}

func TestTwoFactorOwn(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		u := account(t, r, app.RoleTeacher)
		as := func() *app.Actor {
			t.Helper()
			actor, err := r.Authenticate(t.Context(), signIn(t, r, u).Access)
			if err != nil {
				t.Fatal(err)
			}
			return actor
		}
		actor, other := as(), as()
		again := func() *app.Actor {
			t.Helper()
			token, err := apptest.Token(r.Config.Auth.SecretKey.Reveal(), &store.Session{ID: actor.SessionID, UserID: u.ID}, r.Now().Add(time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			now, err := r.Authenticate(t.Context(), token)
			if err != nil {
				t.Fatal(err)
			}
			return now
		}
		_, err := r.BeginTwoFactor(t.Context(), actor, "wrong")
		refused(t, err, app.KindRejected, "wrong_password", "")
		_, err = r.BeginTwoFactor(t.Context(), actor, "")
		refused(t, err, app.KindInvalid, "invalid", "")
		if _, err = r.BeginTwoFactor(t.Context(), actor, password); err != nil {
			t.Fatal(err)
		}
		key, err := r.BeginTwoFactor(t.Context(), actor, password) // the second one counts
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(key.URI.Reveal(), "otpauth://totp/CoAgent%20Studio:") || !strings.Contains(key.URI.Reveal(), "secret="+key.Secret.Reveal()) ||
			!strings.HasPrefix(key.QR.Reveal(), "data:image/png;base64,") {
			t.Errorf("got %q", key.URI.Reveal())
		}
		if strings.Contains(r.Log(), key.Secret.Reveal()) {
			t.Error("the log has the key")
		}
		if tokens := signIn(t, r, u); tokens.Pending != "" {
			t.Error("a key counts that nobody has confirmed")
		}
		_, err = r.ConfirmTwoFactor(t.Context(), actor, "000000")
		refused(t, err, app.KindRejected, "wrong_code", "")
		codes, err := r.ConfirmTwoFactor(t.Context(), actor, apptest.Code(t, key.Secret.Reveal(), r.Now()))
		if err != nil || len(codes) != 10 {
			t.Fatalf("got %v, %v", codes, err)
		}
		if s, err := r.DB.Session(t.Context(), other.SessionID); err != nil || s.EndedAt.IsZero() {
			t.Errorf("the other session goes on: %+v, %v", s, err)
		}
		actor = again()
		state, err := r.TwoFactor(t.Context(), actor)
		if err != nil || state.Since.IsZero() || state.CodesLeft != 10 || !state.Available || state.Required || !state.Password {
			t.Errorf("got %+v, %v", state, err)
		}
		_, err = r.BeginTwoFactor(t.Context(), actor, password)
		refused(t, err, app.KindConflict, "two_factor_on", "")

		_, err = r.NewRecoveryCodes(t.Context(), actor, app.Proof{Password: "wrong"})
		refused(t, err, app.KindRejected, "wrong_password", "")
		fresh, err := r.NewRecoveryCodes(t.Context(), actor, app.Proof{Code: codes[0]})
		if err != nil || len(fresh) != 10 {
			t.Fatalf("got %v, %v", fresh, err)
		}
		_, err = r.SignIn(t.Context(), u.Email, password+codes[1].Reveal(), stranger())
		wrongPassword(t, err) // the old ones are void

		as = again
		refused(t, r.RemoveTwoFactor(t.Context(), as(), app.Proof{Code: "000000"}), app.KindRejected, "wrong_code", "")
		refused(t, r.RemoveTwoFactor(t.Context(), as(), app.Proof{}), app.KindInvalid, "invalid", "")
		if err := r.RemoveTwoFactor(t.Context(), as(), app.Proof{Password: password}); err != nil {
			t.Fatal(err)
		}
		refused(t, r.RemoveTwoFactor(t.Context(), as(), app.Proof{Password: password}), app.KindConflict, "two_factor_off", "")
		if tokens := signIn(t, r, u); tokens.Pending != "" {
			t.Error("a code is asked for")
		}
		for _, action := range []string{"two_factor.set_up", "two_factor.recovery_codes", "two_factor.use_recovery_code", "two_factor.remove"} {
			lines, err := r.DB.AuditEntries(t.Context(), store.AuditFilter{Action: action}, "", 10)
			if err != nil || lines.Len() != 1 {
				t.Errorf("%s: %d lines in the audit log, want 1 (%v)", action, lines.Len(), err)
			}
		}
	})
}

func TestTwoFactorReset(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		super, admin := r.User(t, app.RoleSuperAdmin, "Root"), r.User(t, app.RoleAdmin, "Admin")
		teacher, boss := twoFactored(t, r, app.RoleTeacher), twoFactored(t, r, app.RoleAdmin)
		refused(t, r.ResetTwoFactor(t.Context(), r.User(t, app.RoleTeacher, "T"), teacher.ID), app.KindForbidden, "forbidden", "")
		refused(t, r.ResetTwoFactor(t.Context(), admin, boss.ID), app.KindForbidden, "forbidden", "")
		refused(t, r.ResetTwoFactor(t.Context(), admin, admin.User.ID), app.KindRejected, "own_account", "")
		refused(t, r.ResetTwoFactor(t.Context(), admin, store.NewID()), app.KindNotFound, "not_found", "User not found")
		tokens, err := r.SignIn(t.Context(), teacher.Email, password+apptest.RecoveryCode, stranger())
		if err != nil {
			t.Fatal(err)
		}
		for who, u := range map[*app.Actor]*store.User{admin: teacher, super: boss} {
			if err := r.ResetTwoFactor(t.Context(), who, u.ID); err != nil {
				t.Fatal(err)
			}
			refused(t, r.ResetTwoFactor(t.Context(), who, u.ID), app.KindConflict, "two_factor_off", "")
			if signIn(t, r, u).Access == "" {
				t.Error("a code is asked for")
			}
		}
		if _, err := r.Authenticate(t.Context(), tokens.Access); err == nil {
			t.Error("the lost phone's session goes on")
		}
		apptest.SetTwoFactor(t, r.DB, r.Config, boss.ID)
		if err := r.Operator().ResetTwoFactor(t.Context(), strings.ToUpper(boss.Email)); err != nil {
			t.Fatal(err)
		}
		refused(t, r.Operator().ResetTwoFactor(t.Context(), "nobody"), app.KindNotFound, "not_found", "")
		if signIn(t, r, boss).Access == "" {
			t.Error("a code is asked for")
		}
	})
}

func TestTwoFactorIsAskedOfStaff(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		for setting, of := range map[string]map[string]bool{
			config.TwoFactorStaff:  {app.RoleStudent: false, app.RoleTA: true, app.RoleTeacher: true, app.RoleAdmin: true, app.RoleSuperAdmin: true},
			config.TwoFactorAdmins: {app.RoleTeacher: false, app.RoleAdmin: true},
			config.TwoFactorOff:    {app.RoleSuperAdmin: false},
		} {
			r := apptest.NewStopped(t, url, func(c *config.Config) { c.Auth.TwoFactor = setting })
			for role, must := range of {
				u := account(t, r, role)
				actor, err := r.Authenticate(t.Context(), signIn(t, r, u).Access)
				if err != nil || actor.MustSetUp != must {
					t.Errorf("%s of %s: got %+v, %v", setting, role, actor.MustSetUp, err)
				}
				_, err = r.Organizations(t.Context(), actor, store.Page{Limit: 1})
				if must {
					refused(t, err, app.KindForbidden, "two_factor_required", "")
				} else if err != nil {
					t.Error(err)
				}
			}
		}
		r := apptest.NewStopped(t, url, func(c *config.Config) { c.Auth.TwoFactor = config.TwoFactorStaff })
		u := account(t, r, app.RoleTeacher)
		tokens := signIn(t, r, u)
		actor, err := r.Authenticate(t.Context(), tokens.Access)
		if err != nil {
			t.Fatal(err)
		}
		key, err := r.BeginTwoFactor(t.Context(), actor, password)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.ConfirmTwoFactor(t.Context(), actor, apptest.Code(t, key.Secret.Reveal(), r.Now())); err != nil {
			t.Fatal(err)
		}
		if actor, err = r.Authenticate(t.Context(), tokens.Access); err != nil || actor.MustSetUp {
			t.Errorf("got %+v, %v", actor, err)
		}
		// With off nobody begins; who has it keeps it.
		off := apptest.NewStopped(t, url, func(c *config.Config) { c.Auth.TwoFactor = config.TwoFactorOff })
		_, err = off.BeginTwoFactor(t.Context(), off.User(t, app.RoleTeacher, "T"), password)
		refused(t, err, app.KindForbidden, "two_factor_unavailable", "")
		if tokens, err := off.SignIn(t.Context(), u.Email, password, stranger()); err != nil || tokens.Pending == "" {
			t.Errorf("got %+v, %v", tokens, err)
		}
	})
}
