package web

import (
	"context"
	"encoding/json"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/store"
)

type tablesOut struct{ Body []string }

func (s *Server) tables(_ context.Context, actor *app.Actor, _ *empty) (*tablesOut, error) {
	names, err := s.app.Tables(actor)
	return &tablesOut{names}, err
}

type tableIn struct {
	Name    string    `path:"table_name" example:"room"`
	Limit   int       `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Offset  int       `query:"offset" minimum:"0" maximum:"1000000" default:"0"`
	Resolve bool      `query:"resolve_relations" doc:"Adds names to ids, such as sender_name"`
	Search  string    `query:"search" doc:"Part of an id, a name or a text"`
	From    time.Time `query:"start_date"`
	Until   time.Time `query:"end_date"`
}

// tableRow is a row of a table. The table decides which members it has.
type tableRow json.RawMessage

// MarshalJSON returns the row.
func (r tableRow) MarshalJSON() ([]byte, error) { return r, nil }

// Schema allows any object.
func (tableRow) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Description: "The columns of the table that hold no secret"}
}

func (s *Server) rows(ctx context.Context, actor *app.Actor, in *tableIn) (*listOut[tableRow], error) {
	rows, err := s.app.Table(ctx, actor, in.Name, store.Window{Page: store.Page{Skip: in.Offset, Limit: in.Limit},
		Resolve: in.Resolve, Search: in.Search, From: in.From, Until: in.Until})
	if err != nil {
		return nil, err
	}
	return whole(ctx, s, rows, func(r *json.RawMessage) tableRow { return tableRow(*r) })
}
