package app_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

const (
	oldKey = secret.Text("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
	newKey = secret.Text("enl4d3Z1dHNycXBvbm1sa2ppaGdmZWRjYmE5ODc2NTQ=")
	// lostKey is a key that nobody has any more.
	lostKey = secret.Text("YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=")
)

func withKeys(t *testing.T, keys ...secret.Text) func(*config.Config) {
	dir := t.TempDir()
	return func(c *config.Config) {
		c.DataDir = dir
		c.Auth.EncryptionKeys, c.External.Allow = keys, []string{"0.0.0.0/0"}
	}
}

// rotated rotates as the command does.
func rotated(t *testing.T, r *apptest.Rig) *app.KeyReport {
	t.Helper()
	report, err := r.Operator().RotateKeys(t.Context(), func(why string) { t.Log(why) }, func(int, int) {})
	must(t, err)
	return report
}

// superOf is a super admin.
func superOf(t *testing.T, r *apptest.Rig) *app.Actor { return r.User(t, app.RoleSuperAdmin, "Root") }

func TestKeyRotation(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		before := apptest.NewStopped(t, url, withKeys(t, oldKey))
		c := fillSecrets(t, before)
		masked := *before.MaskedKey(c.TeacherAgent)
		both := apptest.NewStopped(t, url, withKeys(t, newKey, oldKey))
		total := 0
		t.Run("StatusChangesNothing", func(t *testing.T) {
			dump := both.Dump(t)
			report, err := both.Operator().Keys(t.Context())
			must(t, err)
			total = report.Older()
			if total < 9 || report.Unreadable() != 0 || report.Rewritten() != 0 || !strings.Contains(report.Text(false), "run coagent keys rotate") {
				t.Errorf("got %+v", report)
			}
			if both.Dump(t) != dump {
				t.Error("asking changed the database")
			}
		})
		t.Run("StoppedHalfWay", func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			_, err := both.Operator().RotateKeys(ctx, func(string) {}, func(done, _ int) {
				if done > 3 {
					stop()
				}
			})
			if err == nil || !strings.Contains(err.Error(), "run it again") {
				t.Errorf("got %v", err)
			}
			canary, err := before.DB.Setting(t.Context(), store.SettingCanary)
			must(t, err)
			if keys, err := secret.NewKeyring(oldKey); err != nil || keys.CheckCanary(canary) != nil {
				t.Error("the canary was renewed before the others")
			}
		})
		t.Run("All", func(t *testing.T) {
			report := rotated(t, both)
			if report.Older() != 0 || report.Unreadable() != 0 || report.Rewritten() == 0 || report.Rewritten() >= total {
				t.Errorf("got %+v, want the rest of %d", report, total)
			}
			if again := rotated(t, both); again.Rewritten() != 0 || !strings.Contains(again.Text(true), "can be taken out") {
				t.Errorf("again: got %+v", again)
			}
			lines, err := storetest.All(both.DB.AuditEntries(t.Context(), store.AuditFilter{Action: string(app.ActRotateKeys)}, "", 10))
			if err != nil || len(lines) != 2 {
				t.Errorf("audit: %d lines, %v, want one for each that came to its end", len(lines), err)
			}
		})
		t.Run("WithoutTheOldKey", func(t *testing.T) {
			after := apptest.NewStopped(t, url, withKeys(t, newKey))
			must(t, after.Operator().CheckEncryption(t.Context()))
			ag, err := after.DB.Agent(t.Context(), c.TeacherAgent.ID)
			must(t, err)
			if got := *after.MaskedKey(ag); got != masked {
				t.Errorf("the agent's key: got %q, want %q", got, masked)
			}
			if err := apptest.NewStopped(t, url, withKeys(t, oldKey)).Operator().CheckEncryption(t.Context()); err == nil {
				t.Error("the old key alone is accepted still")
			}
		})
		t.Run("WhatNoKeyReads", func(t *testing.T) {
			lost, err := secret.NewKeyring(lostKey)
			must(t, err)
			token, err := lost.Encrypt("gone")
			must(t, err)
			both.Exec(t, "UPDATE agents SET encrypted_api_key = ? WHERE id = ?", token, c.StudentAgent.ID)
			both.Exec(t, "UPDATE agents SET encrypted_secrets = ? WHERE id = ?", "no token", c.StudentAgent.ID)
			report := rotated(t, both)
			text := report.Text(true)
			if report.Unreadable() != 2 || strings.Count(text, c.StudentAgent.ID) != 2 || strings.Contains(text, "can be taken out") {
				t.Errorf("got %s", text)
			}
			ag, err := both.DB.Agent(t.Context(), c.StudentAgent.ID)
			if err != nil || ag.EncryptedAPIKey != token || ag.EncryptedSecrets != "no token" {
				t.Errorf("got %+v, %v: what cannot be read was changed", ag, err)
			}
		})
	})
}

