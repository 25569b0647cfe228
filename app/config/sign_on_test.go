package config

import (
	"strings"
	"testing"
)

// TestSignOn: providers come from YAML or the environment alike, a fault names its member,
// and no way of printing shows the secret of a client.
func TestSignOn(t *testing.T) {
	t.Parallel()
	const secret = "client-secret-8d1f"
	const one = `{"id": "school", "issuer": "https://id.school.example", "client_id": "coagent", "client_secret": "` + secret + `"}`
	t.Run("Defaults", func(t *testing.T) {
		t.Parallel()
		got, err := signOnIn("[" + one + "]")
		if err != nil || len(got) != 1 {
			t.Fatalf("got %v, %v", got, err)
		}
		p := got[0]
		if p.Name != "school" || p.DefaultRole != "student" || p.SecondFactor != SecondFactorTrusted || p.ClientSecret.Reveal() != secret ||
			strings.Join(p.Scopes, " ") != "profile email" || p.Claims.Groups != "groups" || p.TrustedEmail || p.MakeAccounts {
			t.Errorf("got %+v", p)
		}
	})
	t.Run("AsYAML", func(t *testing.T) {
		t.Parallel()
		got, err := signOnIn([]any{map[string]any{"id": "a", "issuer": "https://a.example", "client_id": "x", "allowed_domains": []any{"@School.example"},
			"groups": map[string]any{"Teachers": "teacher"}}})
		if err != nil || len(got) != 1 || got[0].AllowedDomains[0] != "school.example" || got[0].Groups["Teachers"] != "teacher" {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	t.Run("FaultsNameTheMember", func(t *testing.T) {
		t.Parallel()
		with := func(more string) string { return "[" + strings.TrimSuffix(one, "}") + ", " + more + "}]" }
		for text, want := range map[string]string{
			with(`"trust": true`): "trust is no member of a provider", with(`"claims": {"mail": "x"}`): "mail is no member of a provider",
			with(`"default_role": "admin"`): "item 1: default_role must be one of", with(`"groups": {"A": "boss"}`): "item 1: groups: the role of A must be one of",
			with(`"second_factor": "never"`): "item 1: second_factor must be one of trusted, ask, claimed",
			"[" + one + "," + one + "]":      "item 2: the id school is there twice",
			`[{"id": "A"}]`:                  "item 1: id must be", `[{"id": "a", "issuer": "id.example"}]`: "item 1: issuer must be",
			`[{"id": "a", "issuer": "https://id.example"}]`: "item 1: client_id is missing", "{": "must be a list", `"x"`: "must be a list", with(`"trusted_email": "` + secret + `"`): "must be a list",
		} {
			_, err := signOnIn(text)
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret) {
				t.Errorf("%s: got %v, want %q", text, err, want)
			}
		}
	})
	t.Run("SecretsStayHidden", func(t *testing.T) {
		t.Parallel()
		c := Default()
		var err error
		if c.Auth.SignOn, err = signOnIn("[" + one + "]"); err != nil {
			t.Fatal(err)
		}
		if got := string(c.Effective()); strings.Contains(got, secret) || !strings.Contains(got, "client_secret: '***'") || !strings.Contains(got, "id: school") {
			t.Errorf("got %s", got)
		}
	})
}
