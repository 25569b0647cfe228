package web_test

import (
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

const (
	asked  = "Why is the sky blue?"
	answer = "Because air scatters blue light the most. What colour is it at sunset?"
	// partial is what the first chunks of a scripted answer say of it; the very
	// first one opens the stream without a word.
	partial       = "Because air scat"
	openingChunks = 3
)

// TestBrowser drives the page at / in a real browser against the whole
// program, on each database. Every tab of every test also fails on an error or
// a warning in its console, a break of its content security policy, and a
// request to any other host.
func TestBrowser(t *testing.T) {
	t.Parallel()
	browser := startBrowser(t)
	for name, fresh := range map[string]func(testing.TB) string{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			demo := newDemo(t, browser, fresh(t))
			rule := func(name string, check func(*testing.T, *site)) {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					check(t, demo)
				})
			}
			rule("an answer is streamed and kept", checkStream)
			rule("two people see each other", checkTwoPeople)
			rule("lines are edited, taken back and hidden", checkLines)
			rule("who comes in the middle of an answer sees all of it", checkLateComer)
			rule("an answer is stopped", checkStop)
			rule("an agent answers beside one that thinks", checkBeside)
			rule("staff allow what an agent asks for", checkAllow)
			rule("a failed turn tells staff alone why", checkFailure)
			rule("sign-out ends every tab", checkSignOut)
			if name == "sqlite" { // what the page does by itself
				rule("an expired token is renewed", checkRenewal)
				rule("a line that is too long is refused", checkTooLong)
				rule("a phone shows the list or the room", checkPhone)
				rule("the log follows what is new, for who is at its end", checkFollows)
				rule("who has no rooms is told so", checkNoRooms)
				rule("what the browser complains of is noticed", checkNoticed)
			}
			t.Run("a restart loses and doubles nothing", func(t *testing.T) {
				t.Parallel()
				checkRestart(t, newDemo(t, browser, fresh(t)))
			})
			t.Run("lines whose events are gone are reloaded", func(t *testing.T) {
				t.Parallel()
				checkResync(t, newDemo(t, browser, fresh(t)))
			})
			t.Run("the set-up link makes the first admin", func(t *testing.T) {
				t.Parallel()
				checkSetUp(t, newSite(t, browser, fresh(t)))
			})
		})
	}
}

func checkStream(t *testing.T, s *site) {
	gate := llmtest.NewGate(openingChunks)
	t.Cleanup(gate.Release)
	room := s.room(t, llmtest.Always(llmtest.Response{Text: answer, Gate: gate}))
	b := s.person(t)
	b.open("/")
	b.signIn(app.RoleStudent, "not the password")
	b.see("#signin-error", "Incorrect username/email or password")
	b.allow("status of 400")
	b.signIn(app.RoleStudent, s.passwords[app.RoleStudent])
	b.enterRoom(room)
	b.see("#messages-empty", "Nothing has been said here yet")

	b.say(asked)
	b.see("li[data-kind=agent][data-streaming] .text", partial)
	got := b.lines()
	if len(got) != 2 || got[0].Text != asked || !got[0].Own || got[0].Unsettled ||
		got[1] != (line{Kind: "agent", Name: "Teacher", Text: partial, Unsettled: true}) {
		t.Errorf("got %+v while the model speaks, want the stored line and the beginning of the answer", got)
	}

	gate.Release()
	said := b.settled(asked, answer)
	if last := said[1]; last.Kind != "agent" || last.Name != "Teacher" || last.Own {
		t.Errorf("got the answer as %+v, want the teacher agent's", last)
	}
	b.run(chromedp.Reload())
	b.connected()
	if again := b.settled(asked, answer); !reflect.DeepEqual(again, said) {
		t.Errorf("got %+v after a reload, want %+v", again, said)
	}
	s.stored(t, room, asked, answer)
}

func checkLateComer(t *testing.T, s *site) {
	gate := llmtest.NewGate(openingChunks)
	t.Cleanup(gate.Release)
	room := s.room(t, llmtest.Always(llmtest.Response{Text: answer, Gate: gate}))
	first, late := s.person(t), s.person(t)
	first.enter(app.RoleStudent, room)
	first.say(asked)
	first.see("li[data-kind=agent][data-streaming] .text", partial)
	late.enter(app.RoleTeacher, room)
	want := line{Kind: "agent", Name: "Teacher", Text: partial, Unsettled: true}
	for range 2 {
		late.see("li[data-kind=agent][data-streaming] .text", partial)
		if got := late.lines(); len(got) != 2 || got[1] != want {
			t.Errorf("got %+v, want the line and %+v", got, want)
		}
		late.run(chromedp.Reload())
		late.connected()
	}
	gate.Release()
	for _, b := range []*tab{first, late} {
		b.settled(asked, answer)
	}
}