// TestKeyRotationBesidePeople: what people change while a rotation runs is theirs.
func TestKeyRotationBesidePeople(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		before := apptest.NewStopped(t, url, withKeys(t, oldKey))
		c := fillSecrets(t, before)
		both := apptest.NewStopped(t, url, withKeys(t, newKey, oldKey))
		ids := make([]string, 250) // more than one batch
		for i := range ids {
			k, err := before.CreateUserKey(t.Context(), c.Admin, app.NewUserKey{Provider: "openai", Alias: store.NewID(), Key: apptest.CanaryKey})
			must(t, err)
			ids[i] = k.ID
		}
		changed := make(chan error, 1)
		go func() {
			for i := range 20 {
				if err := before.DeleteUserKey(context.Background(), c.Admin, ids[i*10]); err != nil {
					changed <- err
					return
				}
				fresh := secret.Text("key-" + store.NewID())
				if _, err := both.UpdateAgent(context.Background(), c.Teacher, c.TeacherAgent.ID, app.AgentSettings{APIKey: app.Some(fresh)}); err != nil {
					changed <- err
					return
				}
			}
			changed <- nil
		}()
		rotated(t, both)
		must(t, <-changed)
		if report := rotated(t, both); report.Older() != 0 || report.Unreadable() != 0 {
			t.Errorf("got %+v", report)
		}
		after := apptest.NewStopped(t, url, withKeys(t, newKey))
		keys, err := storetest.All(after.UserKeys(t.Context(), c.Admin))
		must(t, err)
		if len(keys) != len(ids)-20 || slices.ContainsFunc(keys, func(k store.UserKey) bool { return after.MaskToken(k.EncryptedKey) == "****" }) {
			t.Errorf("%d keys are left of %d, or one cannot be read", len(keys), len(ids))
		}
	})
}

