package config

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/fernet/fernet-go"
	"github.com/gofrs/flock"
	"go.yaml.in/yaml/v3"

	"github.com/coagent-studio/coagent/app/blob"
	"github.com/coagent-studio/coagent/app/secret"
)

const secretsFile = "secrets.yaml"

const secretsHead = `# Made by coagent at its first start. Keep it with the database and keep it to yourself: without the encryption
# keys the stored provider keys cannot be read. The first encryption key encrypts, all of them decrypt.
`

// storedSecrets is the content of data_dir/secrets.yaml. Its fields are plain texts,
// because a secret.Text would be written as ***.
type storedSecrets struct {
	SecretKey        string   `yaml:"secret_key"`
	SecretKeysBefore []string `yaml:"secret_keys_before,omitempty"`
	EncryptionKeys   []string `yaml:"encryption_keys"`
}

// EnsureSecrets fills in the secrets that the configuration lacks. On SQLite it makes
// data_dir and reads them from data_dir/secrets.yaml. It generates that file once and
// never overwrites it, however many processes start at the same time. inUse tells whether
// there is a database already that was made with secrets: for that one new secrets would be
// wrong, so a lost file is an error. On Postgres all nodes have to share the secrets, so it
// fails and says what to set.
func (c *Config) EnsureSecrets(inUse func() (bool, error)) error {
	lacking := c.lackingSecrets()
	if c.Postgres() {
		return lackingError(lacking)
	}
	if err := makePrivateDir(c.DataDir); err != nil {
		return err
	}
	if len(lacking) == 0 {
		return nil
	}
	path := filepath.Join(c.DataDir, secretsFile)
	err := createSecrets(c.DataDir, inUse)
	if errors.Is(err, errLost) {
		return fmt.Errorf("%s is missing, and the database beside it was made with the keys in it. Put the file back from a backup, "+
			"or set COAGENT_AUTH_SECRET_KEY and COAGENT_AUTH_ENCRYPTION_KEYS to the keys that it had. Nothing was changed", path)
	}
	if err != nil {
		return fmt.Errorf("generate %s: %w", path, err)
	}
	if err := c.readSecrets(path); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// SecretsPath is the file in which SQLite's generated secrets are.
func (c *Config) SecretsPath() string { return filepath.Join(c.DataDir, secretsFile) }

// ReadSecrets fills in the secrets that the configuration lacks, as EnsureSecrets does, but
// makes nothing. On SQLite it fails with fs.ErrNotExist before the first start.
func (c *Config) ReadSecrets() error {
	lacking := c.lackingSecrets()
	if c.Postgres() || len(lacking) == 0 {
		return lackingError(lacking)
	}
	if err := c.readSecrets(c.SecretsPath()); err != nil {
		return fmt.Errorf("%s: %w", c.SecretsPath(), err)
	}
	return nil
}

// LacksEncryptionKeys tells whether EnsureSecrets would make new encryption keys.
func (c *Config) LacksEncryptionKeys() bool {
	_, err := os.Lstat(c.SecretsPath())
	return !c.Postgres() && len(c.Auth.EncryptionKeys) == 0 && errors.Is(err, fs.ErrNotExist)
}

func (c *Config) lackingSecrets() []string {
	var lacking []string
	if c.Auth.SecretKey == "" {
		lacking = append(lacking, "COAGENT_AUTH_SECRET_KEY (or SECRET_KEY) to the output of '"+makeSecretKey+"'")
	}
	if len(c.Auth.EncryptionKeys) == 0 {
		lacking = append(lacking, "COAGENT_AUTH_ENCRYPTION_KEYS (or ENCRYPTION_KEY) to the output of '"+secret.MakeFernetKey+"'")
	}
	return lacking
}

func lackingError(lacking []string) error {
	if len(lacking) == 0 {
		return nil
	}
	return errors.New("secrets are missing and with Postgres they are not generated, because every node needs the same: set " +
		strings.Join(lacking, " and "))
}

func makePrivateDir(dir string) error {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		return fmt.Errorf("data_dir %s is a file: name a folder", dir)
	}
	if err == nil {
		return nil
	}
	return os.MkdirAll(dir, 0o700)
}

// errLost says that the file is gone and its database is not.
var errLost = errors.New("the secrets are lost")

// createSecrets makes sure that dir has a complete secrets file, made by this process
// or by another one. The lock ends with the process that holds it. So after a crash
// nothing blocks the next start.
func createSecrets(dir string, inUse func() (bool, error)) (err error) {
	path := filepath.Join(dir, secretsFile)
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	lock := flock.New(filepath.Join(dir, "secrets.lock"), flock.SetPermissions(0o600))
	if err := lock.Lock(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if used, err := inUse(); err != nil {
		return err
	} else if used {
		return errLost
	}
	// The file comes before the database: whoever is killed in between leaves a file, never a
	// database without one.
	text, err := generateSecrets()
	if err != nil {
		return err
	}
	if err := writeSynced(path+".tmp", text); err != nil {
		return err
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return err
	}
	return blob.SyncFolder(dir)
}

func generateSecrets() ([]byte, error) {
	var random [48]byte
	if _, err := rand.Read(random[:]); err != nil {
		return nil, err
	}
	var key fernet.Key
	if err := key.Generate(); err != nil {
		return nil, err
	}
	body, err := yaml.Marshal(storedSecrets{
		SecretKey:      base64.RawURLEncoding.EncodeToString(random[:]),
		EncryptionKeys: []string{key.Encode()},
	})
	return append([]byte(secretsHead), body...), err
}

func writeSynced(path string, text []byte) error {
	// A process that was killed at this point may have left the file.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// readSecrets reads from the file the secrets that the configuration lacks.
func (c *Config) readSecrets(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var stored storedSecrets
	if err := yaml.Unmarshal(text, &stored); err != nil {
		return errors.New("is damaged: restore it from a backup") // the parser's error may quote a secret
	}
	if c.Auth.SecretKey == "" {
		c.Auth.SecretKey = secret.Text(stored.SecretKey)
		for _, key := range stored.SecretKeysBefore {
			c.Auth.SecretKeysBefore = append(c.Auth.SecretKeysBefore, secret.Text(key))
		}
	}
	if len(c.Auth.EncryptionKeys) == 0 {
		for _, key := range stored.EncryptionKeys {
			c.Auth.EncryptionKeys = append(c.Auth.EncryptionKeys, secret.Text(key))
		}
	}
	if len(c.lackingSecrets()) > 0 {
		return errors.New("lacks secret_key or encryption_keys: restore it from a backup, or set " +
			strings.Join(c.lackingSecrets(), " and "))
	}
	var problems []string
	c.checkAuth(func(setting, format string, args ...any) {
		problems = append(problems, setting+" "+fmt.Sprintf(format, args...))
	})
	if len(problems) > 0 {
		return errors.New(strings.Join(problems, "; "))
	}
	return nil
}
