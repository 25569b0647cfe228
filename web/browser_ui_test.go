package web_test

import (
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store/storetest"
)

// A built client in web.ui_dir signs in, speaks over the plain socket and is
// found again at a deep address, all on one origin and under our policy: every
// tab fails on a breach or a request elsewhere (see checkComplaints).
func TestClientInBrowser(t *testing.T) {
	t.Parallel()
	s := newDemo(t, startBrowser(t), storetest.SQLite(t), func(c *config.Config) { c.Web.UIDir = filepath.Join("testdata", "client") })
	room := s.room(t, nil)
	b := s.person(t)
	b.open("/rooms/" + room)
	b.see("#who", "nobody")
	b.fill("[name=username]", app.RoleStudent)
	b.fill("[name=password]", s.passwords[app.RoleStudent])
	b.click("#enter")
	b.see("#who", app.RoleStudent)
	b.fill("#text", "Good morning!")
	b.click("#send")
	b.see("#lines", "Good morning!")
	b.run(chromedp.Reload())
	b.see("#lines", "Good morning!")
	b.await(`getComputedStyle(document.querySelector("h1")).color === "rgb(0, 128, 0)" && getComputedStyle(document.body).fontFamily === "sans-serif"`)
	b.see("h1", "Room")

	admin := s.person(t)
	admin.open("/studio")
	admin.signIn(app.RoleTeacher, s.passwords[app.RoleTeacher])
	admin.see("#studio-view", "Demo")
	s.stored(t, room, "Good morning!")
}
