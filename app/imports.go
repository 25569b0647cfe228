package app

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
)

// Imports are the rules for what comes from another system. Nobody types it, so a text is
// judged and not refused: the importer decides what becomes of it.
type Imports struct{ app *App }

// Imports returns the rules for what comes from another system.
func (a *App) Imports() *Imports { return &Imports{a} }

// Email puts an address into the form in which it is stored, or says what is wrong with it.
func (i *Imports) Email(value *string) error { return email("email", value) }

// Username puts a user name into the form in which it is stored, or says what is wrong with
// it. A blank one is nil.
func (i *Imports) Username(value *string) (*string, error) { return username("username", value) }

// PersonName puts a person's name into the form in which it is stored, or says what is wrong
// with it.
func (i *Imports) PersonName(value *string) error { return personName("full_name", value) }

// PlaceholderEmail is the address of an account that has none.
func (i *Imports) PlaceholderEmail(id string) string { return placeholderEmail(id) }

// AvatarURL says what is wrong with a picture's address elsewhere.
func (i *Imports) AvatarURL(value *string) error { return optionalAvatarURL("avatar_url", value) }

// AvatarPath is where a stored picture is served from.
func (i *Imports) AvatarPath(v *store.Avatar) string { return pathAvatars + v.ID + "." + v.Extension }

// KnownProvider tells whether a model provider is configured.
func (i *Imports) KnownProvider(name string) bool { return i.app.model.Known(name) }

// SealKey encrypts a model key for a provider, as one that somebody types. A key with bytes
// that no provider takes is an error that does not repeat it.
func (i *Imports) SealKey(provider string, key secret.Text) (token string, err error) {
	clean, err := cleanKey("api_key", key)
	if err != nil {
		return "", err
	}
	return i.app.model.SealKey(provider, clean)
}

// External takes the secrets out of the configuration of an agent outside this program. public
// is what is stored in the open, sealed the encrypted rest, "" without any.
func (i *Imports) External(raw string) (public store.JSON, sealed string, err error) {
	text, err := object("external_config", json.RawMessage(raw), "")
	if err != nil || text == "" {
		return "", "", err
	}
	found := map[string]string{}
	open, err := withoutSecrets([]byte(text), found)
	if err != nil {
		return "", "", invalid("external_config", "must be an object")
	}
	for name, value := range found {
		if value == "" {
			delete(found, name)
		}
	}
	if len(found) > 0 {
		sealed, err = i.app.agents.seal(found)
	}
	return store.JSON(open), sealed, err
}

// Graph checks the graph of a workflow. The error lists what is wrong with it.
func (i *Imports) Graph(text store.JSON) error {
	_, err := graphText(i.app.engine, json.RawMessage(text))
	return err
}

// NewImports makes the rules without a database that is served: db is only kept.
func NewImports(cfg *config.Config, db *store.DB, log *slog.Logger) (*Imports, error) {
	//nolint:forbidigo // a command at the machine takes the real clock
	a, err := New(Deps{Config: cfg, DB: db, Log: log, Now: time.Now, Rand: func() float64 { return 1 }})
	if err != nil {
		return nil, fmt.Errorf("prepare the import: %w", err)
	}
	return a.Imports(), nil
}
