package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/coagent-studio/coagent/store/storetest"
)

// patience bounds every wait for the page; with the race detector on a busy
// machine all of it is slow.
const patience = 2 * time.Minute

// startBrowser starts the one Chromium that all tests share, each in browser
// contexts of its own. Without Chromium the test is skipped, under CI it fails.
func startBrowser(t *testing.T) context.Context {
	t.Helper()
	if os.Getenv(storetest.DatabaseEnv) == "postgres" {
		t.Skip("the run on SQLite tests the page")
	}
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	switch {
	case path != "":
	case os.Getenv("CI") == "true":
		t.Fatal("no Chromium is installed")
	default:
		t.Skip("SKIPPED (no Chromium): the page is not tested")
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.DisableGPU, chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.WSURLReadTimeout(time.Minute))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	// chromedp complains about events of a Chromium that is newer than itself.
	ctx, leave := chromedp.NewContext(allocator, chromedp.WithErrorf(func(string, ...any) {}))
	t.Cleanup(func() { leave(); stop() })
	if err := chromedp.Run(ctx); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	return ctx
}

// tab is one page of one person, and what the browser had to complain about.
type tab struct {
	t    *testing.T
	site *site
	host string
	// profile keeps the cookies.
	profile cdp.BrowserContextID
	ctx     context.Context
	// close closes the tab, as a person does.
	close context.CancelFunc

	mu         sync.Mutex
	complaints []string
	requests   map[string]int // by host
	sockets    int            // open now
}

// person opens a tab of somebody new: other tabs share no cookie with it.
func (s *site) person(t *testing.T) *tab {
	t.Helper()
	browser := cdp.WithExecutor(s.browser, chromedp.FromContext(s.browser).Browser)
	profile, err := target.CreateBrowserContext().Do(browser)
	if err != nil {
		t.Fatal(err)
	}
	return s.openTab(t, profile)
}

// second opens one more tab of the same person.
func (b *tab) second() *tab {
	b.t.Helper()
	return b.site.openTab(b.t, b.profile)
}

func (s *site) openTab(t *testing.T, profile cdp.BrowserContextID) *tab {
	t.Helper()
	browser := cdp.WithExecutor(s.browser, chromedp.FromContext(s.browser).Browser)
	// Without a window of its own a new profile has none to open a tab in.
	id, err := target.CreateTarget("about:blank").WithBrowserContextID(profile).WithNewWindow(true).Do(browser)
	if err != nil {
		t.Fatal(err)
	}
	ctx, leave := chromedp.NewContext(s.browser, chromedp.WithTargetID(id))
	b := &tab{t: t, site: s, host: s.host, profile: profile, ctx: ctx, close: leave, requests: map[string]int{}}
	t.Cleanup(func() {
		leave()
		b.checkComplaints()
	})
	chromedp.ListenTarget(ctx, b.heard)
	// The first run lends the tab its context for life, so it has no deadline.
	// A window behind others would be told that it is hidden, and sleep.
	if err := chromedp.Run(ctx, network.Enable(), emulation.SetFocusEmulationEnabled(true), chromedp.EmulateViewport(1280, 800)); err != nil {
		t.Fatal(err)
	}
	return b
}

// heard keeps what speaks against the page. It runs between the commands, so
// it must not wait.
func (b *tab) heard(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *cdplog.EventEntryAdded:
		if e.Entry.Level == cdplog.LevelError || e.Entry.Level == cdplog.LevelWarning {
			b.complaints = append(b.complaints, fmt.Sprintf("%s %s: %s %s", e.Entry.Source, e.Entry.Level, e.Entry.Text, e.Entry.URL))
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning || e.Type == runtime.APITypeAssert {
			text, _ := json.Marshal(e.Args)
			b.complaints = append(b.complaints, fmt.Sprintf("console.%s: %s", e.Type, text))
		}
	case *runtime.EventExceptionThrown:
		b.complaints = append(b.complaints, "exception: "+e.ExceptionDetails.Error())
	case *network.EventRequestWillBeSent:
		b.requested(e.Request.URL)
	case *network.EventWebSocketCreated:
		b.requested(e.URL)
		b.sockets++
	case *network.EventWebSocketClosed:
		b.sockets--
	}
}

func (b *tab) requested(address string) {
	u, err := url.Parse(address)
	// A blob is what the page itself has made.
	if err != nil || u.Scheme == "data" || u.Scheme == "about" || u.Scheme == "blob" {
		return
	}
	b.requests[u.Host]++
	if u.Host != b.host {
		b.complaints = append(b.complaints, "a request to another host: "+address)
	}
}

// allow takes away the complaints so far that contain text, which the test
// provoked, and fails if there was none.
func (b *tab) allow(text string) {
	b.t.Helper()
	b.eventually("the complaint "+text, func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		before := len(b.complaints)
		b.complaints = slices.DeleteFunc(b.complaints, func(c string) bool { return strings.Contains(c, text) })
		return len(b.complaints) < before
	})
}

func (b *tab) checkComplaints() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.complaints {
		b.t.Errorf("the browser complains: %s", c)
	}
	if len(b.requests) == 0 && !b.t.Failed() {
		b.t.Error("no request was seen, so none was checked")
	}
}

// openSockets is how many sockets the page holds.
func (b *tab) openSockets() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sockets
}

func (b *tab) run(actions ...chromedp.Action) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		b.fatalf("%v", err)
	}
}

