package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/coagent-studio/coagent/app/secret"
)

// SignOn is a provider of identities (OpenID Connect) with which people sign in.
type SignOn struct {
	ID           string      `yaml:"id"`   // in addresses; never changed
	Name         string      `yaml:"name"` // on the sign-in page
	Issuer       string      `yaml:"issuer"`
	ClientID     string      `yaml:"client_id"`
	ClientSecret secret.Text `yaml:"client_secret,omitempty"`
	Scopes       []string    `yaml:"scopes,omitempty"` // besides openid
	// TrustedEmail says that an address which the provider calls verified is the person's:
	// whoever has it gets the account with it.
	TrustedEmail   bool     `yaml:"trusted_email,omitempty"`
	AllowedDomains []string `yaml:"allowed_domains,omitempty"` // of verified addresses; all when empty
	// MakeAccounts makes an account for whoever has none. It has DefaultRole, or the highest
	// role of Groups.
	MakeAccounts bool              `yaml:"make_accounts,omitempty"`
	DefaultRole  string            `yaml:"default_role,omitempty"`
	Groups       map[string]string `yaml:"groups,omitempty"` // a group's name, and the role that it gives
	Claims       SignOnClaims      `yaml:"claims,omitempty"`
	// SecondFactor says when the second factor of this program is asked for after a sign-in
	// there: never (trusted), always (ask), or unless the provider says that it has asked
	// for one (claimed).
	SecondFactor string `yaml:"second_factor,omitempty"`
	// EndSession lets who signs out here sign out at the provider too.
	EndSession bool `yaml:"end_session,omitempty"`
}

// SignOnClaims are the names under which a provider says what.
type SignOnClaims struct {
	Name          string `yaml:"name,omitempty"`
	Email         string `yaml:"email,omitempty"`
	EmailVerified string `yaml:"email_verified,omitempty"`
	Username      string `yaml:"username,omitempty"`
	Language      string `yaml:"language,omitempty"`
	Groups        string `yaml:"groups,omitempty"`
}

// The values of SignOn.SecondFactor.
const (
	SecondFactorTrusted = "trusted"
	SecondFactorAsk     = "ask"
	SecondFactorClaimed = "claimed"
)

var (
	signOnID    = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)
	signOnRoles = []string{"guest", "student", "ta", "teacher", "admin", "super_admin"}
)

// signOnIn reads a list of providers: from YAML, or a text with a list in JSON.
func signOnIn(raw any) ([]SignOn, error) {
	text, isText := raw.(string)
	if !isText {
		again, err := yaml.Marshal(raw)
		if err != nil {
			return nil, errors.New("must be a list of {id, name, issuer, client_id, ...}")
		}
		text = string(again)
	}
	list := []SignOn{}
	d := yaml.NewDecoder(bytes.NewReader([]byte(text)))
	d.KnownFields(true)
	if err := d.Decode(&list); err != nil && !errors.Is(err, io.EOF) {
		if unknown := unknownMember.FindStringSubmatch(err.Error()); unknown != nil {
			return nil, fmt.Errorf("%s is no member of a provider", unknown[1])
		}
		return nil, errors.New("must be a list of {id, name, issuer, client_id, client_secret, ...}; in the environment as JSON")
	}
	seen := map[string]bool{}
	for i := range list {
		s := &list[i]
		s.fill()
		if err := s.check(); err != nil {
			return nil, fmt.Errorf("item %d: %w", i+1, err)
		}
		if seen[s.ID] {
			return nil, fmt.Errorf("item %d: the id %s is there twice", i+1, s.ID)
		}
		seen[s.ID] = true
	}
	return list, nil
}

// unknownMember finds the name in an error of the YAML library, which may repeat values
// elsewhere.
var unknownMember = regexp.MustCompile(`field (\w+) not found in type`)

// fill sets what was left out.
func (s *SignOn) fill() {
	set := func(member *string, value string) {
		if *member == "" {
			*member = value
		}
	}
	set(&s.Name, s.ID)
	set(&s.DefaultRole, "student")
	set(&s.SecondFactor, SecondFactorTrusted)
	set(&s.Claims.Name, "name")
	set(&s.Claims.Email, "email")
	set(&s.Claims.EmailVerified, "email_verified")
	set(&s.Claims.Username, "preferred_username")
	set(&s.Claims.Language, "locale")
	set(&s.Claims.Groups, "groups")
	if s.Scopes == nil {
		s.Scopes = []string{"profile", "email"}
	}
	for i, domain := range s.AllowedDomains {
		s.AllowedDomains[i] = strings.ToLower(strings.TrimPrefix(domain, "@"))
	}
}

func (s *SignOn) check() error {
	at, err := url.Parse(s.Issuer)
	switch {
	case !signOnID.MatchString(s.ID):
		return errors.New("id must be 1 to 40 small letters, digits and hyphens, such as school")
	case len(s.Name) > 100:
		return errors.New("name must have at most 100 letters")
	case err != nil || at.Scheme != "https" && at.Scheme != "http" || at.Host == "" || at.User != nil || at.RawQuery != "" || at.Fragment != "":
		return errors.New("issuer must be the provider's address as it names itself, such as https://accounts.google.com")
	case s.ClientID == "":
		return errors.New("client_id is missing: the provider gives it")
	case !slices.Contains([]string{SecondFactorTrusted, SecondFactorAsk, SecondFactorClaimed}, s.SecondFactor):
		return errors.New("second_factor must be one of trusted, ask, claimed")
	case !slices.Contains(signOnRoles, s.DefaultRole) || s.DefaultRole == "super_admin" || s.DefaultRole == "admin":
		return errors.New("default_role must be one of guest, student, ta, teacher")
	}
	for group, role := range s.Groups {
		if !slices.Contains(signOnRoles, role) {
			return fmt.Errorf("groups: the role of %s must be one of %s", group, strings.Join(signOnRoles, ", "))
		}
	}
	return nil
}
