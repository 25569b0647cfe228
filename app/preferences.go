package app

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// Preferences are how a person likes the program, on all devices. An empty Locale or
// TimeZone leaves it to the device.
type Preferences struct {
	Locale   string `json:"locale,omitempty"`
	TimeZone string `json:"time_zone,omitempty"` // a name of the IANA database
	Theme    string `json:"theme"`
	Density  string `json:"density"`
	SendKey  string `json:"send_key"`
	Notify   string `json:"notify"` // of rooms for which the person has set nothing
	Sound    bool   `json:"sound"`
}

// The values that preferences may have. The first one of each is what holds until a person
// has chosen, but for Locales.
var (
	Locales   = []string{"en", "zh-TW"}
	Themes    = []string{"system", "light", "dark"}
	Densities = []string{"comfortable", "compact"}
	SendKeys  = []string{"enter", "ctrl_enter"}
	Notifies  = []string{store.NotifyAll, store.NotifyMentions, store.NotifyNone}
)

// PreferencesOf returns the preferences of an account.
func PreferencesOf(u *store.User) Preferences {
	p := Preferences{Theme: Themes[0], Density: Densities[0], SendKey: SendKeys[0], Notify: Notifies[0]}
	// What is stored was written from a Preferences; without anything the defaults stay.
	_ = json.Unmarshal([]byte(u.Preferences), &p)
	return p
}

// LanguageOf is the language in which a person wants to be told something, English unless
// they have chosen. u may be nil.
func LanguageOf(u *store.User) wording.Lang {
	if u != nil && u.Preferences != "" {
		if lang := wording.Lang(PreferencesOf(u).Locale); slices.Contains(wording.Langs(), lang) {
			return lang
		}
	}
	return wording.English
}

// Zone is the time zone of the actor, or another if they have chosen none.
func (a *Actor) Zone(otherwise *time.Location) *time.Location {
	if a.User.Preferences == "" {
		return otherwise
	}
	if name := PreferencesOf(&a.User).TimeZone; name != "" {
		if zone, err := time.LoadLocation(name); err == nil {
			return zone
		}
	}
	return otherwise
}

// PreferencesChange is a change of preferences. A member that is not sent keeps its value.
type PreferencesChange struct {
	Locale, TimeZone Opt[string] // null leaves it to the device
	Theme, Density   Opt[string]
	SendKey, Notify  Opt[string]
	Sound            Opt[bool]
}

func (c PreferencesChange) apply(p *Preferences) error {
	if c.Locale.Sent {
		p.Locale = c.Locale.Value
	}
	if c.TimeZone.Sent {
		p.TimeZone = c.TimeZone.Value
	}
	if err := errors.Join(c.Theme.set("theme", &p.Theme), c.Density.set("density", &p.Density), c.SendKey.set("send_key", &p.SendKey),
		c.Notify.set("notify", &p.Notify), c.Sound.set("sound", &p.Sound)); err != nil {
		return firstOf(err)
	}
	errs := []error{oneOf("theme", p.Theme, Themes...), oneOf("density", p.Density, Densities...), oneOf("send_key", p.SendKey, SendKeys...),
		oneOf("notify", p.Notify, Notifies...)}
	if c.Locale.Sent && !c.Locale.Null {
		errs = append(errs, oneOf("locale", p.Locale, Locales...))
	}
	if c.TimeZone.Sent && !c.TimeZone.Null {
		errs = append(errs, timeZone("time_zone", p.TimeZone))
	}
	return firstOf(errors.Join(errs...))
}

// timeZone checks the name of a zone. "Local" and "" would mean the server's own.
func timeZone(field, name string) error {
	if len(name) <= 64 && name != "" && name != "Local" {
		if _, err := time.LoadLocation(name); err == nil {
			return nil
		}
	}
	return invalid(field, "must be the name of a time zone, such as Asia/Taipei")
}

// Preferences returns how the actor likes the program.
func (a *App) Preferences(_ context.Context, actor *Actor) (Preferences, error) {
	if err := Check(actor, ActReadPreferences, Resource{}); err != nil {
		return Preferences{}, err
	}
	return PreferencesOf(&actor.User), nil
}

// SetPreferences changes how the actor likes the program. When two devices change it at
// once, both changes stand.
func (a *App) SetPreferences(ctx context.Context, actor *Actor, c PreferencesChange) (p Preferences, err error) {
	if err := Check(actor, ActSetPreferences, Resource{}); err != nil {
		return Preferences{}, err
	}
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		u, err := tx.LockPerson(ctx, actor.User.ID)
		if err != nil {
			return err
		}
		p = PreferencesOf(u)
		if err := c.apply(&p); err != nil {
			return err
		}
		tx.AfterCommit(func() { a.audience.marksChanged(u.ID, "") })
		return tx.SetPreferences(ctx, u.ID, store.ToJSON(p))
	})
	return p, fromStore(err, "User")
}
