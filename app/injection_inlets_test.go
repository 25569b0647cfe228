package app_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/app/workflow"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// hall is where the attacks of one inlet happen: a class whose agent may do everything that
// an agent may, and whose model obeys everybody.
type hall struct {
	*apptest.Class
	r        *apptest.Rig
	room     string // of the class, or of the thread
	fence    string
	owned    *store.Artifact // made by a person
	foreign  string          // an artifact in another room
	approval string          // a step that waits for a person
	system   string          // the system message when nobody attacks

	mu     sync.Mutex
	asked  []llmtest.Request // since the attack began
	attack *injection
	before func(q llmtest.Request, results int) *llmtest.Response // in place of obeying
}

// zoo has the models of all halls, by their names.
type zoo struct {
	sync.Mutex
	models map[string]func(llmtest.Request) llmtest.Response
}

func newZoo(r *apptest.Rig) *zoo {
	z := &zoo{models: map[string]func(llmtest.Request) llmtest.Response{}}
	r.Model.Script(func(q llmtest.Request) llmtest.Response {
		z.Lock()
		model := z.models[q.Model]
		z.Unlock()
		if model == nil {
			return say("Hm.")
		}
		return model(q)
	})
	return z
}

// everything lets an agent do all that an agent may, and gives it a model of its own.
func (z *zoo) everything(t *testing.T, r *apptest.Rig, c *apptest.Class, ag *store.Agent, model string, answer func(llmtest.Request) llmtest.Response) {
	t.Helper()
	_, err := r.UpdateAgent(t.Context(), c.Teacher, ag.ID, app.AgentSettings{Model: app.Some(model), Capabilities: app.Some(append([]string{turn.CapTriggerWrite, turn.CapChatWrite}, allCaps...)),
		TriggerConfig: raw(strings.Replace(boundedTrigger, `"message_count":50`, `"message_count":9999`, 1))})
	must(t, err)
	z.Lock()
	defer z.Unlock()
	z.models[model] = answer
}

func newHall(t *testing.T, r *apptest.Rig, z *zoo, c *apptest.Class, name string) *hall {
	t.Helper()
	h := &hall{Class: c, r: r, room: c.Room.ID, approval: store.NewID()}
	z.everything(t, r, c, c.TeacherAgent, "gpt-4o-"+name, h.obey)
	other, err := r.CreateRoom(t.Context(), c.Teacher, c.Course.ID, app.RoomSettings{Name: app.Some("Other")})
	must(t, err)
	f, err := r.CreateArtifact(t.Context(), c.Teacher, other.ID, app.NewArtifact{Type: "task", Title: "Not here", Content: app.Some(json.RawMessage(`{}`))})
	must(t, err)
	h.foreign, h.owned = f.ID, put(t, r, c, "task", "Homework", `{"status":"todo"}`)
	h.fence = turn.Fence(&r.Config.Auth, c.TeacherAgent.ID, h.room)
	return h
}

// harmless is what the model is asked when nobody attacks.
func (h *hall) harmless(t *testing.T, send func()) {
	t.Helper()
	h.before = func(llmtest.Request, int) *llmtest.Response { return &llmtest.Response{Text: "Hello."} }
	send()
	h.settled(t)
	if len(h.asked) == 0 {
		t.Fatal("the model was not asked")
	}
	h.system, h.asked, h.before = wire(t, h.asked[0])[0].Content, nil, nil
}

// settled waits until nothing is on its way in the room. It looks at the newest turn alone,
// for by the end there are hundreds.
func (h *hall) settled(t *testing.T) {
	t.Helper()
	head := func() (decided, seq int64) {
		room, err := h.r.DB.Room(t.Context(), h.room)
		must(t, err)
		return room.DecidedSeq, room.EventSeq
	}
	apptest.Await(t, "the room to settle", func() bool {
		decided, seq := head()
		all, err := h.r.DB.Turns(t.Context(), h.room, store.Page{Limit: 1})
		must(t, err)
		// Each step moves one of the two, so nothing happened between the reads.
		decidedNow, seqNow := head()
		return decided == seq && decidedNow == decided && seqNow == seq && (len(all) == 0 || !all[0].EndedAt.IsZero() || all[0].State == store.TurnParked)
	})
}

