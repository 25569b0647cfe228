package turn

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/model"
	"github.com/coagent-studio/coagent/store"
)

// What agents get of the files that messages show: their names, of files that are text the
// beginning of it, and pictures if their model sees. Names and texts are what somebody else has written, so they stand where the
// text of the message stands, in its fence.

const (
	// fileTextBytes is how much of one file a prompt has at most, and fileTexts of how many
	// files, the newest of those that are shown.
	fileTextBytes = 16 << 10
	fileTexts     = 6
)

// FileText reads the beginning of a file that is text: most bytes of it at most. It is ""
// for a file that is none, or that is not shown any more.
type FileText func(ctx context.Context, fileID string, most int) (string, error)

// Pictures reads the images of those of the files that messages of a room show now, by the
// ids of the files: most bytes at most, where files that come first have precedence.
type Pictures func(ctx context.Context, roomID string, fileIDs []string, most int64) (map[string]llm.Picture, error)

// withFiles is the text of a message and of the files that it shows. texts are what is known
// of the files' content, by their ids.
func withFiles(m *store.Message, texts map[string]string) string {
	if m.Files == "" {
		return m.Content
	}
	var b strings.Builder
	b.WriteString(m.Content)
	for _, f := range event.FilesOf(m) {
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "[file %s, %s]", f.Name, f.Type)
		if text := texts[f.ID]; text != "" {
			b.WriteString("\n" + text + "\n[end of file]")
		}
	}
	return b.String()
}

// fileTextsOf reads the files that are text, of the newest messages first.
func (e *Engine) fileTextsOf(ctx context.Context, messages []store.Message) (map[string]string, error) {
	texts := map[string]string{}
	for i := range slices.Backward(messages) {
		for _, f := range event.FilesOf(&messages[i]) {
			if len(texts) == fileTexts {
				return texts, nil
			}
			if !mayBeText(f.Type) {
				continue
			}
			text, err := e.fileText(ctx, f.ID, fileTextBytes)
			if err != nil {
				return nil, err
			}
			texts[f.ID] = text
		}
	}
	return texts, nil
}

// showPictures shows an agent the pictures of its room.
func (r *attempt) showPictures(ctx context.Context, ag *store.Agent, messages []store.Message, said []llm.Message) error {
	e := r.engine
	return Gallery{&e.cfg.Turns, e.model, e.pictures}.Show(ctx, ag, r.turn.RoomID, messages, said)
}

// Gallery shows pictures to models.
type Gallery struct {
	Turns *config.Turns
	Model *model.Caller
	Read  Pictures
}

// Show gives the newest pictures of a room's messages to said, which shows these messages to
// an agent, if its model sees. The others know them by their names.
func (g Gallery) Show(ctx context.Context, ag *store.Agent, roomID string, messages []store.Message, said []llm.Message) error {
	most := g.Turns.Pictures
	if most == 0 || !g.Model.SeesPictures(ag) {
		return nil
	}
	var ids []string
	for i := range slices.Backward(messages) {
		for _, f := range slices.Backward(event.FilesOf(&messages[i])) {
			if f.Image != "" && len(ids) < most {
				ids = append(ids, f.ID)
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	found, err := g.Read(ctx, roomID, ids, int64(g.Turns.PictureBytes))
	if err != nil {
		return err
	}
	for i := range messages {
		for _, f := range event.FilesOf(&messages[i]) {
			if p, ok := found[f.ID]; ok {
				said[i].Pictures = append(said[i].Pictures, p)
			}
		}
	}
	return nil
}

// textsIn are the ids of those files of messages of which something is read.
func textsIn(messages []store.Message, texts map[string]string) (ids []string) {
	if len(texts) == 0 {
		return nil
	}
	for i := range messages {
		for _, f := range event.FilesOf(&messages[i]) {
			if texts[f.ID] != "" {
				ids = append(ids, f.ID)
			}
		}
	}
	return ids
}

// mayBeText tells whether content of a type may be text.
func mayBeText(mediaType string) bool {
	return strings.HasPrefix(mediaType, "text/") || strings.HasSuffix(mediaType, "+xml") || strings.HasSuffix(mediaType, "json") ||
		mediaType == "application/javascript"
}
