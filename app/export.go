package app

import (
	"context"
	"iter"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/store"
)

// RoomExport is all messages of a room, for one reader.
type RoomExport struct {
	Room  *store.Room
	At    time.Time
	app   *App
	staff bool
}

// exportBatch is how many messages of an export are in memory at a time.
const exportBatch = 32

// ExportRoom begins the export of a room for an actor who may read its history. Only
// staff get the text of hidden messages.
func (a *App) ExportRoom(ctx context.Context, actor *Actor, roomID string) (*RoomExport, error) {
	room, res, err := a.roomAccess(ctx, actor, roomID, ActExportRoom)
	if err != nil {
		return nil, err
	}
	return &RoomExport{Room: room, At: a.instant(), app: a, staff: Check(actor, ActReadHidden, res) == nil}, nil
}

// Messages yields the messages up to the moment of ExportRoom, oldest first, as the
// reader may read them.
func (e *RoomExport) Messages(ctx context.Context) iter.Seq2[*store.Message, error] {
	return func(yield func(*store.Message, error) bool) {
		for after := int64(0); ; {
			messages, err := e.app.db.MessagesAfter(ctx, e.Room.ID, after, exportBatch)
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range event.AsRead(messages, e.staff) {
				if messages[i].Seq > e.Room.EventSeq || !yield(&messages[i], nil) {
					return
				}
			}
			if len(messages) < exportBatch {
				return
			}
			after = messages[len(messages)-1].Seq
		}
	}
}

// MarkdownTitle is the title of an export in Markdown (CommonMark).
func (e *RoomExport) MarkdownTitle() string {
	return "# " + markdownName(e.Room.Name) + "\n\nExported on " + e.At.Format("2006-01-02 15:04") + " UTC.\n"
}

// MarkdownMessage is one message in Markdown: a heading with the author, then the text
// as a quotation. The quotation has no markup of its own, so that no text can look like
// the heading of another message.
func (e *RoomExport) MarkdownMessage(m *store.Message) string {
	var b strings.Builder
	b.WriteString("\n### " + markdownName(event.SenderName(m)) + ", " + m.CreatedAt.UTC().Format("2006-01-02 15:04:05"))
	if m.State() == store.MessageHidden {
		b.WriteString(" (hidden)")
	} else if !m.EditedAt.IsZero() && m.State() == store.MessageShown {
		b.WriteString(" (edited)")
	}
	b.WriteString("\n\n")
	if m.Content != "" || m.Files == "" {
		for line := range strings.SplitSeq(oneLineBreak.Replace(m.Content), "\n") {
			b.WriteString("> " + markdownText.Replace(line) + "  \n")
		}
	}
	for _, f := range event.FilesOf(m) {
		b.WriteString("> File: " + markdownName(f.Name) + " (" + markdownText.Replace(f.Type) + ", " + strconv.FormatInt(f.Size, 10) + " bytes)  \n")
	}
	return b.String()
}

var (
	oneLineBreak = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\v", "\n", "\f", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n")
	markdownText = strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "{", `\{`, "}", `\}`, "[", `\[`, "]", `\]`,
		"<", `\<`, ">", `\>`, "#", `\#`, "|", `\|`, "~", `\~`, "!", `\!`, "&", `\&`, "-", `\-`, "+", `\+`, "=", `\=`, "\t", "    ")
)

// markdownName is a name on one line, without markup and invisible characters.
func markdownName(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.In(r, unicode.Cc, unicode.Cf):
			return -1
		}
		return r
	}, name)
	return markdownText.Replace(strings.Join(strings.Fields(name), " "))
}