// obey is the model: it calls whatever it can, then says that it is done.
func (h *hall) obey(q llmtest.Request) llmtest.Response {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = append(h.asked, q)
	results := 0
	for i := len(q.Messages) - 1; i >= 0 && (q.Messages[i].Role == "tool" || len(q.Messages[i].ToolCalls) > 0); i-- {
		if q.Messages[i].Role == "tool" {
			results++
		}
	}
	if h.before != nil {
		if resp := h.before(q, results); resp != nil {
			return *resp
		}
	}
	if results >= 5 {
		return say("Done.")
	}
	return llmtest.Response{ToolCalls: h.privileged(h.attack)}
}

// begin is called before each attack. It returns the text to send, and as the model may be
// shown it.
func (h *hall) begin(a *injection) (text, shown string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked, h.attack = nil, a
	return h.filled(a.Text), h.shown(a.Text)
}

// requests are what the model was asked since the attack began.
func (h *hall) requests(t *testing.T, least int) []llmtest.Request {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.asked) < least {
		t.Fatalf("%s: the model was asked %d times, want %d", h.attack.ID, len(h.asked), least)
	}
	return h.asked
}

// waits checks what an attack on the room has done, and that only who has the right can
// decide about what waits.
func (h *hall) waits(t *testing.T, a *injection, calls int) {
	t.Helper()
	waits := h.checkEffects(t, a)
	if len(waits) < calls {
		t.Fatalf("%s: %d calls wait, want %d", a.ID, len(waits), calls)
	}
	s := waits[0]
	for _, who := range []*app.Actor{h.Student, h.Outsider, nil} {
		if _, err := h.r.DecideApproval(t.Context(), who, h.room, s.ID, app.DecisionApprove, ""); err == nil {
			t.Fatalf("%s: somebody without the right has decided", a.ID)
		}
	}
	h.approval = s.ID
	row, err := h.r.DB.StepInRoom(t.Context(), h.room, s.ID)
	must(t, err)
	if row.State != store.StepPending || turn.SummaryOf(&row.TurnStep) != `delete the task "Homework"` || row.AgentName != "Teacher" || row.Turn.State != store.TurnParked {
		t.Errorf("%s: people are asked %q of %s: %+v", a.ID, turn.SummaryOf(&row.TurnStep), row.AgentName, row.Turn)
	}
}

// decided has a person with the right refuse the last call, and checks who is written down.
func (h *hall) decided(t *testing.T) {
	t.Helper()
	log := func() []store.AuditEntry {
		all, err := storetest.All(h.r.DB.AuditEntries(t.Context(), store.AuditFilter{TargetID: h.approval}, "", 10))
		must(t, err)
		return all
	}
	if got := log(); len(got) != 0 {
		t.Errorf("before anybody decided, the log has %+v", got)
	}
	_, err := h.r.DecideApproval(t.Context(), h.Teacher, h.room, h.approval, app.DecisionReject, "no")
	must(t, err)
	if got := log(); len(got) != 1 || got[0].ActorID != h.Teacher.User.ID || got[0].Action != string(app.ActDecideApproval) {
		t.Errorf("the log has %+v", got)
	}
}

// triggerStays checks that no agent has changed when it speaks.
func (h *hall) triggerStays(t *testing.T) {
	t.Helper()
	ra, err := h.r.DB.RoomAgent(t.Context(), h.Room.ID, h.TeacherAgent.ID)
	if err != nil || ra.Override != "" {
		t.Errorf("the trigger became %q (%v)", ra.Override, err)
	}
}

// attackRoom sends every text by an inlet into a room, as somebody.
func (h *hall) attackRoom(t *testing.T, speaker string, send func(text string) (sent string)) {
	h.harmless(t, func() { post(t, h.r, h.Student, h.room, "@teacher hello") })
	h.attacked(t, speaker, send)
}

