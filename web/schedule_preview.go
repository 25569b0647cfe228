package web

import (
	"context"
	"encoding/json"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/coagent-studio/coagent/app"
)

type previewScheduleIn struct {
	Body struct {
		TriggerConfig  opt[json.RawMessage] `json:"trigger_config,omitempty"`
		ScheduleConfig opt[json.RawMessage] `json:"schedule_config,omitempty"`
		Timezone       string               `json:"timezone,omitempty" maxLength:"64" doc:"IANA name; without it the server's" example:"Asia/Taipei"`
		From           opt[time.Time]       `json:"from,omitempty" doc:"Without it now"`
	}
}

// schedulePreviewOut says what a trigger and a schedule mean.
type schedulePreviewOut struct {
	Timezone string           `json:"timezone" doc:"Of local: the one sent, else that of your preferences, else the server's. Hours are read in the one sent, else in the server's"`
	Words    []string         `json:"words" doc:"Sentences, in the language of Accept-Language"`
	OpenNow  bool             `json:"open_now"`
	Windows  []openTimeOut    `json:"windows" maxItems:"5" doc:"When it may speak"`
	Times    []localTimeOut   `json:"times" maxItems:"5" doc:"When it would speak if people answered at once"`
	Warnings []previewNoteOut `json:"warnings" doc:"What is probably not meant"`
}

type localTimeOut struct {
	At    time.Time `json:"at"`
	Local string    `json:"local" doc:"In the time zone" example:"2026-01-31T08:00:00+08:00"`
}

type openTimeOut struct {
	From  localTimeOut        `json:"from"`
	Until maybe[localTimeOut] `json:"until" doc:"null: no end"`
}

type previewNoteOut struct {
	Code    noteCode `json:"code"`
	Message string   `json:"message"`
}

// noteCode is the code of a remark on a schedule.
type noteCode string

// Schema lists the codes of remarks.
func (noteCode) Schema(huma.Registry) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString}
	for _, code := range app.PreviewNotes() {
		s.Enum = append(s.Enum, code)
	}
	return s
}

func (s *Server) previewSchedule(ctx context.Context, actor *app.Actor, in *previewScheduleIn) (*oneOut[schedulePreviewOut], error) {
	p, err := s.app.PreviewSchedule(actor, app.ToPreview{Trigger: in.Body.TriggerConfig.Value, Schedule: in.Body.ScheduleConfig.Value,
		Zone: in.Body.Timezone, From: in.Body.From.Value})
	if err != nil {
		return nil, err
	}
	lang := requestOf(ctx).language()
	local := func(t time.Time) localTimeOut { return localTimeOut{instant(t), t.In(p.Shown).Format(time.RFC3339)} }
	out := schedulePreviewOut{Timezone: p.ShownAs, OpenNow: p.Open, Words: []string{}, Windows: []openTimeOut{}, Times: []localTimeOut{},
		Warnings: []previewNoteOut{}}
	for _, w := range p.Words {
		out.Words = append(out.Words, w.In(lang))
	}
	for _, w := range p.Windows {
		window := openTimeOut{From: local(w.From)}
		if !w.Until.IsZero() {
			until := local(w.Until)
			window.Until.object = &until
		}
		out.Windows = append(out.Windows, window)
	}
	for _, t := range p.Times {
		out.Times = append(out.Times, local(t))
	}
	for _, n := range p.Warnings {
		out.Warnings = append(out.Warnings, previewNoteOut{noteCode(n.Code), n.Text.In(lang)})
	}
	return &oneOut[schedulePreviewOut]{Body: out}, nil
}
