package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/config"
)

// --set takes whatever stands behind the first equals sign.
func TestSet(t *testing.T) {
	t.Chdir(t.TempDir())
	load := func(t *testing.T, args ...string) (*config.Config, error) {
		t.Helper()
		var c cli
		parser, err := kong.New(&c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parser.Parse(append(args, "config")); err != nil {
			t.Fatal(err)
		}
		cfg, _, err := c.load(nil)
		return cfg, err
	}
	for name, c := range map[string]struct {
		args []string
		get  func(*config.Config) any
		want string
	}{
		"equals signs":       {[]string{"--set", "telemetry.otlp_endpoint=http://h:1/p?a=b&c=d"}, func(c *config.Config) any { return c.Telemetry.OTLPEndpoint }, "http://h:1/p?a=b&c=d"},
		"semicolons":         {[]string{"--set", "web.ui_csp=default-src 'self'; img-src data:"}, func(c *config.Config) any { return c.Web.UICSP }, "default-src 'self'; img-src data:"},
		"commas":             {[]string{"--set", "http.cors_origins=http://a.example,http://b.example"}, func(c *config.Config) any { return c.HTTP.CORSOrigins }, "[http://a.example http://b.example]"},
		"JSON":               {[]string{"--set", `http.cors_origins=["http://a.example","http://b.example"]`}, func(c *config.Config) any { return c.HTTP.CORSOrigins }, "[http://a.example http://b.example]"},
		"empty":              {[]string{"--set", "timezone=", "--set", "http.cors_origins="}, func(c *config.Config) any { return c.Timezone + fmt.Sprint(c.HTTP.CORSOrigins) }, "[]"},
		"a leading dash":     {[]string{"--set", "auth.super_admin=-root"}, func(c *config.Config) any { return c.Auth.SuperAdmin }, "-root"},
		"quotes":             {[]string{`--set=auth.super_admin="it's"`}, func(c *config.Config) any { return c.Auth.SuperAdmin }, `"it's"`},
		"backslashes":        {[]string{"--set", `data_dir=C:\new\;x`}, func(c *config.Config) any { return c.DataDir }, `C:\new\;x`},
		"the last one holds": {[]string{"--set", "log.level=info", "--set", "log.level=debug"}, func(c *config.Config) any { return c.Log.Level }, "debug"},
		"a secret":           {[]string{"--set", "auth.super_admin_password=a=b;c,d"}, func(c *config.Config) any { return c.Auth.SuperAdminPassword.Reveal() }, "a=b;c,d"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := load(t, c.args...)
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(c.get(cfg)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	for _, bad := range []string{"log.level", "=debug", ""} {
		if _, err := load(t, "--set="+bad); err == nil || !strings.Contains(err.Error(), "PATH=VALUE") {
			t.Errorf("%q: got %v", bad, err)
		}
	}
}

// What the command line says is for a person: no codes, no chains of calls.
func TestExplain(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{&app.Error{Kind: app.KindRejected, Code: "user_exists", Message: "User already exists"}, "User already exists"},
		{fmt.Errorf("auth.super_admin: %w", &app.Error{Kind: app.KindInvalid, Message: "password: use at least 8 characters"}), "password: use at least 8 characters"},
		{&config.Error{Problems: []string{"log.level (flag) must be one of debug"}}, "the configuration is not valid:\n  log.level (flag) must be one of debug"},
		{errors.Join(errors.New("one"), errors.New("two"), errors.New("one")), "one\ntwo"},
		{fmt.Errorf("listen on 127.0.0.1:80: listen tcp 127.0.0.1:80: bind: %w", syscall.EADDRINUSE),
			"listen on 127.0.0.1:80: address already in use. Stop the other program, or choose another address with --addr."},
		{fmt.Errorf("data_dir: %w", &fs.PathError{Op: "mkdir", Path: "/x", Err: syscall.EACCES}), "/x: this user may not read or write it"},
	} {
		if got := app.Explain(c.err); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