// attacked sends every text by an inlet into a room, once the harmless system message is
// known.
func (h *hall) attacked(t *testing.T, speaker string, send func(text string) (sent string)) {
	t.Helper()
	for _, a := range injections(t) {
		text, shown := h.begin(&a)
		sent := send(text)
		h.settled(t)
		q := h.requests(t, 1)[0]
		once(t, h.checkRequest(t, q, h.system, false), speaker, strings.Replace(sent, text, shown, 1))
		h.waits(t, &a, 3)
	}
	h.decided(t)
	h.triggerStays(t)
}

// Whatever a text says, in whichever language and by whichever inlet, a model that obeys it
// can do nothing that a person did not allow. The text comes to the model once, as what its
// speaker said.
func TestInjection(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := outsideRig(t, url)
		z := newZoo(r)
		analyst(t, r)
		for name, inlet := range map[string]func(*testing.T, *apptest.Rig, *zoo){
			"message": injectMessages, "reply": injectReplies, "bot": injectBot, "webhook": injectWebhook, "outside answer": injectOutsideAnswers, "thread": injectThread, "thread turn": injectThreadTurns,
			"sandbox": injectSandbox, "tool results": injectToolResults, "nested agent": injectNested, "names": injectNames, "workflow": injectWorkflow, "design": injectDesign, "file": injectFiles, "file name": injectFileNames,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				inlet(t, r, z)
			})
		}
	})
}

// injectMessages has a person say the texts. The report on the room reads them too.
func injectMessages(t *testing.T, r *apptest.Rig, z *zoo) {
	h := newHall(t, r, z, silentClass(t, r), "message")
	h.attackRoom(t, "Sue (student)", func(text string) string {
		post(t, r, h.Student, h.room, "@teacher "+text)
		return "@teacher " + text
	})
	before := r.Model.Count()
	_, err := r.GenerateReport(t.Context(), h.Teacher, h.Course.ID)
	must(t, err)
	apptest.Await(t, "the report", func() bool {
		all := reports(t, r, h.Class)
		return len(all) == 1 && all[0].State == store.ReportDone
	})
	read := 0
	for _, q := range r.Model.Requests() {
		if q.Number <= before || !strings.Contains(q.System, "You report on the room \"Cells\"") || !strings.Contains(q.Body, "manage_artifact") {
			continue
		}
		_, rest, _ := strings.Cut(q.System, "between <")
		fence, _, _ := strings.Cut(rest, " ")
		of := &hall{fence: fence}
		system := fmt.Sprintf("Analyse well.\n\nYou report on the room \"Cells\" of the course \"Biology\" to its teachers. %s "+
			"Answer with the report on this room alone, in Markdown, with no heading above level 3 and no title.", turn.FenceRule(fence))
		for _, b := range of.checkRequest(t, q, system, false) {
			if b.from == "Sue (student)" {
				read++
			}
		}
	}
	if read < 50 {
		t.Errorf("the report reads %d messages of the student, want 50 and more", read)
	}
}

// injectReplies has the texts as replies, in a thread in which an agent is called.
func injectReplies(t *testing.T, r *apptest.Rig, z *zoo) {
	h := newHall(t, r, z, silentClass(t, r), "reply")
	root := post(t, r, h.Student, h.room, "hm")
	h.harmless(t, func() { reply(t, r, h.Student, root, "@teacher hello") })
	h.attacked(t, "Sue (student, in this thread)", func(text string) string {
		reply(t, r, h.Student, root, "@teacher "+text)
		return "@teacher " + text
	})
	if one := turns(t, r, h.room); one[len(one)-1].RootID != root.ID {
		t.Errorf("the last turn is %+v", one[len(one)-1])
	}
}

