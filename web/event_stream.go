package web

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/wording"
)

const (
	pathEvents = v1 + "/rooms/{room_id}/events"
	// streamBeat is how often a silent stream sends a sign of life. A lost right ends the
	// stream within this time too.
	streamBeat = 4 * time.Second
)

// streamed adds the stream to the documented answers of a route of events.
func (s *Server) streamed(path string) {
	s.api.OpenAPI().Paths[path].Get.Responses[strconv.Itoa(http.StatusOK)].Content["text/event-stream"] = &huma.MediaType{
		Schema: &huma.Schema{Type: huma.TypeString, Description: "Server-sent events: id is the seq, event the type, data the frame of coagent.v2. " +
			"Last-Event-ID or after resumes; resync: after is older than what is kept. At its beginning a turn without an id tells of each turn " +
			"that runs, with its text so far. Without an id come also system, when an agent that you called cannot answer, and in a thread delta, " +
			"the next piece of the text. A comment every few seconds shows that the stream lives."},
		Example: "id: 7\nevent: message\ndata: {\"type\":\"message\",\"seq\":7,\"content\":\"Good morning!\"}\n\n"}
}

// eventsIn asks for the events of what the id in the address names.
type eventsIn struct {
	ID    id
	After int64 `query:"after" minimum:"0" doc:"The last seq that you have"`
	Limit int   `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

type eventsOut struct {
	Body struct {
		Events []json.RawMessage `json:"events" doc:"Durable, oldest first"`
		Next   int64             `json:"next" doc:"Go on with after=next"`
		More   bool              `json:"more"`
		Resync bool              `json:"resync" doc:"after is too old: load the history, then go on from next"`
	}
}

func (s *Server) events(ctx context.Context, actor *app.Actor, in *eventsIn) (*eventsOut, error) {
	return s.eventList(ctx, func(room func(int64) error) (*app.EventPage, error) {
		return s.app.Events(ctx, actor, in.ID.String(), in.After, in.Limit, room)
	})
}

func (s *Server) eventList(ctx context.Context, read func(room func(int64) error) (*app.EventPage, error)) (*eventsOut, error) {
	// Reserve three times the bytes: an event is in memory as it was read, as a frame,
	// and in the answer.
	page, err := read(func(n int64) error { return s.reserve(ctx, requestOf(ctx), 3*n) })
	if err != nil {
		return nil, err
	}
	out := &eventsOut{}
	out.Body.Next, out.Body.More, out.Body.Resync = page.Next, page.More, page.Resync
	out.Body.Events = make([]json.RawMessage, len(page.Events))
	for i, e := range page.Events {
		out.Body.Events[i] = e.Frame
	}
	return out, nil
}

// streamEvents answers with a stream of server-sent events when the client accepts one.
// Otherwise it passes the request on to the route with the same address.
func (s *Server) streamEvents(c *fiber.Ctx) error {
	return s.streamOf(c, "room_id", &eventStream{server: s, read: s.app.Events, running: s.app.RunningTurns})
}

// streamOf runs a stream of the room or the thread that a parameter of the path names.
func (s *Server) streamOf(c *fiber.Ctx, param string, stream *eventStream) error {
	if !strings.Contains(c.Get(fiber.HeaderAccept), "text/event-stream") {
		return c.Next()
	}
	ctx := c.UserContext()
	actor, err := s.app.Authenticate(ctx, accessToken(c))
	if err != nil {
		return err
	}
	requestOf(ctx).userID, requestOf(ctx).person = actor.User.ID, &actor.User
	room, err := uuid.Parse(c.Params(param))
	if err != nil {
		return &app.Error{Kind: app.KindInvalid, Code: wording.Invalid, Message: param + ": must be a UUID", Text: wording.Of("%s: must be a UUID", param),
			Fields: []app.FieldError{{Field: "path." + param, Message: "must be a UUID"}}}
	}
	cursor := c.Get("Last-Event-ID")
	if cursor == "" {
		cursor = c.Query("after", "0")
	}
	after, err := strconv.ParseInt(cursor, 10, 64)
	if err != nil || after < 0 {
		return &app.Error{Kind: app.KindInvalid, Code: wording.Invalid, Message: "after: must be a whole number, 0 or more",
			Fields: []app.FieldError{{Field: "query.after", Message: "must be a whole number, 0 or more"}}}
	}
	stream.actor, stream.room, stream.after, stream.request = actor, room.String(), after, requestOf(ctx)
	if err := stream.load(ctx); err != nil {
		stream.written()
		return err
	}
	if stream.running != nil {
		if stream.turns, err = stream.running(ctx, actor, stream.room); err != nil {
			stream.written()
			return err
		}
	}
	if len(stream.turns) > 0 {
		if stream.ticket == nil {
			stream.ticket = s.answers.owed(actor.User.ID)
		}
		for _, frame := range stream.turns {
			stream.ticket.resize(stream.ticket.bytes + int64(len(frame)))
		}
	}
	if stream.watch, err = s.app.OpenEventStream(actor, stream.room); err != nil {
		stream.written()
		return err
	}
	c.Set(fiber.HeaderContentType, "text/event-stream")
	c.Set("X-Accel-Buffering", "no")
	conn := c.Context().Conn()
	// The writer starts at once, even when the answer fails later.
	c.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
		defer s.caught(ctx)
		stream.out = eventWriter{w, conn}
		stream.run()
	})
	// Do not use SendStatus: it would read the stream to its end.
	c.Status(http.StatusOK)
	return nil
}

// eventStream streams the events of a room or a thread to one client over HTTP.
type eventStream struct {
	server *Server
	// read reads a part of the log.
	read func(ctx context.Context, actor *app.Actor, id string, after int64, limit int, room func(int64) error) (*app.EventPage, error)
	// running reads the frames of the turns that run at the beginning; nil with deltas.
	running func(ctx context.Context, actor *app.Actor, id string) ([][]byte, error)
	deltas  bool // the client gets the text of answers under way
	actor   *app.Actor
	room    string
	after   int64
	request *request
	out     eventWriter
	page    *app.EventPage
	turns   [][]byte // the frames of the turns that run now
	ticket  *ticket  // the reserved bytes of the page, until it is written
	watch   *app.EventStream
}

// load reads the next part of the log. It checks the caller's right every time.
func (e *eventStream) load(ctx context.Context) (err error) {
	e.page, err = e.read(ctx, e.actor, e.room, e.after, 0, func(n int64) (err error) {
		// Reserve twice the bytes: an event is in memory as it was read and as a frame.
		e.ticket, err = e.server.answers.take(ctx, e.actor.User.ID, 2*n)
		return err
	})
	return err
}

// greet sends the answers that agents are writing now, as joining a socket does. They are
// not in the log, so their events have no id.
func (e *eventStream) greet() {
	for _, frame := range e.turns {
		e.out.event("", "turn", frame)
	}
	e.turns = nil
}

// run writes until the client leaves or loses its right, or until the server ends.
func (e *eventStream) run() {
	defer e.watch.Stop()
	defer e.written()
	beat := time.NewTicker(streamBeat)
	defer beat.Stop()
	// Send a first comment: the headers leave with the first bytes. In a silent room a
	// client would otherwise wait until the first beat and believe the stream closed.
	if e.out.comment() != nil {
		return
	}
	e.greet()
	for {
		if e.write() != nil {
			return
		}
		if !e.page.More && !e.wait(beat.C) || !e.again() {
			return
		}
	}
}

// wait returns when there may be more in the log, or it is time to check the caller's
// right again. Until then it sends what agents say. It returns false at the end.
func (e *eventStream) wait(beat <-chan time.Time) bool {
	var spoken <-chan struct{}
	if e.deltas {
		spoken = e.watch.Spoken
	}
	for {
		select {
		case <-e.watch.End:
			return false
		case <-e.watch.Changed:
			return true
		case <-beat:
			return e.out.comment() == nil
		case <-spoken:
			if e.say() != nil {
				return false
			}
		}
	}
}

// say sends the text of answers under way. It is not in the log, so these events have no
// id.
func (e *eventStream) say() error {
	for _, f := range e.watch.Deltas() {
		e.out.event("", f.Type, f.Data)
	}
	return e.out.flush()
}

func (e *eventStream) again() bool {
	ctx, cancel := context.WithTimeout(e.request.within(context.Background()), requestTimeout)
	defer cancel()
	actor, err := e.server.app.Recheck(ctx, e.actor)
	if err == nil {
		e.actor = actor
		err = e.load(ctx)
	}
	return err == nil
}

// write sends the loaded page.
func (e *eventStream) write() error {
	defer e.written()
	if e.page.Resync {
		next := strconv.FormatInt(e.page.Next, 10)
		e.out.event(next, "resync", []byte(`{"type":"resync","after":`+next+`}`))
	}
	for _, ev := range e.page.Events {
		e.out.event(strconv.FormatInt(ev.Seq, 10), ev.Type, ev.Frame)
	}
	for _, frame := range e.watch.Notices(e.page) {
		e.out.event("", "system", frame)
	}
	e.after = e.page.Next
	if e.deltas && !e.page.More {
		return e.say()
	}
	return e.out.flush()
}

// written releases the page and its reserved bytes.
func (e *eventStream) written() {
	if e.ticket != nil {
		e.ticket.done()
		e.ticket = nil
	}
	if e.page != nil {
		e.page.Events = nil
	}
}