func TestKeyRotationAsJob(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := fillSecrets(t, apptest.NewStopped(t, url, withKeys(t, oldKey)))
		r := apptest.New(t, url, withKeys(t, newKey, oldKey), func(c *config.Config) { c.Turns.Sweep = 50 * time.Millisecond })
		super := superOf(t, r)
		state := func(t *testing.T) *app.KeyRotation {
			t.Helper()
			_, last, err := r.EncryptionKeys(t.Context(), super)
			must(t, err)
			return last
		}
		over := func(t *testing.T, want string) *app.KeyRotation {
			t.Helper()
			apptest.Await(t, "the rotation", func() bool { return state(t).EndedAt != nil })
			last := state(t)
			if last.State != want {
				t.Errorf("got %+v, want %s", last, want)
			}
			return last
		}
		left := func(t *testing.T, state store.JSON) { // as by a worker that was killed
			t.Helper()
			must(t, r.DB.InTx(t.Context(), func(tx *store.Tx) error {
				return errors.Join(tx.SetSetting(t.Context(), "key_rotation", string(state)), tx.SetSetting(t.Context(), store.SettingRotationLive, "x"))
			}))
		}
		t.Run("ForSuperAdminsAlone", func(t *testing.T) {
			_, err := r.RotateKeys(t.Context(), c.Admin)
			refused(t, err, app.KindForbidden, "", "Not enough permissions")
			_, _, err = r.EncryptionKeys(t.Context(), c.Admin)
			refused(t, err, app.KindForbidden, "", "Not enough permissions")
			if state(t) != nil {
				t.Error("there is a rotation")
			}
		})
		t.Run("OneAtOnce", func(t *testing.T) {
			first, err := r.RotateKeys(t.Context(), super)
			must(t, err)
			if first.State != app.RotationQueued {
				t.Errorf("got %+v", first)
			}
			if _, err := r.RotateKeys(t.Context(), super); err != nil { // unless the first is over by now
				refused(t, err, app.KindConflict, "too_many", "A rotation of the keys is under way. Wait for its end.")
			}
			if last := over(t, app.RotationDone); last.Unreadable != 0 {
				t.Errorf("got %+v", last)
			}
			report, _, err := r.EncryptionKeys(t.Context(), super)
			if err != nil || report.Older() != 0 {
				t.Errorf("got %+v, %v", report, err)
			}
		})
		t.Run("TakenOverWhenItsWorkerIsGone", func(t *testing.T) {
			gone := store.ToJSON(&app.KeyRotation{State: app.RotationRunning, Attempt: 77, Key: firstKey(t, newKey), StartedAt: r.Now(), LeaseUntil: r.Now().Add(time.Minute)})
			left(t, gone)
			r.Advance(2 * time.Minute)
			if last := over(t, app.RotationDone); last.Attempt != 78 {
				t.Errorf("got %+v, want the next attempt", last)
			}
		})
		t.Run("NotByAProcessWithOtherKeys", func(t *testing.T) {
			stray := store.ToJSON(&app.KeyRotation{State: app.RotationRunning, Attempt: 90, Key: firstKey(t, oldKey), StartedAt: r.Now(), LeaseUntil: r.Now().Add(time.Minute)})
			left(t, stray)
			r.Advance(2 * time.Minute)
			if last := over(t, app.RotationFailed); !strings.Contains(last.Reason, "same keys") {
				t.Errorf("got %+v", last)
			}
		})
	})
}

func firstKey(t *testing.T, key secret.Text) string {
	t.Helper()
	keys, err := secret.NewKeyring(key)
	must(t, err)
	return keys.Fingerprints()[0]
}

// TestKeyRotationBesideStrangers: a process that could not read what a rotation writes keeps
// it from beginning. On Postgres processes tell of themselves.
func TestKeyRotationBesideStrangers(t *testing.T) {
	t.Parallel()
	url := storetest.Postgres(t)
	fillSecrets(t, apptest.NewStopped(t, url, withKeys(t, oldKey)))
	r := apptest.NewStopped(t, url, withKeys(t, newKey, oldKey))
	super := superOf(t, r)
	tell := func(keys string, ago time.Duration) {
		r.Exec(t, "DELETE FROM nodes")
		must(t, r.DB.Single().TellNode(t.Context(), &store.Node{ID: store.NewID(), StartedAt: r.Now(), SeenAt: r.Now().Add(-ago), Keys: keys}))
	}
	tell(firstKey(t, oldKey)+" "+firstKey(t, newKey), 0)
	_, err := r.RotateKeys(t.Context(), super)
	if refused(t, err, app.KindConflict, "other_keys", ""); !strings.Contains(err.Error(), "another first encryption key") {
		t.Errorf("got %v", err)
	}
	tell("", 0) // of an older version
	_, err = r.RotateKeys(t.Context(), super)
	refused(t, err, app.KindConflict, "other_keys", "")
	told := false
	_, err = r.Operator().RotateKeys(t.Context(), func(string) { // it lives, and tells again
		told = true
		r.Exec(t, "UPDATE nodes SET seen_at = seen_at + interval '1 second'")
	}, func(int, int) {})
	refused(t, err, app.KindConflict, "other_keys", "")
	if !told {
		t.Error("nobody was told that it waits")
	}
	tell(firstKey(t, newKey)+" "+firstKey(t, oldKey), 0)
	if _, err = r.RotateKeys(t.Context(), super); err != nil {
		t.Errorf("beside a process with the same first key: %v", err)
	}
	tell(firstKey(t, oldKey), 2*time.Minute) // dead
	rotated(t, r)
}