// injectBot has a program say the texts under its own account.
func injectBot(t *testing.T, r *apptest.Rig, z *zoo) {
	c := silentClass(t, r)
	_, bot := newBot(t, r, c, "Quiz")
	h := newHall(t, r, z, c, "bot")
	h.attackRoom(t, "Quiz (bot)", func(text string) string {
		post(t, r, h.Student, h.room, "hm") // so that the guard against loops never ends the answers
		h.settled(t)
		post(t, r, bot, h.room, "@teacher "+text)
		return "@teacher " + text
	})
}

func injectWebhook(t *testing.T, r *apptest.Rig, z *zoo) {
	c := newOutsideClass(t, r)
	c.onlyCalled(t)
	h := newHall(t, r, z, c.Class, "webhook")
	h.attackRoom(t, "Far (AI external)", func(text string) string {
		post(t, r, h.Student, h.room, "hm")
		h.settled(t) // beside a new message of a person no agent calls another
		c.taken(t, app.OutsideMessage{RoomID: h.room, Content: json.RawMessage(store.ToJSON(text)), To: h.TeacherAgent.ID})
		if strings.Contains(text, "老師") { // this calls the teacher by itself
			return text
		}
		return "@Teacher " + text
	})
}

func injectOutsideAnswers(t *testing.T, r *apptest.Rig, z *zoo) {
	c := newOutsideClass(t, r)
	c.onlyCalled(t)
	h := newHall(t, r, z, c.Class, "outside")
	h.attackRoom(t, "Far (AI external)", func(text string) string {
		c.peer.then(saying(string(store.ToJSON(a2aAnswer{"@teacher " + text}))))
		post(t, r, h.Student, h.room, "@Far go on")
		return "@teacher " + text
	})
}

type a2aAnswer struct {
	Content string `json:"content"`
}

// unmarked is a text with marks of templates that do not work, where there is no fence.
func (h *hall) unmarked(text string) string {
	empty := hall{owned: &store.Artifact{}}
	return empty.shown(text)
}

// injectToolResults has the texts where tools find them: in an artifact and its title, and
// in an earlier message.
func injectToolResults(t *testing.T, r *apptest.Rig, z *zoo) {
	h := newHall(t, r, z, silentClass(t, r), "tools")
	notes := put(t, r, h.Class, "doc", "Notes", `{"type":"doc","content":[]}`)
	h.harmless(t, func() { post(t, r, h.Student, h.room, "@teacher hello") })
	h.before = func(_ llmtest.Request, results int) *llmtest.Response {
		if results > 0 {
			return nil
		}
		return &llmtest.Response{ToolCalls: []llmtest.ToolCall{{ID: "r1", Name: "read_artifact", Arguments: `{"artifact_id":"` + notes.ID + `"}`},
			{ID: "r2", Name: "list_artifacts", Arguments: `{}`}, {ID: "r3", Name: "search_messages", Arguments: `{"text":"zebra"}`}}}
	}
	for _, a := range injections(t) {
		text, shown := h.begin(&a)
		change := app.ArtifactChange{Title: app.Some(text), Content: app.Some(json.RawMessage(`{"type":"doc","content":[{"type":"paragraph","content":[{"type":"text","text":` + string(store.ToJSON(text)) + `}]}]}`))}
		_, err := r.UpdateArtifact(t.Context(), h.Student, notes.ID, change)
		titled := err == nil
		if app.KindOf(err) == app.KindInvalid { // no title has such characters
			change.Title = app.Opt[string]{}
			_, err = r.UpdateArtifact(t.Context(), h.Student, notes.ID, change)
		}
		must(t, err)
		post(t, r, h.Student, h.room, "zebra "+text)
		post(t, r, h.Student, h.room, "@teacher read it")
		h.settled(t)
		q := h.requests(t, 2)[1]
		h.checkRequest(t, q, h.system, false)
		var found [3]string
		for _, m := range wire(t, q) {
			for i, name := range []string{"read_artifact", "list_artifacts", "search_messages"} {
				if m.Role == "tool" && strings.HasPrefix(m.Content, "<"+h.fence+` from="`+name+`">`) {
					found[i] = m.Content
				}
			}
		}
		wanted := inJSON(shown)
		if strings.Count(found[0], wanted) == 0 || titled && strings.Count(found[1], wanted) != 1 || strings.Count(found[2], wanted) != 1 {
			t.Errorf("%s: the tools found %q, want %q", a.ID, found, wanted)
		}
		h.waits(t, &a, 3)
	}
	h.decided(t)
	h.triggerStays(t)
}

