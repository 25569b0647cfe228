package app

import (
	"context"
	"iter"
	"strings"
	"time"
	"unicode"

	"github.com/coagent-studio/coagent/store"
)

// RoomExport is all that was said in a room, for one reader.
type RoomExport struct {
	Room  *store.Room
	At    time.Time
	app   *App
	staff bool
}

// exportBatch is how many lines of an export are in memory at a time.
const exportBatch = 32

// ExportRoom begins the export of a room for who may read its history; hidden
// lines are there for staff alone.
func (a *App) ExportRoom(ctx context.Context, actor *Actor, roomID string) (*RoomExport, error) {
	room, res, err := a.roomAccess(ctx, actor, roomID, ActExportRoom)
	if err != nil {
		return nil, err
	}
	return &RoomExport{Room: room, At: a.instant(), app: a, staff: Check(actor, ActReadHidden, res) == nil}, nil
}

// Messages gives the lines up to the moment of ExportRoom, oldest first, as the
// reader may read them.
func (e *RoomExport) Messages(ctx context.Context) iter.Seq2[*store.Message, error] {
	return func(yield func(*store.Message, error) bool) {
		for after := int64(0); ; {
			lines, err := e.app.db.MessagesAfter(ctx, e.Room.ID, after, exportBatch)
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range asRead(lines, e.staff) {
				if lines[i].Seq > e.Room.EventSeq || !yield(&lines[i], nil) {
					return
				}
			}
			if len(lines) < exportBatch {
				return
			}
			after = lines[len(lines)-1].Seq
		}
	}
}

// MarkdownTitle opens an export as Markdown (CommonMark).
func (e *RoomExport) MarkdownTitle() string {
	return "# " + markdownName(e.Room.Name) + "\n\nExported on " + e.At.Format("2006-01-02 15:04") + " UTC.\n"
}

// MarkdownMessage is one line as Markdown: a heading with the speaker, and the
// text as a quotation without any markup, so that nothing that is said looks
// like the heading of another line.
func (e *RoomExport) MarkdownMessage(m *store.Message) string {
	var b strings.Builder
	b.WriteString("\n### " + markdownName(SenderName(m)) + ", " + m.CreatedAt.UTC().Format("2006-01-02 15:04:05"))
	if m.State() == store.MessageHidden {
		b.WriteString(" (hidden)")
	} else if !m.EditedAt.IsZero() && m.State() == store.MessageShown {
		b.WriteString(" (edited)")
	}
	b.WriteString("\n\n")
	for line := range strings.SplitSeq(oneLineBreak.Replace(m.Content), "\n") {
		b.WriteString("> " + markdownText.Replace(line) + "  \n")
	}
	return b.String()
}

var (
	oneLineBreak = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\v", "\n", "\f", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n")
	markdownText = strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "{", `\{`, "}", `\}`, "[", `\[`, "]", `\]`,
		"<", `\<`, ">", `\>`, "#", `\#`, "|", `\|`, "~", `\~`, "!", `\!`, "&", `\&`, "-", `\-`, "+", `\+`, "=", `\=`, "\t", "    ")
)

// markdownName is a name on one line, without markup and without the characters
// that nobody sees.
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
