package web_test

import (
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/store/storetest"
)

// River's page works in a browser under the policy that we send with it: every
// tab fails on a breach (see checkComplaints).
func TestQueueInBrowser(t *testing.T) {
	t.Parallel()
	s := newDemo(t, startBrowser(t), storetest.SQLite(t))
	b := s.person(t)
	b.open("/")
	b.signIn(app.RoleAdmin, s.passwords[app.RoleAdmin])
	b.await("document.querySelector('#signin-form') === null || !document.querySelector('#signin-form').checkVisibility()")
	b.open("/admin/queue/")
	b.see("body", "Completed")
	b.open("/admin/queue/queues")
	b.see("body", "turns")
	b.allow("main-") // one of its libraries tries whether eval is allowed, and does without
}
