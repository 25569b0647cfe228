package web

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/event"
)

// exportTimeout bounds an export. A reader who takes longer does not really read.
const exportTimeout = 10 * time.Minute

type exportIn struct {
	RoomID id     `path:"room_id"`
	Format string `query:"format" enum:"markdown,json" default:"markdown"`
}

type exportOut struct {
	ContentType        string `header:"Content-Type"`
	ContentDisposition string `header:"Content-Disposition"`
	Body               func(huma.Context)
}

func (s *Server) exportRoom(ctx context.Context, actor *app.Actor, in *exportIn) (*exportOut, error) {
	export, err := s.app.ExportRoom(ctx, actor, in.RoomID.String())
	if err != nil {
		return nil, err
	}
	out := &exportOut{ContentType: "text/markdown; charset=utf-8", ContentDisposition: attachment(export.Room.Name, "md")}
	write := writeMarkdown
	if in.Format == "json" {
		out.ContentType, out.ContentDisposition, write = "application/json", attachment(export.Room.Name, "json"), writeJSON
	}
	request := requestOf(ctx)
	out.Body = func(hc huma.Context) {
		ticket := request.ticket // from here on the writer gives it back
		request.ticket = nil
		c := humafiber.Unwrap(hc)
		conn := c.Context().Conn()
		// Do not use huma's writer: it keeps the whole answer in memory.
		c.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
			ctx, cancel := context.WithTimeout(request.within(context.Background()), exportTimeout)
			defer cancel()
			defer ticket.done()
			defer s.caught(ctx)
			deadline := time.Time{}
			err := write(ctx, w, export, func() {
				// The server's own deadline is for answers that end soon.
				if now := time.Now(); now.After(deadline) {
					deadline = now.Add(streamWrite / 2)
					_ = conn.SetWriteDeadline(now.Add(streamWrite))
				}
			})
			if err != nil {
				s.log.WarnContext(ctx, "an export broke off", "room", export.Room.ID, "err", err)
			}
		})
	}
	return out, nil
}

// writeMarkdown writes the export as Markdown. When something is missing, its last line
// says so.
func writeMarkdown(ctx context.Context, w *bufio.Writer, e *app.RoomExport, each func()) error {
	if _, err := w.WriteString(e.MarkdownTitle()); err != nil {
		return err
	}
	for m, err := range e.Messages(ctx) {
		if err != nil {
			_, _ = w.WriteString("\n## The export broke off here\n")
			return err
		}
		each()
		if _, err := w.WriteString(e.MarkdownMessage(m)); err != nil {
			return err
		}
	}
	return nil
}

// writeJSON writes the export as JSON. When something is missing, it leaves the object
// open, so that nobody takes it for the whole.
func writeJSON(ctx context.Context, w *bufio.Writer, e *app.RoomExport, each func()) error {
	head, err := json.Marshal(roomForm(e.Room))
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, `{"room":%s,"exported_at":%q,"lines":[`, head, event.Timestamp(e.At)); err != nil {
		return err
	}
	comma := ""
	for m, err := range e.Messages(ctx) {
		if err != nil {
			return err
		}
		each()
		form := messageForm(m)
		form.Sender = event.SenderName(m)
		line, err := json.Marshal(form)
		if err != nil {
			return err
		}
		if _, err := w.WriteString(comma + "\n" + string(line)); err != nil {
			return err
		}
		comma = ","
	}
	_, err = w.WriteString("\n]}\n")
	return err
}

// attachment returns a Content-Disposition (RFC 6266) that names the file after the room:
// in ASCII for every client, and in full in the encoding of RFC 5987.
func attachment(name, extension string) string {
	ascii := asciiName(name)
	if ascii == "" {
		ascii = "room"
	}
	full := strings.ReplaceAll(url.QueryEscape(strings.NewReplacer("/", "-", `\`, "-").Replace(name)), "+", "%20")
	return fmt.Sprintf(`attachment; filename="%s.%s"; filename*=UTF-8''%s.%s`, ascii, extension, full, extension)
}

// asciiName is what is left of a name in letters that every client knows.
func asciiName(name string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		case r == ' ', r == '.':
			return '-'
		}
		return -1
	}, name), "-")
}