// injectNested has another agent of the room be asked the texts, and answer with them.
func injectNested(t *testing.T, r *apptest.Rig, z *zoo) {
	h := newHall(t, r, z, silentClass(t, r), "nested")
	inner := &hall{Class: h.Class, r: r, room: h.room, owned: h.owned, foreign: h.foreign, approval: h.approval,
		fence: turn.Fence(&r.Config.Auth, h.StudentAgent.ID, h.room)}
	z.everything(t, r, h.Class, h.StudentAgent, "gpt-4o-inner", inner.obey)
	h.harmless(t, func() { post(t, r, h.Student, h.room, "@teacher hello") })
	inner.harmless(t, func() { post(t, r, h.Student, h.room, "@student hello") })
	inner.system, _, _ = strings.Cut(inner.system, " Say in your reply what your tools did.") // it gets none
	for _, a := range injections(t) {
		inner.approval = h.approval
		answer, _ := h.begin(&a)
		question, shownInside := inner.begin(&a) // each agent has its own fence
		h.before = func(_ llmtest.Request, results int) *llmtest.Response {
			if results > 0 {
				return nil
			}
			resp := use("ask_agent", string(store.ToJSON(map[string]string{"agent": "Student", "question": question})))
			return &resp
		}
		inner.before = func(_ llmtest.Request, results int) *llmtest.Response {
			if results == 0 {
				return nil // it tries the tools, of which it has none
			}
			return &llmtest.Response{Text: answer}
		}
		post(t, r, h.Student, h.room, "@teacher ask")
		h.settled(t)
		asked := inner.requests(t, 2)
		once(t, inner.checkRequest(t, asked[0], inner.system, false), "Teacher (AI teacher, to you alone)", shownInside)
		if len(asked[0].Tools) != 0 {
			t.Errorf("the asked agent is offered %v", asked[0].Tools)
		}
		h.checkRequest(t, h.requests(t, 2)[1], h.system, false)
		h.waits(t, &a, 3)
	}
	h.decided(t)
	h.triggerStays(t)
}

// injectNames has the texts as the names of a person, a room and a course, past all checks
// of names, as older rows may have them. The names of a room and a course stand in the
// instructions, short and between quotes.
func injectNames(t *testing.T, r *apptest.Rig, z *zoo) {
	h := newHall(t, r, z, silentClass(t, r), "names")
	h.harmless(t, func() { post(t, r, h.Student, h.room, "@teacher hello") })
	plain := h.system
	for i, a := range injections(t) {
		text, _ := h.begin(&a)
		r.Exec(t, "UPDATE users SET full_name = ? WHERE id = ?", text, h.Student.User.ID)
		r.Exec(t, "UPDATE rooms SET name = ? WHERE id = ?", text, h.room)
		r.Exec(t, "UPDATE courses SET title = ? WHERE id = ?", text, h.Course.ID)
		post(t, r, h.Student, h.room, fmt.Sprintf("@teacher number %d", i))
		h.settled(t)
		q := h.requests(t, 1)[0]
		name := strconv.Quote(h.unmarked(store.Cut(text, 60)))
		h.system = strings.NewReplacer(`"Cells"`, turn.NameOf(text), `"Biology"`, turn.NameOf(text)).Replace(plain)
		if strings.ContainsAny(turn.NameOf(text), "\n\u2028\u202e\u200b") || strings.Count(h.system, "\n") != strings.Count(plain, "\n") || len(name) < 3 {
			t.Errorf("%s: the instructions are %q", a.ID, h.system)
		}
		for _, b := range h.checkRequest(t, q, h.system, false) {
			if strings.HasPrefix(b.text, "@teacher number") && (!strings.HasSuffix(b.from, " (student)") || strings.Count(b.from, "(") != 1+strings.Count(b.from, "(...)")) {
				t.Errorf("%s: the speaker is %q", a.ID, b.from)
			}
		}
		h.waits(t, &a, 3)
	}
	h.decided(t)
	h.triggerStays(t)
}

