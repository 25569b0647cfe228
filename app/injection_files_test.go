package app_test

import (
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/store"
)

// file has the student show a file and call the agent.
func (h *hall) file(t *testing.T, name, content string) *store.File {
	t.Helper()
	f, err := uploadTo(t.Context(), h.r, h.Student, h.room, name, strings.NewReader(content))
	must(t, err)
	must(t, second(h.r.PostMessage(t.Context(), h.Student, h.room, "@teacher read this", "", app.PostWith{Files: []string{f.ID}})))
	return f
}

// injectFiles has a person upload the texts as the content of files.
func injectFiles(t *testing.T, r *apptest.Rig, z *zoo) {
	h := newHall(t, r, z, silentClass(t, r), "file")
	h.attackRoom(t, "Sue (student)", func(text string) string {
		f := h.file(t, "notes.txt", text)
		if !f.IsText { // a text with control characters is none, so its name is all that agents read
			if !strings.Contains(text, "\v") {
				t.Errorf("no agent reads %q, which is %s", text, f.Type)
			}
			return "@teacher read this\n[file notes.txt, " + f.Type + "]"
		}
		return "@teacher read this\n[file notes.txt, " + f.Type + "]\n" + text + "\n[end of file]"
	})
}

// injectFileNames has a person upload files with the texts as their names.
func injectFileNames(t *testing.T, r *apptest.Rig, z *zoo) {
	h := newHall(t, r, z, silentClass(t, r), "file-name")
	h.harmless(t, func() { post(t, r, h.Student, h.room, "@teacher hello") })
	for _, a := range injections(t) {
		text, _ := h.begin(&a)
		f := h.file(t, text+".txt", "nothing")
		h.settled(t)
		q := h.requests(t, 1)[0]
		all := h.checkRequest(t, q, h.system, false)
		last := all[len(all)-1]
		if last.from != "Sue (student)" || !strings.HasPrefix(last.text, "@teacher read this\n[file ") || !strings.HasSuffix(last.text, ", text/plain]\nnothing\n[end of file]") ||
			strings.Count(last.text, "\n") != 3 {
			t.Errorf("%s: %q came as %q of %q", a.ID, f.Name, last.text, last.from)
		}
		for _, b := range all {
			if strings.Contains(b.text, "[file ") && b.from != "Sue (student)" {
				t.Errorf("%s: a file stands with %q: %q", a.ID, b.from, b.text)
			}
		}
		h.waits(t, &a, 3)
	}
	h.decided(t)
	h.triggerStays(t)
}
