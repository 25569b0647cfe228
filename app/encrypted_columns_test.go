package app_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// fillSecrets stores one secret of every kind that the program encrypts.
func fillSecrets(t *testing.T, r *apptest.Rig) *apptest.Class {
	t.Helper()
	ctx := t.Context()
	must(t, r.Operator().CheckEncryption(ctx))
	_, err := r.Operator().SeedDemo(ctx)
	must(t, err)
	c := r.Class(t) // its agents have keys of their own
	_, err = r.CreateUserKey(ctx, c.Teacher, app.NewUserKey{Provider: "openai", Alias: "mine", Key: apptest.CanaryKey})
	must(t, err)
	further := secret.Text(apptest.CanaryKey)
	_, err = r.SetAgentKeys(ctx, c.Teacher, c.TeacherAgent.ID, map[string]*secret.Text{"room_key": &further, "backup_key": &further})
	must(t, err)
	for _, in := range []app.NewExternalAgent{{Name: "Bearer", WebhookURL: "https://far.example/hook", AuthToken: apptest.CanaryKey},
		{Name: "OAuth", WebhookURL: "https://far.example/hook", AuthType: "oauth2",
			OAuth: &app.OAuthClient{TokenURL: "https://far.example/token", ClientID: "id", ClientSecret: apptest.CanaryKey}}} {
		_, _, err = r.CreateExternalAgent(ctx, c.Admin, in)
		must(t, err)
	}
	apptest.SetTwoFactor(t, r.DB, r.Config, c.Teacher.User.ID)
	keys, err := secret.NewKeyring(r.Config.Auth.EncryptionKeys...)
	must(t, err)
	sealed, err := keys.Encrypt("an ID token")
	must(t, err)
	begun := apptest.NewSession(c.Teacher.User.ID, time.Hour)
	must(t, r.DB.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.CreateSession(ctx, begun); err != nil {
			return err
		}
		from := store.SignOnOrigin{Provider: "school", Subject: "1", EncryptedIDToken: sealed}
		if err := tx.CreatePendingSignOn(ctx, &store.PendingSignOn{ID: store.NewID(), UserID: c.Teacher.User.ID, SignOnOrigin: from, ExpiresAt: begun.ExpiresAt}); err != nil {
			return err
		}
		return tx.CreateSessionSignOn(ctx, &store.SessionSignOn{SessionID: begun.ID, SignOnOrigin: from})
	}))
	return c
}

// TestEncryptedColumns: the one list of encrypted columns names every place where a token
// lies, and no other.
func TestEncryptedColumns(t *testing.T) {
	t.Parallel()
	t.Run("EveryPlaceWithAToken", func(t *testing.T) {
		t.Parallel()
		storetest.EachURL(t, func(t *testing.T, url string) {
			r := apptest.NewStopped(t, url, withKeys(t, oldKey))
			fillSecrets(t, r)
			listed := map[string]bool{}
			for _, c := range store.EncryptedColumns() {
				where := ""
				if len(c.Only) > 0 {
					where = " AND " + c.Key[0] + " IN ('" + strings.Join(c.Only, "','") + "')"
				}
				if storetest.Count(t, r.DB, "SELECT count(*) FROM "+c.Table+" WHERE "+c.Column+" LIKE 'gAAAA%'"+where) == 0 {
					t.Errorf("%s has no token: the test has not filled it, or the list is wrong", c.Name())
				}
				if storetest.Count(t, r.DB, "SELECT count(DISTINCT "+strings.Join(c.Key, " || ' ' || ")+") - count(*) FROM "+c.Table) != 0 {
					t.Errorf("%s: %q is no key of the table", c.Name(), c.Key)
				}
				listed[c.Table+"."+c.Column] = true
			}
			found := map[string]bool{}
			for place, text := range r.Cells(t) {
				if strings.Contains(text, "gAAAA") || strings.Contains(text, "\\x") && strings.Contains(text, "6741414141") {
					found[place] = true
				}
			}
			if got, want := slices.Sorted(maps.Keys(found)), slices.Sorted(maps.Keys(listed)); !slices.Equal(got, want) {
				t.Errorf("tokens lie in %q, and the list has %q", got, want)
			}
			if storetest.Count(t, r.DB, "SELECT count(*) FROM settings WHERE value LIKE '%gAAAA%'") != 2 {
				t.Error("want tokens in exactly two settings: a further one belongs on the list")
			}
		})
	})
	// What the test above does not fill would not be missed. So whoever encrypts something
	// new is led here.
	t.Run("EveryCallThatEncrypts", func(t *testing.T) {
		t.Parallel()
		want := []string{"agent_secrets.go", "apptest/two_factor.go", "key_rotation.go", "model/bound_keys.go", "secret/secret.go", "seed.go", "sign_on_people.go", "two_factor.go"}
		var got []string
		call := regexp.MustCompile(`\.Encrypt\(`)
		must(t, filepath.WalkDir(".", func(path string, _ os.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			if call.Match(text) {
				got = append(got, filepath.ToSlash(path))
			}
			return err
		}))
		if !slices.Equal(got, want) {
			t.Errorf("files that encrypt: got %q, want %q. Add the new column to store.EncryptedColumns and fillSecrets, and then the file here", got, want)
		}
	})
}
