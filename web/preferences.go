package web

import (
	"context"

	"github.com/coagent-studio/coagent/app"
)

// PreferencesOut is how a person likes the program, on all devices.
type PreferencesOut struct {
	Locale   *string `json:"locale" enum:"en,zh-TW" doc:"null: the device's"`
	TimeZone *string `json:"time_zone" doc:"IANA name; null: the device's" example:"Asia/Taipei"`
	Theme    string  `json:"theme" enum:"system,light,dark"`
	Density  string  `json:"density" enum:"comfortable,compact"`
	SendKey  string  `json:"send_key" enum:"enter,ctrl_enter"`
	Notify   string  `json:"notify" enum:"all,mentions,none" doc:"Where a room has no other"`
	Sound    bool    `json:"sound"`
}

func preferencesForm(p *app.Preferences) PreferencesOut {
	return PreferencesOut{Locale: nullable(p.Locale), TimeZone: nullable(p.TimeZone), Theme: p.Theme, Density: p.Density, SendKey: p.SendKey,
		Notify: p.Notify, Sound: p.Sound}
}

func (s *Server) preferences(ctx context.Context, actor *app.Actor, _ *empty) (*oneOut[PreferencesOut], error) {
	p, err := s.app.Preferences(ctx, actor)
	return formed(&p, err, preferencesForm)
}

type setPreferencesIn struct {
	Body struct {
		Locale   opt[string] `json:"locale,omitempty"`
		TimeZone opt[string] `json:"time_zone,omitempty" doc:"IANA name"`
		Theme    opt[string] `json:"theme,omitempty"`
		Density  opt[string] `json:"density,omitempty"`
		SendKey  opt[string] `json:"send_key,omitempty"`
		Notify   opt[string] `json:"notify,omitempty"`
		Sound    opt[bool]   `json:"sound,omitempty"`
	}
}

func (s *Server) setPreferences(ctx context.Context, actor *app.Actor, in *setPreferencesIn) (*oneOut[PreferencesOut], error) {
	b := in.Body
	p, err := s.app.SetPreferences(ctx, actor, app.PreferencesChange{Locale: b.Locale.Opt, TimeZone: b.TimeZone.Opt, Theme: b.Theme.Opt,
		Density: b.Density.Opt, SendKey: b.SendKey.Opt, Notify: b.Notify.Opt, Sound: b.Sound.Opt})
	return formed(&p, err, preferencesForm)
}
