package config

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/coagent-studio/coagent/app/secret"
)

const (
	testFernetKey  = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	testFernetKey2 = "HxAeHRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgE="
	testSecretKey  = "canary-0123456789-0123456789-0123456789"
)

var updateExample = flag.Bool("update-config", false, "write config.example.yaml anew")

// configDir makes a working folder of its own with the given files.
func configDir(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "work")
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func mustLoad(t *testing.T, files map[string]string, env ...string) (*Config, []string) {
	t.Helper()
	c, notices, err := Load(Sources{Dir: configDir(t, files), Env: env})
	if err != nil {
		t.Fatal(err)
	}
	c.file = "" // which no setting is
	return c, notices
}

func loadProblems(t *testing.T, files map[string]string, env ...string) []string {
	t.Helper()
	_, _, err := Load(Sources{Dir: configDir(t, files), Env: env})
	var bad *Error
	if !errors.As(err, &bad) {
		t.Fatalf("got error %v, want a ConfigError", err)
	}
	return bad.Problems
}

func wantLine(t *testing.T, lines []string, parts ...string) {
	t.Helper()
	for _, line := range lines {
		if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) }) {
			return
		}
	}
	t.Errorf("got lines %q, want one with %q", lines, parts)
}

func TestConfigExample(t *testing.T) {
	t.Parallel()
	const path = "../../config.example.yaml"
	if *updateExample {
		if err := os.WriteFile(path, Example(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	t.Run("EqualsGenerator", func(t *testing.T) {
		t.Parallel()
		if !bytes.Equal(got, Example()) {
			t.Errorf("config.example.yaml is old; write it anew with: go test ./app/config -run TestConfigExample -update-config")
		}
	})
	t.Run("EqualsDefaults", func(t *testing.T) {
		t.Parallel()
		c, notices, err := Load(Sources{File: path, Dir: t.TempDir()})
		if err != nil || len(notices) > 0 {
			t.Fatalf("got notices %q and error %v", notices, err)
		}
		if c.File() != path {
			t.Errorf("got the file %q, want %q", c.File(), path)
		}
		c.file = "" // which no setting is
		if !reflect.DeepEqual(c, Default()) {
			t.Errorf("got %s, want %s", c.Effective(), Default().Effective())
		}
	})
}

func TestConfigTags(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, s := range settingsOf(Default()) {
		if s.doc == "" {
			t.Errorf("%s has no doc", s.path)
		}
		if other := seen[s.env]; other != "" && !s.section {
			t.Errorf("%s and %s share the name %s", other, s.path, s.env)
		}
		seen[s.env] = s.path
	}
	for env, want := range map[string]string{
		"COAGENT_HTTP_ADDR": "http.addr", "COAGENT_DATA_DIR": "data_dir", "COAGENT_JOBS_IN_SERVE": "jobs.in_serve",
		"COAGENT_LLM_OPENAI_BASE_URL": "llm.openai.base_url", "COAGENT_LLM_GEMINI_BASE_URL": "llm.gemini.base_url",
	} {
		if got := seen[env]; got != want {
			t.Errorf("%s: got path %q, want %q", env, got, want)
		}
	}
}

func TestLoadConfigPrecedence(t *testing.T) {
	t.Parallel()
	files := func(names ...string) map[string]string {
		all := map[string]string{
			"coagent.yaml": "timezone: Asia/Tokyo\n",
			".env":         "COAGENT_TIMEZONE=Asia/Seoul\nTIMEZONE=Europe/Oslo\n",
			"../.env":      "COAGENT_TIMEZONE=Asia/Dhaka\n",
		}
		list := map[string]string{"empty": ""}
		for _, name := range names {
			list[name] = all[name]
		}
		return list
	}
	for _, tc := range []struct {
		name  string
		files map[string]string
		env   []string
		flags map[string]string
		want  string
	}{
		{name: "Default", files: files(), want: "Local"},
		{name: "LegacyOverDefault", files: files(), env: []string{"TIMEZONE=Europe/Paris"}, want: "Europe/Paris"},
		{name: "FileOverLegacy", files: files("coagent.yaml"), env: []string{"TIMEZONE=Europe/Paris"}, want: "Asia/Tokyo"},
		{name: "DotEnvOverFile", files: files("coagent.yaml", ".env"), want: "Asia/Seoul"},
		{name: "DotEnvOfParent", files: files("coagent.yaml", "../.env"), want: "Asia/Dhaka"},
		{name: "DotEnvHereOverParent", files: files(".env", "../.env"), want: "Asia/Seoul"},
		{name: "EnvironmentOverDotEnv", files: files(".env"), env: []string{"COAGENT_TIMEZONE=UTC"}, want: "UTC"},
		{name: "EmptyIsNotSet", files: files(".env"), env: []string{"COAGENT_TIMEZONE="}, want: "Asia/Seoul"},
		{name: "FlagOverAll", files: files(".env"), env: []string{"COAGENT_TIMEZONE=UTC"},
			flags: map[string]string{"timezone": "Asia/Tokyo"}, want: "Asia/Tokyo"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c, _, err := Load(Sources{Dir: configDir(t, tc.files), Env: tc.env, Flags: tc.flags})
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Location().String(); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestLoadConfigValues(t *testing.T) {
	t.Parallel()

	t.Run("Types", func(t *testing.T) {
		t.Parallel()
		c, _ := mustLoad(t, map[string]string{"coagent.yaml": `
http: {body_limit: 65536, cors_origins: [https://a.example/, http://b.example:5173], secure_cookies: yes}
telemetry: {trace_sample: 0.25}
turns: {lease: 10s}
llm:
  providers:
    school: {base_url: http://10.0.0.5:11434/v1/, default_model: llama3.1}
`}, "COAGENT_HTTP_TRUSTED_PROXIES=10.0.0.0/8, ::1", "COAGENT_JOBS_IN_SERVE=off", "COAGENT_LIMITS_MESSAGE_BYTES=32 KiB",
			"COAGENT_LLM_PROVIDERS_MY_LAB_BASE_URL=https://lab.example", "COAGENT_LLM_PROVIDERS_SCHOOL_DEFAULT_MODEL=qwen3")
		want := Default()
		want.HTTP.BodyLimit, want.HTTP.SecureCookies = 64<<10, true
		want.HTTP.CORSOrigins = []string{"https://a.example", "http://b.example:5173"}
		want.HTTP.TrustedProxies = []string{"10.0.0.0/8", "::1"}
		want.Telemetry.TraceSample, want.Turns.Lease = 0.25, 10*time.Second
		want.Jobs.InServe, want.Limits.MessageBytes = false, 32<<10
		want.LLM.Providers = map[string]Provider{
			"school": {Kind: "openai", BaseURL: "http://10.0.0.5:11434/v1", DefaultModel: "qwen3"},
			"my_lab": {Kind: "openai", BaseURL: "https://lab.example"},
		}
		if !reflect.DeepEqual(c, want) {
			t.Errorf("got\n%s\nwant\n%s", c.Effective(), want.Effective())
		}
	})
	t.Run("EmptySectionsSayNothing", func(t *testing.T) {
		t.Parallel()
		c, _ := mustLoad(t, map[string]string{"coagent.yaml": "http:\nlog: {}\ntimezone:\nauth:\n  encryption_keys:\n"})
		if !reflect.DeepEqual(c, Default()) {
			t.Errorf("got %s, want the defaults", c.Effective())
		}
	})
	t.Run("KeysThatAreNoTexts", func(t *testing.T) {
		t.Parallel()
		c, _ := mustLoad(t, map[string]string{"coagent.yaml": `
llm:
  providers:
    lab: &lab {base_url: https://lab.example}
    true: {<<: *lab, default_model: one}
`})
		want := map[string]Provider{"lab": {Kind: "openai", BaseURL: "https://lab.example"},
			"true": {Kind: "openai", BaseURL: "https://lab.example", DefaultModel: "one"}}
		if !reflect.DeepEqual(c.LLM.Providers, want) {
			t.Errorf("got %v, want %v", c.LLM.Providers, want)
		}
	})
	t.Run("AnyNameAtAnAddress", func(t *testing.T) {
		t.Parallel()
		c, _ := mustLoad(t, map[string]string{"coagent.yaml": `
llm:
  providers:
    claude: {base_url: https://claude.example/v1}
    deep-seek_2: {base_url: https://deep.example}
`}, "COAGENT_LLM_PROVIDERS_GEMINI_BASE_URL=https://gemini.example/v1/")
		want := map[string]Provider{"claude": {Kind: "openai", BaseURL: "https://claude.example/v1"},
			"deep-seek_2": {Kind: "openai", BaseURL: "https://deep.example"}, "gemini": {Kind: "openai", BaseURL: "https://gemini.example/v1"}}
		if !reflect.DeepEqual(c.LLM.Providers, want) {
			t.Errorf("got %v, want %v", c.LLM.Providers, want)
		}
	})
	t.Run("PathsWithDots", func(t *testing.T) {
		t.Parallel()
		c, _ := mustLoad(t, map[string]string{"coagent.yaml": "llm.providers.lab.base_url: https://lab.example\nhttp: {addr: ':1'}\nhttp.addr: ':2'\n"})
		if c.LLM.Providers["lab"].BaseURL != "https://lab.example" || c.HTTP.Addr != ":2" {
			t.Errorf("got %v and %q, want the provider lab and the path that is written out", c.LLM.Providers, c.HTTP.Addr)
		}
	})
	t.Run("DollarInDotEnv", func(t *testing.T) {
		t.Parallel()
		for line, want := range map[string]string{
			`Pa$$W0rd$`: "Pa$$W0rd$", `"Pa$W0rd"`: "Pa$W0rd", `'Pa$W0rd'`: "Pa$W0rd", `p#$1 # why`: "p#$1", `x${NAME}`: "xbob",
		} {
			text := "\ufeffNAME=bob\r\nexport SUPER_ADMIN_PASSWORD=" + line + "\r\n"
			c, _ := mustLoad(t, map[string]string{".env": text})
			if got := c.Auth.SuperAdminPassword.Reveal(); got != want {
				t.Errorf("%s: got %q, want %q", line, got, want)
			}
		}
	})
	t.Run("FileByName", func(t *testing.T) {
		t.Parallel()
		dir := configDir(t, map[string]string{"x.yaml": "log: {level: debug}"})
		c, _, err := Load(Sources{Dir: dir, Env: []string{"COAGENT_CONFIG=" + filepath.Join(dir, "x.yaml")}})
		if err != nil || c.Log.Level != "debug" {
			t.Errorf("got level %v and error %v, want debug", c, err)
		}
		if _, _, err := Load(Sources{Dir: dir, File: filepath.Join(dir, "none.yaml")}); err == nil {
			t.Error("a named file that is not there passed")
		}
	})
}

func TestLoadConfigLegacy(t *testing.T) {
	t.Parallel()

	t.Run("Names", func(t *testing.T) {
		t.Parallel()
		c, notices := mustLoad(t, map[string]string{".env": strings.Join([]string{
			"SECRET_KEY=" + testSecretKey, "FERNET_SECRET_KEY=" + testFernetKey, "SUPER_ADMIN=root@example.org",
			"SUPER_ADMIN_PASSWORD=correct horse", `BACKEND_CORS_ORIGINS=["http://localhost:5173/", "https://a.example"]`,
			"TIMEZONE=UTC", "SECURE_COOKIES=True", "ACCESS_TOKEN_EXPIRE_MINUTES=11520", "REFRESH_TOKEN_EXPIRE_DAYS=9",
			"PROJECT_NAME=CoAgent Studio", "REDIS_HOST=redis", "REDIS_PORT=6379",
		}, "\n")})
		want := Default()
		want.Timezone, want.HTTP.SecureCookies = "UTC", true
		want.HTTP.CORSOrigins = []string{"http://localhost:5173", "https://a.example"}
		want.Auth.SecretKey, want.Auth.EncryptionKeys = testSecretKey, []secret.Text{testFernetKey}
		want.Auth.SuperAdmin, want.Auth.SuperAdminPassword = "root@example.org", "correct horse"
		want.Auth.AccessTokenMinutes, want.Auth.RefreshTokenDays = 11520, 9
		if !reflect.DeepEqual(c, want) {
			t.Errorf("got\n%s\nwant\n%s", c.Effective(), want.Effective())
		}
		if wantNotices := []string{"REDIS_HOST, REDIS_PORT: not needed, coagent works without Redis"}; !slices.Equal(notices, wantNotices) {
			t.Errorf("got notices %q, want %q", notices, wantNotices)
		}
	})
	t.Run("SeveralEncryptionKeys", func(t *testing.T) {
		t.Parallel()
		c, _ := mustLoad(t, nil, "ENCRYPTION_KEY="+testFernetKey+","+testFernetKey2)
		if got, want := c.Auth.EncryptionKeys, []secret.Text{testFernetKey, testFernetKey2}; !slices.Equal(got, want) {
			t.Errorf("got %d keys, want 2 in order", len(got))
		}
	})
	t.Run("EncryptionKeyBeforeFernetSecretKey", func(t *testing.T) {
		t.Parallel()
		c, notices := mustLoad(t, nil, "ENCRYPTION_KEY="+testFernetKey, "FERNET_SECRET_KEY="+testFernetKey2)
		if got, want := c.Auth.EncryptionKeys, []secret.Text{testFernetKey}; !slices.Equal(got, want) {
			t.Errorf("got the key of FERNET_SECRET_KEY, want that of ENCRYPTION_KEY")
		}
		wantLine(t, notices, "FERNET_SECRET_KEY is ignored")
	})
	for name, tc := range map[string]struct {
		env  []string
		want string
	}{
		"DatabaseURL":   {[]string{"DATABASE_URL=postgresql+asyncpg://u:p%40ss@db:5433/x?ssl=require"}, "postgres://u:p%40ss@db:5433/x?sslmode=require"},
		"Psycopg":       {[]string{"DATABASE_URL=postgresql+psycopg://u@db/x"}, "postgres://u@db/x"},
		"Postgresql":    {[]string{"DATABASE_URL=postgresql://u@db/x?sslmode=disable"}, "postgres://u@db/x?sslmode=disable"},
		"PostgresParts": {[]string{"POSTGRES_SERVER=db", "POSTGRES_USER=u@x", "POSTGRES_PASSWORD=p/a:s#s", "POSTGRES_DB=a b"}, "postgres://u%40x:p%2Fa%3As%23s@db/a%20b"},
		"PostgresPort":  {[]string{"POSTGRES_SERVER=db", "POSTGRES_PORT=6000", "POSTGRES_USER=u", "POSTGRES_DB=x"}, "postgres://u:@db:6000/x"},
		"URLOverParts":  {[]string{"DATABASE_URL=postgres://u@a/x", "POSTGRES_SERVER=b", "POSTGRES_USER=u", "POSTGRES_DB=x"}, "postgres://u@a/x"},
		"CoagentOver":   {[]string{"DATABASE_URL=postgres://u@a/x", "COAGENT_DATABASE_URL=postgres://u@b/x"}, "postgres://u@b/x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, _ := mustLoad(t, nil, tc.env...)
			if got := c.Database.URL.Reveal(); got != tc.want || !c.Postgres() {
				t.Errorf("got %s (Postgres %v), want %s", got, c.Postgres(), tc.want)
			}
		})
	}
	t.Run("PostgresPartsIncomplete", func(t *testing.T) {
		t.Parallel()
		wantLine(t, loadProblems(t, nil, "POSTGRES_SERVER=db", "POSTGRES_DB=x"), "database.url", "POSTGRES_SERVER in environment", "POSTGRES_USER")
	})
	t.Run("PartsWithoutServer", func(t *testing.T) {
		t.Parallel()
		c, notices := mustLoad(t, nil, "POSTGRES_USER=u", "POSTGRES_DB=x")
		if c.Postgres() {
			t.Error("got Postgres, want SQLite")
		}
		wantLine(t, notices, "no effect without POSTGRES_SERVER")
	})
}

func TestLoadConfigProblems(t *testing.T) {
	t.Parallel()

	t.Run("AllAtOnceWithPathAndSource", func(t *testing.T) {
		t.Parallel()
		got := loadProblems(t, map[string]string{
			"coagent.yaml": "http: {addr: nowhere, colour: red}\nlog: 5\nrooms: {ping: 10}\nlimits: {posts_burst: 0}\nauth: {secret_key: 12345678}\n",
			".env":         "COAGENT_JOBS_WORKERS=many\n",
		}, "COAGENT_LOG_LEVEL=loud", "COAGENT_TELEMETRY_TRACE_SAMPLE=NaN", "TIMEZONE=Mars/Base")
		for _, want := range [][]string{
			{"http.addr", "coagent.yaml", "host:port"},
			{"http.colour", "coagent.yaml", "is not a setting"},
			{"log (", "coagent.yaml", "is a section"},
			{"rooms.ping", "coagent.yaml", "duration", "10"},
			{"limits.posts_burst", "coagent.yaml", "at least 1, not 0"},
			{"auth.secret_key", "coagent.yaml", "quotes"},
			{"jobs.workers", "COAGENT_JOBS_WORKERS in .env", "whole number"},
			{"log.level", "COAGENT_LOG_LEVEL in environment", "debug, info, warn, error"},
			{"telemetry.trace_sample", "at least 0"},
			{"timezone", "TIMEZONE in environment", "Mars/Base"},
		} {
			wantLine(t, got, want...)
		}
		if len(got) != 10 {
			t.Errorf("got %d problems %q, want 10", len(got), got)
		}
	})
	for name, tc := range map[string]struct{ env, want string }{
		"SecretKeyShort":     {"SECRET_KEY=changethis", "openssl rand -base64 48"},
		"FernetKey":          {"ENCRYPTION_KEY=not-a-key", "is not a Fernet key"},
		"SecondFernetKey":    {"ENCRYPTION_KEY=" + testFernetKey + ",short", "item 2"},
		"DatabaseScheme":     {"DATABASE_URL=mysql://u@h/x", "postgres://"},
		"DatabaseURL":        {"DATABASE_URL=postgres://u:p#w@h/x", "percent-encoding"},
		"CORSStar":           {"COAGENT_HTTP_CORS_ORIGINS=*", "http.cors_origins"},
		"CORSPath":           {"COAGENT_HTTP_CORS_ORIGINS=https://a.example/x", "http.cors_origins"},
		"Proxy":              {"COAGENT_HTTP_TRUSTED_PROXIES=proxy", "10.0.0.0/8"},
		"PublicURL":          {"COAGENT_HTTP_PUBLIC_URL=studio.example", "https://"},
		"BaseURLWithKey":     {"COAGENT_LLM_OPENAI_BASE_URL=https://u:p@x.example", "must not contain a user"},
		"Port":               {"COAGENT_HTTP_ADDR=127.0.0.1:70000", "host:port"},
		"Policy":             {"COAGENT_WEB_UI_CSP=default-src 'self'\r\nX: y", "web.ui_csp"},
		"Bytes":              {"COAGENT_HTTP_BODY_LIMIT=4MB", "4MiB"},
		"BytesTooMany":       {"COAGENT_HTTP_BODY_LIMIT=2GiB", "at most 256MiB"},
		"Bool":               {"COAGENT_HTTP_SECURE_COOKIES=maybe", "true or false"},
		"Heartbeat":          {"COAGENT_TURNS_HEARTBEAT=4s", "half of turns.lease"},
		"Lease":              {"COAGENT_TURNS_LEASE=3s", "half of turns.lease"},
		"DeadAfter":          {"COAGENT_ROOMS_DEAD_AFTER=10s", "more than rooms.ping"},
		"Allow":              {"COAGENT_EXTERNAL_ALLOW=10.0.0.0/8,school", "external.allow"},
		"AllowMapped":        {"COAGENT_EXTERNAL_ALLOW=::ffff:10.0.0.0/104", "external.allow"},
		"LLMProxy":           {"COAGENT_LLM_PROXY=proxy.school.example:3128", "llm.proxy"},
		"LLMProxyUser":       {"COAGENT_LLM_PROXY=http://u:p@proxy.school.example", "llm.proxy"},
		"ProviderWithoutURL": {"COAGENT_LLM_PROVIDERS_LAB_KIND=openai", "llm.providers.lab.base_url (COAGENT_LLM_PROVIDERS_LAB_KIND in environment) is missing"},
		"ProviderKind":       {"COAGENT_LLM_PROVIDERS_LAB_KIND=claude", "must be one of openai"},
		"ProviderBuiltIn":    {"COAGENT_LLM_PROVIDERS_OPENAI_BASE_URL=http://x", "is built in"},
		"ProviderOffline":    {"COAGENT_LLM_PROVIDERS_OFFLINE_BASE_URL=http://x", "is built in"},
		"ProviderName":       {"COAGENT_LLM_PROVIDERS_9_BASE_URL=http://x", "lower-case letters"},
		"Section":            {"COAGENT_LLM_PROVIDERS=x", "is a section"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantLine(t, loadProblems(t, nil, tc.env), tc.want)
		})
	}
	t.Run("ProviderAtTwoAddresses", func(t *testing.T) {
		t.Parallel()
		for _, name := range []string{"claude", "gemini"} {
			upper := strings.ToUpper(name)
			wantLine(t, loadProblems(t, nil, "COAGENT_LLM_PROVIDERS_"+upper+"_BASE_URL=http://x", "COAGENT_LLM_"+upper+"_BASE_URL=http://y"),
				"has two addresses", "llm."+name+".base_url")
		}
	})
	t.Run("ProviderWithoutMembers", func(t *testing.T) {
		t.Parallel()
		for text, want := range map[string][]string{
			"": {"llm.providers.lab.base_url", "is missing"}, "{}": {"llm.providers.lab.base_url", "is missing"},
			"http://x/v1": {"llm.providers.lab (", "is a section"}, "[http://x/v1]": {"llm.providers.lab (", "is a section"},
			"{base_url: http://x, url: http://y}": {"llm.providers.lab.url", "is not a setting"},
		} {
			got := loadProblems(t, map[string]string{"coagent.yaml": "llm:\n  providers:\n    lab: " + text + "\n"})
			if wantLine(t, got, want...); len(got) != 1 {
				t.Errorf("%q: got %q", text, got)
			}
		}
	})
	t.Run("UnknownFlag", func(t *testing.T) {
		t.Parallel()
		_, _, err := Load(Sources{Dir: t.TempDir(), Flags: map[string]string{"http.adr": "x"}})
		if err == nil || !strings.Contains(err.Error(), "http.adr (flag) is not a setting") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("WhatIsAllowed", func(t *testing.T) {
		t.Parallel()
		c, notices := mustLoad(t, nil, "COAGENT_EXTERNAL_ALLOW=10.1.2.0/24,fd00::1,127.0.0.1", "COAGENT_LLM_PROXY=socks5://proxy.school.example:1080")
		if len(notices) > 0 || len(c.External.Allow) != 3 || c.LLM.Proxy == "" {
			t.Errorf("got %q, %q and %q", c.External.Allow, c.LLM.Proxy, notices)
		}
		_, notices = mustLoad(t, nil, "COAGENT_EXTERNAL_ALLOW_PRIVATE=true")
		wantLine(t, notices, "external.allow_private", "external.allow instead")
	})
	t.Run("UnknownVariableIsANotice", func(t *testing.T) {
		t.Parallel()
		_, notices := mustLoad(t, nil, "COAGENT_HTTP_ADR=x", "COAGENT_LLM_PROVIDERS_LAB_KEY=x", "COAGENT_PASSWORD=x", "OTHER=x")
		want := []string{"COAGENT_HTTP_ADR is ignored: there is no such setting", "COAGENT_LLM_PROVIDERS_LAB_KEY is ignored: there is no such setting"}
		if !slices.Equal(notices, want) {
			t.Errorf("got %q, want %q", notices, want)
		}
	})
}

// TestLoadConfigKeepsSecrets puts a canary wherever a secret may stand in a
// wrong configuration.
func TestLoadConfigKeepsSecrets(t *testing.T) {
	t.Parallel()
	const canary = "hunter2"
	for name, src := range map[string]Sources{
		"YAMLScalar":      {Dir: configDir(t, map[string]string{"coagent.yaml": "SECRET=" + canary})},
		"YAMLWrongTag":    {Dir: configDir(t, map[string]string{"coagent.yaml": "auth: {secret_key: !!int " + canary + "}"})},
		"YAMLTwice":       {Dir: configDir(t, map[string]string{"coagent.yaml": "auth:\n  secret_key: " + canary + "\n  secret_key: " + canary})},
		"YAMLList":        {Dir: configDir(t, map[string]string{"coagent.yaml": "auth: {secret_key: [" + canary + "]}"})},
		"YAMLMap":         {Dir: configDir(t, map[string]string{"coagent.yaml": "auth: {encryption_keys: {a: " + canary + "}}"})},
		"YAMLSection":     {Dir: configDir(t, map[string]string{"coagent.yaml": "auth: " + canary})},
		"DotEnvQuote":     {Dir: configDir(t, map[string]string{".env": "SECRET_KEY=\"" + canary})},
		"DotEnvLine":      {Dir: configDir(t, map[string]string{".env": "a b\n" + canary + "\n"})},
		"ShortSecretKey":  {Dir: t.TempDir(), Env: []string{"SECRET_KEY=" + canary}},
		"FernetKey":       {Dir: t.TempDir(), Env: []string{"ENCRYPTION_KEY=" + canary}},
		"DatabaseURL":     {Dir: t.TempDir(), Env: []string{"DATABASE_URL=postgres://u:" + canary + "#@h/x"}},
		"DatabaseAt":      {Dir: t.TempDir(), Env: []string{"DATABASE_URL=postgresql+asyncpg://u:12@" + canary + "/x@h/x"}},
		"DatabaseSlash":   {Dir: t.TempDir(), Env: []string{"DATABASE_URL=postgres://u:12/" + canary + "@h/x"}},
		"DatabaseHash":    {Dir: t.TempDir(), Env: []string{"DATABASE_URL=postgres://u:12#" + canary + "@h/x"}},
		"DatabaseQuery":   {Dir: t.TempDir(), Env: []string{"DATABASE_URL=postgres://u:12?" + canary + "@h/x"}},
		"DatabasePercent": {Dir: t.TempDir(), Env: []string{"DATABASE_URL=postgres://u:%zz" + canary + "@h/x"}},
		"DatabaseBracket": {Dir: t.TempDir(), Env: []string{"DATABASE_URL=postgres://u:[" + canary + "@h/x"}},
		"ListenURL":       {Dir: t.TempDir(), Env: []string{"DATABASE_URL=postgres://u:p@h/x", "COAGENT_DATABASE_LISTEN_URL=postgres://u:1#" + canary + "@h/x"}},
		"DatabaseScheme":  {Dir: t.TempDir(), Env: []string{"DATABASE_URL=mysql://u:" + canary + "@h/x"}},
		"AddressWithUser": {Dir: t.TempDir(), Env: []string{"COAGENT_LLM_OPENAI_BASE_URL=https://u:" + canary + "@x"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, notices, err := Load(src)
			if err == nil {
				t.Fatal("got no error")
			}
			if text := err.Error() + strings.Join(notices, ""); strings.Contains(text, canary) {
				t.Errorf("the secret is in %q", text)
			}
		})
	}
}

func TestConfigEffective(t *testing.T) {
	t.Parallel()
	c := Default()
	c.Database.URL, c.Auth.SecretKey, c.Auth.EncryptionKeys = "postgres://u:canary@h/x", testSecretKey, []secret.Text{"canary"}
	c.LLM.Providers = map[string]Provider{"lab": {Kind: "openai", BaseURL: "http://lab.example/v1"}}
	c.HTTP.CORSOrigins = []string{"https://a.example", "two\nlines"}
	got := c.Effective()

	t.Run("NoSecret", func(t *testing.T) {
		t.Parallel()
		if bytes.Contains(got, []byte("canary")) || bytes.Count(got, []byte("***")) != 3 {
			t.Errorf("got %s, want *** three times and no canary", got)
		}
	})
	t.Run("ReadsBack", func(t *testing.T) {
		t.Parallel()
		var doc struct {
			HTTP struct {
				CORSOrigins []string `yaml:"cors_origins"`
			}
			LLM struct {
				Total     time.Duration
				Providers map[string]Provider
			}
		}
		if err := yaml.Unmarshal(got, &doc); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(doc.HTTP.CORSOrigins, c.HTTP.CORSOrigins) || doc.LLM.Total != c.LLM.Total ||
			!reflect.DeepEqual(doc.LLM.Providers, c.LLM.Providers) {
			t.Errorf("got %+v from %s", doc, got)
		}
	})
}

func TestConfigPaths(t *testing.T) {
	t.Parallel()
	c := Default()
	if got, want := c.SQLitePath(), filepath.Join("coagent-data", "coagent.db"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if c.Postgres() {
		t.Error("the default is Postgres, want SQLite")
	}
}