// fatalf ends the test with what the page shows.
func (b *tab) fatalf(format string, args ...any) {
	b.t.Helper()
	var shown string
	ctx, cancel := context.WithTimeout(b.ctx, 2*time.Second)
	defer cancel()
	_ = chromedp.Run(ctx, chromedp.Evaluate("document.body.innerText", &shown))
	b.mu.Lock()
	complaints := strings.Join(b.complaints, "\n")
	b.mu.Unlock()
	b.t.Fatalf("%s\nthe page shows:\n%s\nthe browser said:\n%s", fmt.Sprintf(format, args...), shown, complaints)
}

func (b *tab) eventually(what string, ok func() bool) {
	b.t.Helper()
	for deadline := time.Now().Add(patience); !ok(); {
		if time.Now().After(deadline) {
			b.fatalf("waited in vain for %s", what)
		}
		pause(b.t)
	}
}

// pause is the step of polling.
func pause(t *testing.T) {
	select {
	case <-time.After(15 * time.Millisecond):
	case <-t.Context().Done():
	}
}

// open loads a path of the site.
func (b *tab) open(path string) {
	b.t.Helper()
	b.run(chromedp.Navigate("http://" + b.host + path))
}

// get evaluates a JavaScript expression into want, whatever page is there.
func (b *tab) get(expression string, want any) error {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate(expression, want))
}

// await waits until a JavaScript expression is true.
func (b *tab) await(expression string) {
	b.t.Helper()
	b.eventually(expression, func() bool {
		var yes bool
		// While the page changes there may be nobody to ask.
		err := b.get("Boolean("+expression+")", &yes)
		if errors.Is(err, context.Canceled) {
			b.t.Fatal(err)
		}
		return err == nil && yes
	})
}

// see waits until an element is shown and contains text.
func (b *tab) see(selector, text string) {
	b.t.Helper()
	b.await(fmt.Sprintf("[...document.querySelectorAll(%q)].some((e) => e.checkVisibility() && e.textContent.includes(%q))", selector, text))
}

// gone waits until nothing that matches is shown.
func (b *tab) gone(selector string) {
	b.t.Helper()
	b.await(fmt.Sprintf("[...document.querySelectorAll(%q)].every((e) => !e.checkVisibility())", selector))
}

func (b *tab) click(selector string) {
	b.t.Helper()
	b.run(chromedp.Click(selector, chromedp.ByQuery))
}

// fill writes a text over what a field holds, as a paste does: a key for each
// character would take the time of three commands each.
func (b *tab) fill(selector, text string) {
	b.t.Helper()
	b.run(chromedp.WaitVisible(selector, chromedp.ByQuery), chromedp.Focus(selector, chromedp.ByQuery),
		chromedp.Evaluate(fmt.Sprintf("document.querySelector(%q).select()", selector), nil), input.InsertText(text))
}

// say writes a line and sends it with Enter.
func (b *tab) say(text string) {
	b.t.Helper()
	b.fill("#composer-text", text)
	b.run(chromedp.KeyEvent(kb.Enter))
}

// signIn fills in the form that is shown.
func (b *tab) signIn(name, password string) {
	b.t.Helper()
	b.fill("#username", name)
	b.fill("#password", password)
	b.click("#signin-submit")
}

// enter signs a demo account in and opens a room by its link.
func (b *tab) enter(name, roomID string) {
	b.t.Helper()
	b.open("/")
	b.signIn(name, b.site.passwords[name])
	b.enterRoom(roomID)
}

func (b *tab) enterRoom(roomID string) {
	b.t.Helper()
	b.click(fmt.Sprintf("#room-list a[data-room-id=%q]", roomID))
	b.connected()
}

func (b *tab) connected() {
	b.t.Helper()
	b.see("#status[data-state=open]", "Connected")
}

// cookie is the value of a cookie that scripts may not read.
func (b *tab) cookie(name string) string {
	b.t.Helper()
	var value string
	b.run(chromedp.ActionFunc(func(ctx context.Context) error {
		cookies, err := network.GetCookies().Do(ctx)
		for _, c := range cookies {
			if c.Name == name {
				value = c.Value
			}
		}
		return err
	}))
	return value
}

// notices are the lines between the messages that nobody said.
func (b *tab) notices() []string {
	b.t.Helper()
	var notices []string
	if err := b.get(`[...document.querySelectorAll("#messages li[data-kind=notice] p")].map((p) => p.textContent)`, &notices); err != nil {
		b.fatalf("%v", err)
	}
	return notices
}

// line is one line of the log as the page shows it.
type line struct {
	ID, Kind, Name, Text string
	Seq                  int
	Own, Unsettled       bool
}

// lines are the stored, streamed and waiting lines that the page shows.
func (b *tab) lines() []line {
	b.t.Helper()
	var lines []line
	err := b.get(`[...document.querySelectorAll("#messages li:not([data-kind=notice])")].map((li) => ({
		ID: li.dataset.messageId ?? "", Kind: li.dataset.kind, Name: li.querySelector(".name")?.textContent ?? "",
		Text: li.querySelector(".text").textContent, Seq: Number(li.dataset.seq ?? 0), Own: "own" in li.dataset,
		Unsettled: "streaming" in li.dataset || "waiting" in li.dataset}))`, &lines)
	if err != nil {
		b.fatalf("%v", err)
	}
	return lines
}

// settled waits until the page shows exactly these texts as stored lines, in
// this order, and nothing else.
func (b *tab) settled(want ...string) []line {
	b.t.Helper()
	var got []line
	b.eventually(fmt.Sprintf("the lines %q", want), func() bool {
		got = b.lines()
		return slices.EqualFunc(got, want, func(l line, text string) bool {
			return l.Text == text && !l.Unsettled && l.ID != "" && l.Seq > 0
		})
	})
	return got
}
