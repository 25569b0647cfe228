package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/coagent-studio/coagent/app/secret"
)

// fresh says that there is no database yet.
func fresh() (bool, error) { return false, nil }

func TestEnsureSecrets(t *testing.T) {
	t.Parallel()
	setup := func(t *testing.T) *Config {
		c := Default()
		c.DataDir = filepath.Join(t.TempDir(), "coagent-data")
		return c
	}
	ensure := func(t *testing.T, c *Config) {
		t.Helper()
		if err := c.EnsureSecrets(fresh); err != nil {
			t.Fatal(err)
		}
	}
	write := func(t *testing.T, c *Config, text string) {
		t.Helper()
		if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(c.DataDir, secretsFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	t.Run("GeneratesOnce", func(t *testing.T) {
		t.Parallel()
		first := setup(t)
		ensure(t, first)
		if _, err := secret.NewKeyring(first.Auth.EncryptionKeys...); err != nil || len(first.Auth.SecretKey) < minSecretKeyBytes {
			t.Errorf("got key length %d and %v, want usable secrets", len(first.Auth.SecretKey), err)
		}
		second := Default()
		second.DataDir = first.DataDir
		ensure(t, second)
		if !reflect.DeepEqual(first, second) {
			t.Error("the second start has other secrets than the first")
		}
	})
	t.Run("Private", func(t *testing.T) {
		t.Parallel()
		if runtime.GOOS == "windows" {
			t.Skip("no file modes on Windows")
		}
		c := setup(t)
		ensure(t, c)
		for path, want := range map[string]os.FileMode{c.DataDir: 0o700, filepath.Join(c.DataDir, secretsFile): 0o600} {
			info, err := os.Stat(path)
			if err != nil || info.Mode().Perm() != want {
				t.Errorf("%s: got %v and %v, want %v", path, info, err, want)
			}
		}
	})
	t.Run("ManyAtOnceEndWithOneSet", func(t *testing.T) {
		t.Parallel()
		dir := setup(t).DataDir
		configs := make([]*Config, 16)
		var wg sync.WaitGroup
		for i := range configs {
			wg.Go(func() {
				configs[i] = Default()
				configs[i].DataDir = dir
				if err := configs[i].EnsureSecrets(fresh); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, c := range configs[1:] {
			if !reflect.DeepEqual(c, configs[0]) {
				t.Error("two starts have different secrets")
			}
		}
	})
	t.Run("ConfiguredWin", func(t *testing.T) {
		t.Parallel()
		c := setup(t)
		c.Auth.SecretKey = testSecretKey
		ensure(t, c)
		if c.Auth.SecretKey != testSecretKey || len(c.Auth.EncryptionKeys) != 1 {
			t.Errorf("got %d keys and another secret key, want the configured one and a generated one", len(c.Auth.EncryptionKeys))
		}
	})
	t.Run("LostIsNotMadeAnew", func(t *testing.T) {
		t.Parallel()
		used, broken := func() (bool, error) { return true, nil }, func() (bool, error) { return false, errors.New("no database") }
		for want, inUse := range map[string]func() (bool, error){"Put the file back": used, "no database": broken} {
			c := setup(t)
			if err := c.EnsureSecrets(inUse); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), secretsFile) {
				t.Errorf("got %v, want %q and the file", err, want)
			}
			if _, err := os.Stat(filepath.Join(c.DataDir, secretsFile)); !os.IsNotExist(err) || c.Auth.SecretKey != "" || len(c.Auth.EncryptionKeys) > 0 {
				t.Errorf("got %v, want neither a file nor secrets", err)
			}
			c.Auth.SecretKey = testSecretKey // the other half is lost still
			if err := c.EnsureSecrets(inUse); err == nil {
				t.Error("half of the secrets was made anew")
			}
			c.Auth.EncryptionKeys = []secret.Text{testFernetKey}
			if err := c.EnsureSecrets(inUse); err != nil {
				t.Errorf("with the keys set: %v", err)
			}
		}
	})
	t.Run("NothingToGenerate", func(t *testing.T) {
		t.Parallel()
		c := setup(t)
		c.Auth.SecretKey, c.Auth.EncryptionKeys = testSecretKey, []secret.Text{testFernetKey}
		ensure(t, c)
		if entries, err := os.ReadDir(c.DataDir); err != nil || len(entries) != 0 {
			t.Errorf("got %v and %v, want an empty folder", entries, err)
		}
	})
	t.Run("KilledInTheMiddle", func(t *testing.T) {
		t.Parallel()
		c := setup(t)
		if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(c.DataDir, secretsFile+".tmp"), []byte("secret_k"), 0o644); err != nil {
			t.Fatal(err)
		}
		ensure(t, c)
		if _, err := os.Stat(filepath.Join(c.DataDir, secretsFile+".tmp")); !os.IsNotExist(err) {
			t.Errorf("got %v, want the rest of the killed process gone", err)
		}
	})
	for name, tc := range map[string]struct{ text, want string }{
		"Damaged":    {"canary: [", "restore it from a backup"},
		"Truncated":  {"secret_key: canary-0123456789-0123456789-0123456789\n", "COAGENT_AUTH_ENCRYPTION_KEYS"},
		"Empty":      {"", "restore it from a backup"},
		"WrongKeys":  {"secret_key: canary-0123456789-0123456789-0123456789\nencryption_keys: [canary]\n", "not a Fernet key"},
		"ShortKey":   {"secret_key: canary\nencryption_keys: [" + testFernetKey + "]\n", "openssl rand"},
		"WrongShape": {"secret_key: {a: canary}\n", "restore it from a backup"},
	} {
		t.Run(name+"IsRefusedAndKept", func(t *testing.T) {
			t.Parallel()
			c := setup(t)
			write(t, c, tc.text)
			err := c.EnsureSecrets(fresh)
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "canary") {
				t.Errorf("got %v, want an error with %q and no secret", err, tc.want)
			}
			if got, _ := os.ReadFile(filepath.Join(c.DataDir, secretsFile)); string(got) != tc.text {
				t.Error("the file was changed")
			}
		})
	}
	t.Run("DataDirIsAFile", func(t *testing.T) {
		t.Parallel()
		c := setup(t)
		if err := os.WriteFile(c.DataDir, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := c.EnsureSecrets(fresh); err == nil || !strings.Contains(err.Error(), "data_dir") {
			t.Errorf("got %v, want an error about data_dir", err)
		}
	})
	t.Run("PostgresRefusesInOneLine", func(t *testing.T) {
		t.Parallel()
		c := setup(t)
		c.Database.URL = "postgres://u@h/x"
		err := c.EnsureSecrets(fresh)
		if err == nil {
			t.Fatal("got no error")
		}
		for _, want := range []string{"COAGENT_AUTH_SECRET_KEY", "COAGENT_AUTH_ENCRYPTION_KEYS", makeSecretKey, secret.MakeFernetKey} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("got %q, want %q in it", err, want)
			}
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("got %q, want one line", err)
		}
		if _, err := os.Stat(c.DataDir); !os.IsNotExist(err) {
			t.Errorf("got %v, want no data folder", err)
		}
	})
	t.Run("PostgresWithSecrets", func(t *testing.T) {
		t.Parallel()
		c := setup(t)
		c.Database.URL, c.Auth.SecretKey, c.Auth.EncryptionKeys = "postgres://u@h/x", testSecretKey, []secret.Text{testFernetKey}
		ensure(t, c)
	})
	t.Run("OpenFolderIsANotice", func(t *testing.T) {
		t.Parallel()
		if runtime.GOOS == "windows" {
			t.Skip("no file modes on Windows")
		}
		dir := t.TempDir()
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		_, notices := mustLoad(t, nil, "COAGENT_DATA_DIR="+dir)
		wantLine(t, notices, dir, "open to other users")
	})
}
