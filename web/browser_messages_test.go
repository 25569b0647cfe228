package web_test

import (
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/coagent-studio/coagent/app"
)

// checkLines: who said a line edits it, takes it back and brings it back; staff
// hide it and show it again; everybody sees each at once and after a reload.
func checkLines(t *testing.T, s *site) {
	room := s.room(t, nil)
	teacher, student := s.person(t), s.person(t)
	teacher.enter(app.RoleTeacher, room)
	student.enter(app.RoleStudent, room)
	const (
		line = "li[data-kind=person] .text"
		tool = "li[data-kind=person] .tools button"
		foot = "li[data-kind=person] .foot button"
	)
	student.say("Frist")
	teacher.settled("Frist")

	student.click(tool + `[aria-label="Edit your line"]`)
	student.see(foot, "Save")
	student.await(`document.activeElement.matches("li textarea")`)
	student.fill("li textarea", "First")
	student.click(foot)
	for _, b := range []*tab{teacher, student} {
		b.see(line, "First (edited)")
	}

	student.click(tool + `[aria-label="Delete your line"]`)
	teacher.see(line, "This line was deleted.")
	student.see(line, "You deleted this line.")
	student.await(`document.activeElement.textContent === "Undo"`)
	student.click(foot)
	teacher.see(line, "First (edited)")

	student.gone(`.tools button[aria-label^="Hide"]`)
	teacher.click(tool + `[aria-label^="Hide the line of"]`)
	student.see(line, "(hidden by staff)")
	teacher.see("li[data-kind=person] .foot", "Only staff see this line.")
	student.run(chromedp.Reload())
	student.connected()
	student.see(line, "(hidden by staff)")
	teacher.click(foot)
	student.see(line, "First (edited)")
}
