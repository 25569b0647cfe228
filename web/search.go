package web

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// markOut is a part of an excerpt that was looked for.
type markOut struct {
	From int `json:"from" minimum:"0"`
	To   int `json:"to" minimum:"0"`
}

// foundOut is a message that was found.
type foundOut struct {
	SaidThereOut
	Marks []markOut `json:"marks" nullable:"false" doc:"What was found in excerpt: offsets in UTF-16 units, as JavaScript counts"`
}

// indexOut says how much of the earlier messages can be found yet.
type indexOut struct {
	Complete bool  `json:"complete" doc:"false after an update, while older messages are indexed"`
	Done     int64 `json:"done" minimum:"0"`
	Total    int64 `json:"total" minimum:"0"`
}

// searchOut is a part of the messages that a search has found.
type searchOut struct {
	Results []foundOut `json:"results" nullable:"false"`
	Next    *string    `json:"next" doc:"For cursor; null behind the last page"`
	Index   indexOut   `json:"index"`
}

type searchIn struct {
	Q        string `query:"q" required:"true" example:"\"second law\" from:me"`
	RoomID   id     `query:"room_id" doc:"Only in this room"`
	CourseID id     `query:"course_id" doc:"Only of this course"`
	Sort     string `query:"sort" enum:"newest,best" default:"newest" doc:"best ranks the newest 300"`
	TZ       string `query:"tz" maxLength:"64" doc:"Time zone of the dates, such as Asia/Taipei; else that of your preferences, else the server's"`
	Cursor   string `query:"cursor" maxLength:"100"`
	Limit    int    `query:"limit" minimum:"1" maximum:"50" default:"20"`
}

func (s *Server) search(ctx context.Context, actor *app.Actor, in *searchIn) (*oneOut[searchOut], error) {
	q := app.MessageQuery{Text: in.Q, RoomID: in.RoomID.String(), CourseID: in.CourseID.String(), Best: in.Sort == "best", Zone: actor.Zone(s.cfg.Location()), Limit: in.Limit}
	var err error
	if in.TZ != "" {
		if q.Zone, err = time.LoadLocation(in.TZ); err != nil {
			return nil, &app.Error{Kind: app.KindInvalid, Code: wording.Invalid, Message: "tz: is no time zone, such as Europe/Berlin or Asia/Taipei",
				Fields: []app.FieldError{{Field: "query.tz", Message: "is no time zone, such as Europe/Berlin or Asia/Taipei"}}}
		}
	}
	if in.Cursor != "" {
		var ok bool
		if q.Below, ok = cursorOf(in.Cursor); !ok {
			return nil, &app.Error{Kind: app.KindInvalid, Code: wording.Invalid, Message: "cursor: is none of this list; send next of an earlier answer, or leave it out",
				Fields: []app.FieldError{{Field: "query.cursor", Message: "is none of this list; send next of an earlier answer, or leave it out"}}}
		}
	}
	if err := s.reserve(ctx, requestOf(ctx), pageRoom(1<<20, 1<<20)); err != nil {
		return nil, err
	}
	found, err := s.app.SearchMessages(ctx, actor, q)
	if err != nil {
		return nil, err
	}
	out := searchOut{Results: make([]foundOut, len(found.Messages)), Index: indexOut{Complete: true}}
	for i := range found.Messages {
		f := &found.Messages[i]
		out.Results[i] = foundOut{SaidThereOut: saidThereForm(&f.SaidThere), Marks: make([]markOut, len(f.Marks))}
		for k, m := range f.Marks {
			out.Results[i].Marks[k] = markOut{m.From, m.To}
		}
	}
	if found.Next != nil {
		next := cursorText(*found.Next)
		out.Next = &next
	}
	if b := found.Backfill; b != nil {
		out.Index = indexOut{Done: b.Done, Total: b.Total}
	}
	return &oneOut[searchOut]{Body: out}, nil
}

func cursorText(c app.SearchCursor) string {
	return fmt.Sprintf("%d.%s.%d", c.Place.Pos, c.Place.ID, c.Skip)
}

func cursorOf(text string) (c app.SearchCursor, ok bool) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return c, false
	}
	pos, err := strconv.ParseInt(parts[0], 10, 64)
	if err != nil || pos < 0 {
		return c, false
	}
	id, err := uuid.Parse(parts[1])
	if err != nil {
		return c, false
	}
	skip, err := strconv.Atoi(parts[2])
	return app.SearchCursor{Place: store.SearchPlace{Pos: pos, ID: id.String()}, Skip: skip}, err == nil && skip >= 0
}
