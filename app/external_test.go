package app_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func TestExternalAgents(t *testing.T) {
	t.Parallel()
	peer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+apptest.CanaryKey {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(peer.Close)
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url, func(c *config.Config) { c.External.Allow = []string{"127.0.0.0/8"} })
		c, ctx := r.Class(t), t.Context()
		create := func(tune func(*app.NewExternalAgent)) (*store.Agent, secret.Text) {
			t.Helper()
			in := app.NewExternalAgent{Name: "Far", WebhookURL: peer.URL + "/hook", AuthToken: apptest.CanaryKey}
			if tune != nil {
				tune(&in)
			}
			ag, callback, err := r.CreateExternalAgent(ctx, c.Admin, in)
			if err != nil {
				t.Fatal(err)
			}
			return ag, callback
		}
		t.Run("SecretsAreEncryptedBesideIt", func(t *testing.T) {
			ag, callback := create(nil)
			row := stored(t, r, ag.ID)
			want := `{"webhook_url":"` + peer.URL + `/hook","auth_type":"bearer","timeout_ms":30000,"fallback_message":"⚠️ External agent is temporarily unavailable."}`
			if string(row.ExternalConfig) != want || !row.IsExternal || !row.IsActive || row.Category != "external" || row.ModelProvider != "external" ||
				row.Capabilities != `["a2a_messaging"]` || row.ProjectID != "" || row.Type != "external" {
				t.Errorf("got %+v, want %s", row, want)
			}
			if len(callback) != 43 || strings.Contains(string(row.ExternalConfig)+row.EncryptedSecrets, callback.Reveal()) || strings.Contains(row.EncryptedSecrets, apptest.CanaryKey) {
				t.Errorf("a secret is stored as it is, or the token has %d characters", len(callback))
			}
		})
		t.Run("Probe", func(t *testing.T) {
			ag, _ := create(nil)
			if p, err := r.TestStoredAgent(ctx, c.Admin, ag.ID); err != nil || !p.Success || p.StatusCode != 200 {
				t.Errorf("got %+v, %v", p, err)
			}
			if p, err := r.TestExternalAgent(ctx, c.Admin, app.NewExternalAgent{Name: "x", WebhookURL: peer.URL, AuthToken: "wrong"}); err != nil || p.Success || p.StatusCode != 401 {
				t.Errorf("got %+v, %v", p, err)
			}
			_, err := r.TestStoredAgent(ctx, c.Teacher, ag.ID)
			refused(t, err, app.KindForbidden, "", "Not enough permissions")
			_, err = r.TestStoredAgent(ctx, c.Teacher, c.TeacherAgent.ID)
			refused(t, err, app.KindRejected, "", "Not an external agent")
		})
		t.Run("NotTooOften", func(t *testing.T) {
			ag, _ := create(nil)
			other := r.User(t, app.RoleAdmin, "Impatient")
			var err error
			for range 30 {
				if _, err = r.TestStoredAgent(ctx, other, ag.ID); err != nil {
					break
				}
			}
			if app.KindOf(err) != app.KindLimited {
				t.Errorf("got %v, want a limit", err)
			}
		})
		t.Run("KeepsItsSecrets", func(t *testing.T) {
			ag, callback := create(nil)
			got, err := r.UpdateAgent(ctx, c.Admin, ag.ID, app.AgentSettings{ExternalConfig: raw(`{"webhook_url":"` + peer.URL + `/other","auth_type":"bearer","auth_token":"` +
				secret.Mask(apptest.CanaryKey) + `","callback_token":"mine","note":1}`)})
			if err != nil || strings.Contains(string(got.ExternalConfig), "token") || !strings.HasSuffix(string(got.ExternalConfig), `"note":1}`) {
				t.Fatalf("got %+v, %v", got, err)
			}
			if p, err := r.TestStoredAgent(ctx, c.Admin, ag.ID); err != nil || !p.Success {
				t.Errorf("got %+v, %v, want the token kept", p, err)
			}
			again, err := r.RotateCallbackToken(ctx, c.Admin, ag.ID)
			if err != nil || again == callback || again == "mine" || len(again) != 43 {
				t.Errorf("got %d characters, %v, want a new token", len(again), err)
			}
			if p, err := r.TestStoredAgent(ctx, c.Admin, ag.ID); err != nil || !p.Success {
				t.Errorf("after the rotation: got %+v, %v", p, err)
			}
		})
		t.Run("SecretsStayWithTheirHost", func(t *testing.T) {
			ag, _ := create(nil)
			_, err := r.UpdateAgent(ctx, c.Admin, ag.ID, app.AgentSettings{ExternalConfig: raw(`{"webhook_url":"https://evil.example","auth_type":"bearer"}`)})
			refused(t, err, app.KindInvalid, "", "auth_token: send it again: its address has moved to another host")
			if _, err := r.UpdateAgent(ctx, c.Admin, ag.ID, app.AgentSettings{ExternalConfig: raw(`{"webhook_url":"https://other.example","auth_type":"none"}`)}); err != nil {
				t.Fatal(err)
			}
			if _, err := r.UpdateAgent(ctx, c.Admin, ag.ID, app.AgentSettings{ExternalConfig: raw(`{"webhook_url":"` + peer.URL + `","auth_type":"bearer"}`)}); err != nil {
				t.Fatal(err)
			}
			if p, err := r.TestStoredAgent(ctx, c.Admin, ag.ID); err != nil || p.Success || !strings.HasPrefix(p.Problem, "No auth_token") {
				t.Errorf("got %+v, %v, want the token gone with its host", p, err)
			}
			flow, _ := create(func(in *app.NewExternalAgent) {
				in.AuthType, in.OAuth = "oauth2", &app.OAuthClient{TokenURL: peer.URL, ClientID: "us", ClientSecret: apptest.CanaryKey}
			})
			for _, moved := range []string{`{"webhook_url":"https://evil.example","auth_type":"oauth2","oauth_config":{"token_url":"` + peer.URL + `","client_id":"us"}}`,
				`{"webhook_url":"` + peer.URL + `","auth_type":"oauth2","oauth_config":{"token_url":"https://evil.example","client_id":"us"}}`} {
				_, err = r.UpdateAgent(ctx, c.Admin, flow.ID, app.AgentSettings{ExternalConfig: raw(moved)})
				refused(t, err, app.KindInvalid, "", "client_secret: send it again: its address has moved to another host")
			}
		})
		t.Run("Refuses", func(t *testing.T) {
			for name, tune := range map[string]func(*app.NewExternalAgent){
				"NoName": func(in *app.NewExternalAgent) { in.Name = " " }, "NoURL": func(in *app.NewExternalAgent) { in.WebhookURL = "" },
				"Scheme": func(in *app.NewExternalAgent) { in.WebhookURL = "file:///etc/passwd" }, "NoHost": func(in *app.NewExternalAgent) { in.WebhookURL = "http://:80/" },
				"User": func(in *app.NewExternalAgent) { in.WebhookURL = "http://a:b@c.example" }, "Blank": func(in *app.NewExternalAgent) { in.WebhookURL = "http://c.example/ x" },
				"LongURL": func(in *app.NewExternalAgent) { in.WebhookURL = "http://c.example/" + strings.Repeat("x", 2000) },
				"Auth":    func(in *app.NewExternalAgent) { in.AuthType = "basic" }, "Quick": func(in *app.NewExternalAgent) { in.TimeoutMS = 999 },
				"Slow": func(in *app.NewExternalAgent) { in.TimeoutMS = 120_001 }, "NoOAuth": func(in *app.NewExternalAgent) { in.AuthType = "oauth2" },
				"Header": func(in *app.NewExternalAgent) { in.AuthToken = "a\r\nb" }, "NUL": func(in *app.NewExternalAgent) { in.FallbackMessage = "\x00" },
			} {
				in := app.NewExternalAgent{Name: "Far", WebhookURL: peer.URL, AuthToken: "t"}
				tune(&in)
				if _, _, err := r.CreateExternalAgent(ctx, c.Admin, in); app.KindOf(err) != app.KindInvalid {
					t.Errorf("%s: got %v, want invalid", name, err)
				}
			}
			ag, _ := create(nil)
			for name, s := range map[string]app.AgentSettings{
				"Empty": {ExternalConfig: raw(`{}`)}, "Number": {ExternalConfig: raw(`{"webhook_url":5}`)}, "Big": {ExternalConfig: raw(`{"webhook_url":"http://a.example","timeout_ms":1e999}`)},
				"Category": {Category: app.Some("king")}, "Provider": {ModelProvider: app.Some("\x00")},
				"Header": {ExternalConfig: raw(`{"webhook_url":"` + peer.URL + `","auth_token":"a\nb"}`)},
			} {
				if _, err := r.UpdateAgent(ctx, c.Admin, ag.ID, s); app.KindOf(err) != app.KindInvalid {
					t.Errorf("%s: got %v, want invalid", name, err)
				}
			}
		})
		t.Run("List", func(t *testing.T) {
			ag, _ := create(nil)
			for actor, want := range map[*app.Actor]bool{c.Admin: true, r.User(t, app.RoleSuperAdmin, "Sol"): true, c.Teacher: false, c.Student: false} {
				list, err := storetest.All(r.ExternalAgents(ctx, actor))
				got := false
				for _, other := range list {
					got = got || other.ID == ag.ID
				}
				if err != nil || got != want {
					t.Errorf("%s: got %v, %v, want %v", actor.User.Name(), got, err, want)
				}
			}
		})
		t.Run("NoLineHoldsASecret", func(t *testing.T) {
			for _, action := range []string{"agent.create_external", "agent.rotate_callback", "agent.update"} {
				entries, err := storetest.All(r.DB.AuditEntries(ctx, store.AuditFilter{Action: action}, "", 200))
				if err != nil || len(entries) == 0 {
					t.Errorf("%s: got %d lines, %v", action, len(entries), err)
				}
				for _, e := range entries {
					if strings.Contains(string(e.Before)+string(e.After), apptest.CanaryKey) {
						t.Errorf("%s: %+v", action, e)
					}
				}
			}
			if strings.Contains(r.Log(), apptest.CanaryKey) {
				t.Error("the log holds a secret")
			}
		})
	})
}
