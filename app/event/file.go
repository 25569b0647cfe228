package event

import (
	"encoding/json"

	"github.com/coagent-studio/coagent/store"
)

// PathFiles is where the content of files is served from, by their ids.
const PathFiles = "/api/v1/files/"

// File is a file that a message shows. Messages and events are stored without its
// addresses, which follow from its id.
type File struct {
	ID        string `json:"id" format:"uuid"`
	Name      string `json:"name" doc:"Safe to show"`
	Type      string `json:"type" doc:"Media type of the content" example:"image/png"`
	Size      int64  `json:"size" minimum:"1"`
	Width     int    `json:"width,omitempty" doc:"Of a picture, which has image and thumbnail too"`
	Height    int    `json:"height,omitempty"`
	URL       string `json:"url,omitempty" doc:"The original, as a download"`
	Image     string `json:"image,omitempty" doc:"Of the size of a screen, without what a camera writes beside the pixels"`
	Thumbnail string `json:"thumbnail,omitempty"`
}

// FileOf is a file as messages keep it.
func FileOf(f *store.File) File {
	return File{ID: f.ID, Name: f.Name, Type: f.Type, Size: f.Size, Width: f.Width, Height: f.Height}
}

// At is the file with its addresses.
func (f File) At() File {
	f.URL = PathFiles + f.ID
	if f.Width > 0 {
		f.Image, f.Thumbnail = f.URL+"/image", f.URL+"/thumbnail"
	}
	return f
}

// FilesOf are the files of a message with their addresses, in the order of the post.
func FilesOf(m *store.Message) []File { return withAddresses(keptFiles(m)) }

func withAddresses(files []File) []File {
	for i := range files {
		files[i] = files[i].At()
	}
	return files
}

// keptFiles are the files of a message as its events keep them.
func keptFiles(m *store.Message) (all []File) {
	if m.Files != "" {
		_ = json.Unmarshal([]byte(m.Files), &all)
	}
	return all
}

// namesOf is what the plain protocol shows of files without a text.
func namesOf(files []File) string {
	text := ""
	for _, f := range files {
		text += "[" + f.Name + "]"
	}
	return text
}