func checkFollows(t *testing.T, s *site) {
	const (
		left  = `(() => { const s = document.querySelector("#scroller"); return s.scrollHeight - s.scrollTop - s.clientHeight; })()`
		atEnd = left + ` < 2 && document.querySelector("#scroller").scrollTop > 1000`
	)
	long := strings.Repeat("The sky is blue because air scatters blue light the most. ", 150)
	room := s.room(t, llmtest.Always(llmtest.Response{Text: long, ChunkRunes: 200, Delay: 5 * time.Millisecond}))
	b := s.person(t)
	b.run(chromedp.EmulateViewport(390, 844))
	b.open("/")
	b.signIn(app.RoleStudent, s.passwords[app.RoleStudent])
	b.enterRoom(room)
	b.say(asked)
	b.settled(asked, strings.TrimSpace(long))
	b.await(atEnd)
	for _, height := range []int64{450, 844, 300, 700} { // as a keyboard comes and goes
		b.run(chromedp.EmulateViewport(390, height))
		b.await(atEnd)
	}
	// Somebody who reads further up stays there, whatever comes and goes.
	b.run(chromedp.Evaluate(`document.querySelector("#scroller").scrollBy(0, -400)`, nil))
	b.await(left + " > 300")
	if _, err := s.App.PostMessage(t.Context(), s.teacher, room, "Somebody else", ""); err != nil {
		t.Fatal(err)
	}
	b.see("#newest", "New messages")
	b.run(chromedp.EmulateViewport(390, 450))
	b.await("innerHeight === 450")
	frames := `new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(() => done(true)))))`
	b.run(chromedp.Evaluate(frames, nil, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	b.await(left + " > 300")
	b.click("#newest")
	b.await(atEnd)
}

func checkTwoPeople(t *testing.T, s *site) {
	room := s.room(t, nil)
	teacher, student := s.person(t), s.person(t)
	teacher.enter(app.RoleTeacher, room)
	teacher.see("#room-about", "AI is switched off here")
	teacher.see("#presence-count", "1 here")
	student.enter(app.RoleStudent, room)
	for _, b := range []*tab{teacher, student} {
		b.see("#presence-count", "2 here")
	}
	teacher.click("#presence summary")
	teacher.see("#presence-people", "Demo student")
	teacher.see("#presence-people", "Demo teacher (you)")
	teacher.see("#presence-agents", "Teacher")

	student.fill("#composer-text", "Good")
	teacher.see("#typing", "Demo student is typing…")
	student.say("Good morning!")
	seen := teacher.settled("Good morning!")
	teacher.await(`document.querySelector("#typing").textContent === ""`)
	if got := seen[0]; got.Own || got.Kind != "person" || got.Name != "Demo student" {
		t.Errorf("the teacher sees %+v, want the student's line", got)
	}
	teacher.say("<b>Good morning</b> & welcome 👩‍🏫")
	seen = student.settled("Good morning!", "<b>Good morning</b> & welcome 👩‍🏫")
	if !seen[0].Own || seen[1].Own || seen[1].Name != "Demo teacher" {
		t.Errorf("the student sees %+v, want the own line and the teacher's", seen)
	}

	student.close()
	teacher.see("#presence-count", "1 here")
}

func checkFailure(t *testing.T, s *site) {
	room := s.room(t, llmtest.Always(llmtest.Response{Status: 401, Message: "Incorrect API key provided: " + apptest.CanaryKey}))
	teacher, student := s.person(t), s.person(t)
	teacher.enter(app.RoleTeacher, room)
	student.enter(app.RoleStudent, room)
	student.say(asked)
	for _, again := range []string{"at once", "after a reload"} {
		teacher.see("#messages li[data-kind=notice]", "Teacher could not answer: ")
		student.see("#messages li[data-kind=notice]", "Teacher could not answer.")
		for _, b := range []*tab{teacher, student} {
			b.settled(asked)
		}
		if got := student.notices(); !slices.Equal(got, []string{"Teacher could not answer."}) {
			t.Errorf("%s: the student reads %q, want that it failed and not why", again, got)
		}
		got := teacher.notices()
		if len(got) != 1 || !strings.Contains(got[0], "key") || strings.Contains(got[0], apptest.CanaryKey) {
			t.Errorf("%s: the teacher reads %q, want one notice that speaks of the key without showing it", again, got)
		}
		for _, b := range []*tab{teacher, student} {
			b.run(chromedp.Reload())
			b.connected()
		}
	}
	s.stored(t, room, asked)
}

func checkSignOut(t *testing.T, s *site) {
	room := s.room(t, nil)
	b := s.person(t)
	b.enter(app.RoleStudent, room)
	second := b.second()
	second.open("/")
	second.enterRoom(room)

	b.click("#signout")
	b.see("#signin-form", "Sign in")
	second.see("#signin-notice", "Your session has ended")
	for _, b := range []*tab{b, second} {
		b.eventually("no socket to be open", func() bool { return b.openSockets() == 0 })
		b.gone("#studio-view")
	}
	b.run(chromedp.Reload())
	b.see("#signin-form", "Sign in")
}

func checkRenewal(t *testing.T, s *site) {
	room := s.room(t, nil)
	b := s.person(t)
	b.enter(app.RoleStudent, room)
	expired := s.expire(t, b.cookie("access_token"))
	b.run(network.SetCookie("access_token", expired).WithURL(s.URL).WithHTTPOnly(true), chromedp.Reload())
	b.connected()
	b.say("Still me")
	b.settled("Still me")
	b.allow("status of 401")
	if got := b.cookie("access_token"); got == "" || got == expired {
		t.Error("the expired access token was not replaced")
	}
}

func checkTooLong(t *testing.T, s *site) {
	room := s.room(t, nil)
	b := s.person(t)
	b.enter(app.RoleStudent, room)
	for times, why := range map[string]string{"20_000": "at most 65536 are possible", "200_000": "It is too long for one message"} {
		b.run(chromedp.Evaluate(`document.querySelector("#composer-text").value = "long ".repeat(`+times+`)`, nil))
		b.click("#send")
		b.see("li[data-waiting=refused]", why)
		b.connected()
		b.click("li[data-waiting=refused] button:last-of-type")
		b.gone("li[data-waiting]")
	}
	b.say("In short")
	b.settled("In short")
	s.stored(t, room, "In short")
}

func checkPhone(t *testing.T, s *site) {
	room := s.room(t, nil)
	b := s.person(t)
	b.run(chromedp.EmulateViewport(390, 844))
	b.open("/")
	b.signIn(app.RoleStudent, s.passwords[app.RoleStudent])
	b.see("#room-list a", t.Name())
	b.gone("#pane")
	b.enterRoom(room)
	b.gone("#side")
	b.say(strings.Repeat("Donaudampf", 50))
	b.settled(strings.Repeat("Donaudampf", 50))
	b.await("document.documentElement.scrollWidth <= innerWidth && document.documentElement.scrollHeight <= innerHeight")
	b.click(".back")
	b.see("#room-list a", t.Name())
	b.eventually("the room's socket to be closed", func() bool { return b.openSockets() == 0 })
}

func checkNoRooms(t *testing.T, s *site) {
	name, password := "newcomer", "a long enough password"
	root := &app.Actor{User: store.User{Role: app.RoleSuperAdmin, IsActive: true}}
	if _, err := s.App.CreateUser(t.Context(), root, app.NewUser{Email: name + "@demo.example", Username: &name,
		Role: app.RoleStudent, Password: &password}); err != nil {
		t.Fatal(err)
	}
	b := s.person(t)
	b.open("/")
	b.signIn(name, password)
	b.see("#me-name", name)
	b.see("#room-list", "No rooms yet")
	b.see("#empty-title", "Nothing to open yet")
	b.open("/#/rooms/" + s.room(t, nil))
	b.see("#empty-title", "This room is not open to you")
	b.allow("status of 40")
}

// checkNoticed proves that the other tests would notice.
func checkNoticed(t *testing.T, s *site) {
	b := s.person(t)
	b.open("/")
	for expression, complaints := range map[string][]string{
		`console.error("a word of the page")`:                       {"a word of the page"},
		`setTimeout(() => { throw new Error("nobody caught it") })`: {"nobody caught it"},
		`fetch("/nowhere")`:                                         {"status of 404"},
		`new Image().src = "http://elsewhere.invalid/x.png"`:        {"violates the following Content Security Policy", "a request to another host"},
	} {
		b.run(chromedp.Evaluate(expression+"; 0", nil))
		for _, complaint := range complaints {
			b.allow(complaint)
		}
	}
}

func checkRestart(t *testing.T, s *site) {
	const unsent = "Are you still there?"
	cut, again := llmtest.NewGate(openingChunks), llmtest.NewGate(openingChunks)
	t.Cleanup(cut.Release)
	t.Cleanup(again.Release)
	back := make(chan struct{}) // the page is there to see the second attempt
	release := sync.OnceFunc(func() { close(back) })
	t.Cleanup(release)
	room := s.room(t, func(r llmtest.Request) llmtest.Response {
		if r.Number == 1 {
			return llmtest.Response{Text: answer, Gate: cut}
		}
		<-back
		return llmtest.Response{Text: "You said: " + unfenced(r.LastUser()), Gate: again}
	})
	b := s.person(t)
	b.enter(app.RoleStudent, room)
	b.say(asked)
	b.see("li[data-kind=agent][data-streaming] .text", partial)

	s.stop(t)
	b.see("#banner", "The connection is lost")
	b.say(unsent)
	b.see("li[data-waiting=sending]", unsent)
	s.start(t)
	b.run(chromedp.Evaluate(`document.querySelector("#banner-retry").click()`, nil))
	b.connected()
	b.gone("#banner")
	release()
	b.see("li[data-streaming] .text", "You said: ")
	for _, l := range b.lines() {
		if strings.Contains(l.Text, partial) {
			t.Errorf("the new attempt shows the text of the one that was cut: %+v", l)
		}
	}
	again.Release()

	// Whether one answer has read both lines, or each line has its own, is a
	// matter of who comes first.
	var got []line
	b.eventually("an answer to the last line", func() bool {
		got = b.lines()
		return strings.HasSuffix(got[len(got)-1].Text, unsent) && got[len(got)-1].Kind == "agent" && !got[len(got)-1].Unsettled
	})
	var people, all []string
	for _, l := range got {
		if slices.Contains(all, l.Text) || l.Unsettled || l.Text == partial {
			t.Errorf("line %+v is doubled or not settled in %+v", l, got)
		}
		all = append(all, l.Text)
		if l.Own {
			people = append(people, l.Text)
		}
	}
	if want := []string{asked, unsent}; !slices.Equal(people, want) {
		t.Errorf("got the own lines %q, want %q", people, want)
	}
	s.stored(t, room, all...)
	b.allow("ERR_CONNECTION_REFUSED")
}

func checkResync(t *testing.T, s *site) {
	room := s.room(t, nil)
	b := s.person(t)
	b.enter(app.RoleStudent, room)
	b.say("Seen")
	b.settled("Seen")

	s.stop(t)
	b.see("#banner", "The connection is lost")
	s.sayElsewhere(t, room, "Missed", "Missed too")
	s.dropEvents(t, room)
	s.start(t)
	b.run(chromedp.Evaluate(`document.querySelector("#banner-retry").click()`, nil))
	b.connected()
	b.settled("Seen", "Missed", "Missed too")
	b.say("Back again")
	b.settled("Seen", "Missed", "Missed too", "Back again")
	b.allow("ERR_CONNECTION_REFUSED")
}

func checkSetUp(t *testing.T, s *site) {
	link := "/setup?token=" + s.SetupToken
	b := s.person(t)
	b.open(link)
	b.fill("#setup-email", "ada@school.example")
	b.fill("#setup-name", "Ada Lovelace")
	b.fill("#setup-password", "a long enough password")
	b.fill("#setup-again", "another password")
	b.click("#setup-submit")
	b.see("#setup-error", "The two passwords differ")
	b.fill("#setup-again", "a long enough password")
	b.click("#setup-submit")
	b.see("#me-name", "Ada Lovelace")
	b.see("#me-role", "super admin")
	b.see("#room-list", "No rooms yet")

	b.open(link)
	b.fill("#setup-email", "eve@school.example")
	b.fill("#setup-name", "Eve")
	b.fill("#setup-password", "a long enough password")
	b.fill("#setup-again", "a long enough password")
	b.click("#setup-submit")
	b.see("#setup-error", "not valid any more")
	b.allow("status of 403")
}

// unfenced is what a person said in one line, without the name before it in a prompt.
func unfenced(text string) string {
	_, text, _ = strings.Cut(text, "): ")
	return text
}
