package web_test

import (
	"testing"

	"github.com/coagent-studio/coagent/store/storetest"
)

// Both pages show our document under our policy, and ask nobody else: every
// tab fails on a breach and on a request elsewhere (see checkComplaints).
func TestAPIDocsInBrowser(t *testing.T) {
	t.Parallel()
	s := newSite(t, startBrowser(t), storetest.SQLite(t))
	b := s.person(t)
	b.open("/docs")
	b.see("#docs .title", "CoAgent Studio")
	b.see("#docs .opblock-tag", "Sign-in")
	b.click("#operations-tag-Sign-in")
	b.see("#docs .opblock-summary", "/api/v1/login/access-token")
	b.click("#operations-Sign-in-whoami .opblock-summary-control")
	b.see("#operations-Sign-in-whoami .opblock-body", "Responses")
	b.open("/redoc")
	b.see("#redoc h1", "CoAgent Studio")
	b.see("#redoc [data-section-id='operation/whoami']", "Tell who is signed in")
}