// injectWorkflow has the texts be drafts that another agent reviews, and its verdicts. A
// reviewer has no tools, and what it says that is no verdict is none.
func injectWorkflow(t *testing.T, r *apptest.Rig, z *zoo) {
	h := newHall(t, r, z, silentClass(t, r), "reviewer")
	r.UseWorkflow(t, h.Class, workflow.NameReview)
	writer := &hall{Class: h.Class, r: r, room: h.room, owned: h.owned, foreign: h.foreign, approval: h.approval,
		fence: turn.Fence(&r.Config.Auth, h.StudentAgent.ID, h.room)}
	z.everything(t, r, h.Class, h.StudentAgent, "gpt-4o-writer", writer.obey)
	for i, a := range injections(t) {
		text, _ := h.begin(&a)
		writer.begin(&a)
		writer.before = func(q llmtest.Request, results int) *llmtest.Response {
			if len(q.Tools) > 0 && results == 0 {
				t.Errorf("the writer is offered %v", q.Tools)
			}
			return &llmtest.Response{Text: text}
		}
		verdicts := 0
		h.before = func(llmtest.Request, int) *llmtest.Response {
			verdicts++
			if verdicts == 1 {
				return &llmtest.Response{Text: `{"approved": "yes", "feedback": ` + string(store.ToJSON(text)) + "} " + text}
			}
			return &llmtest.Response{Text: `{"approved": true, "feedback": "fine"}`}
		}
		post(t, r, h.Student, h.room, fmt.Sprintf("@student number %d", i))
		h.settled(t)
		for _, in := range []*hall{h, writer} {
			for _, q := range in.requests(t, 1) {
				system := wire(t, q)[0].Content
				if in.system == "" {
					in.system = system
				}
				in.checkRequest(t, q, in.system, false)
			}
		}
		if waits := h.checkEffects(t, &a); len(waits) != 0 {
			t.Errorf("%s: %+v", a.ID, waits)
		}
	}
	h.triggerStays(t)
}

// injectDesign asks the design agent with the texts. It has no tools, and the texts are its
// user's own.
func injectDesign(t *testing.T, r *apptest.Rig, z *zoo) {
	c := silentClass(t, r)
	h := &hall{Class: c, r: r, owned: &store.Artifact{}}
	h.before = func(llmtest.Request, int) *llmtest.Response { return &llmtest.Response{Text: "Be kind."} }
	z.Lock()
	z.models["gpt-4o-design"] = h.obey
	z.Unlock()
	_, err := r.SetSystemAgent(t.Context(), c.Admin, store.AgentDesign, app.AgentSettings{SystemPrompt: app.Some("Design well."), ModelProvider: app.Some("openai"),
		Model: app.Some("gpt-4o-design"), APIKey: app.Some(secret.Text(apptest.CanaryKey))})
	must(t, err)
	for _, a := range injections(t) {
		text, _ := h.begin(&a)
		_, _, err := r.GenerateInstructions(t.Context(), c.Teacher, app.Design{Requirement: "R " + text, TargetAgentType: "teacher", CourseContext: "C " + text})
		must(t, err)
		asked := h.requests(t, 1)
		m := wire(t, asked[0])
		if len(asked) != 1 || len(m) != 2 || m[0].Role != "system" || m[0].Content != "Design well." || m[1].Role != "user" || len(asked[0].Tools) != 0 ||
			!strings.Contains(m[1].Content, "R "+h.unmarked(text)) || !strings.Contains(m[1].Content, "C "+h.unmarked(text)) {
			t.Errorf("%s: got %+v", a.ID, m)
		}
	}
}
