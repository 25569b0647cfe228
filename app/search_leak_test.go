package app_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
	"github.com/coagent-studio/coagent/store/words"
)

var searches = flag.Int("searches", 300, "how many generated searches to compare with a plain model; make prove tries 10,000")

// What a search finds is what a plain look at all rows finds, whatever is posted, edited,
// deleted and hidden, and whoever comes and goes: nothing that the person may not read, and
// all that fits.
func TestSearchLeaks(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url, searchOften, func(c *config.Config) {
			c.Files.UploadsPerMinute, c.Files.PerPerson = 100_000, 1<<40
		})
		w := newSearchWorld(t, r)
		for i := range *searches {
			if i%8 == 0 {
				w.change()
			}
			w.compare(w.ask())
			if t.Failed() {
				t.Fatalf("search %d of seed %d", i, searchSeed)
			}
		}
		t.Logf("%d searches, %d with results, %d messages", *searches, w.hits, len(w.messages))
		if w.hits < *searches/10 {
			t.Errorf("only %d of %d searches found something", w.hits, *searches)
		}
	})
}

const searchSeed = 14

// searchWorld is two courses with rooms and people, and what the model knows of them.
type searchWorld struct {
	t        *testing.T
	r        *apptest.Rig
	rnd      *rand.Rand
	classes  []*apptest.Class
	people   []*app.Actor
	rooms    []*store.Room
	threads  []string
	messages map[string]*searchedRow
	may      map[[2]string]bool // a person and a room
	hits     int
}

// searchedRow is a message as the model sees it.
type searchedRow struct {
	store.Message
	words []string
}

func newSearchWorld(t *testing.T, r *apptest.Rig) *searchWorld {
	t.Helper()
	w := &searchWorld{t: t, r: r, rnd: rand.New(rand.NewPCG(searchSeed, 1)), messages: map[string]*searchedRow{}}
	ctx := t.Context()
	for _, name := range []string{"Alpha", "Beta"} {
		c := r.Class(t, silentRoom)
		w.classes = append(w.classes, c)
		for _, number := range []string{"One", "Two", "Three"} {
			room, err := r.CreateRoom(ctx, c.Teacher, c.Course.ID, app.RoomSettings{Name: app.Some(name + " " + number), AIMode: app.Some(store.ModeOff)})
			must(t, err)
			w.rooms = append(w.rooms, room)
		}
		th, err := r.CreateThread(ctx, c.Teacher, c.Project.ID, c.TeacherAgent.ID, app.ThreadSettings{})
		must(t, err)
		w.threads = append(w.threads, th.ID)
		w.people = append(w.people, c.Admin, c.Teacher)
		for _, kind := range []string{"Kim", "Lou"} {
			p := r.User(t, app.RoleStudent, kind+" "+name)
			must(t, second(r.Enrol(ctx, c.Teacher, c.Course.ID, app.Person{ID: p.User.ID}, "")))
			w.people = append(w.people, p)
		}
		w.people = append(w.people, r.User(t, app.RoleGuest, "Guest "+name))
	}
	w.loadRights()
	for range 120 {
		w.post()
	}
	return w
}

func (w *searchWorld) loadRights() {
	w.may = map[[2]string]bool{}
	for _, p := range w.people {
		for _, room := range w.rooms {
			a, err := w.r.DB.RoomAccess(w.t.Context(), room.ID, p.User.ID)
			must(w.t, err)
			w.may[[2]string{p.User.ID, room.ID}] = p.User.Role == app.RoleAdmin || a.IsOwner || a.IsMember || a.CourseRole != ""
		}
	}
}

func (w *searchWorld) load(roomID string) {
	rows, err := w.r.DB.Messages(w.t.Context(), roomID, 0, 10_000)
	must(w.t, err)
	for i := range rows {
		m := &searchedRow{Message: rows[i]}
		for _, word := range words.Split(m.Content) {
			m.words = append(m.words, word.Text)
		}
		w.messages[m.ID] = m
	}
}

func oneOfThem[T any](w *searchWorld, all []T) T { return all[w.rnd.IntN(len(all))] }

func (w *searchWorld) chance(percent int) bool { return w.rnd.IntN(100) < percent }

// term is a word, or a few letters of Chinese.
func (w *searchWorld) term() string {
	if w.chance(40) {
		all := []rune("熱力學第二定律的熱力")
		from := w.rnd.IntN(len(all) - 1)
		return string(all[from:min(len(all), from+1+w.rnd.IntN(5))])
	}
	return oneOfThem(w, []string{"heat", "heater", "Heating", "law", "lawful", "energy", "Énergie", "engine", "cold", "tea", "team", "don't"})
}

func (w *searchWorld) text() string {
	var b strings.Builder
	for range 1 + w.rnd.IntN(7) {
		b.WriteString(w.term())
		b.WriteString(oneOfThem(w, []string{" ", ", ", "", "\n", ". "}))
	}
	if w.chance(10) {
		b.WriteString(" https://example.org/x")
	}
	if w.chance(10) {
		b.WriteString(" @Kim")
	}
	return b.String()
}

// post says something, sometimes as an agent, and sometimes in a thread.
func (w *searchWorld) post() {
	ctx, room := w.t.Context(), oneOfThem(w, w.rooms)
	by := &store.Message{ID: store.NewID(), RoomID: room.ID, AgentType: store.AgentTeacher, AgentName: oneOfThem(w, []string{"Darwin the Tutor", "Curie"}),
		Content: w.text(), CreatedAt: w.r.Now().UTC().Truncate(time.Microsecond)}
	if w.chance(10) {
		by.RoomID = oneOfThem(w, w.threads)
	}
	if p := oneOfThem(w, w.people); by.RoomID == room.ID && w.chance(75) {
		if w.may[[2]string{p.User.ID, room.ID}] {
			must(w.t, second(w.r.PostMessage(ctx, p, room.ID, by.Content, "", w.with(p, room.ID))))
		}
	} else {
		must(w.t, w.r.DB.InTx(ctx, func(tx *store.Tx) error {
			_, _, err := tx.AddMessage(ctx, by, event.OfMessage(by), store.Heard{Unheard: true})
			return err
		}))
	}
	w.load(by.RoomID)
}

// with makes some messages reply to another one, and some show a file.
func (w *searchWorld) with(p *app.Actor, roomID string) (with app.PostWith) {
	var there []string
	for id, m := range w.messages {
		if m.RoomID == roomID && m.DeletedAt.IsZero() && m.HiddenAt.IsZero() {
			there = append(there, id)
		}
	}
	if len(there) > 0 && w.chance(30) {
		slices.Sort(there)
		with.ReplyTo = oneOfThem(w, there)
	}
	if w.chance(10) {
		f, err := uploadTo(w.t.Context(), w.r, p, roomID, "heat.txt", strings.NewReader("law of tea"))
		must(w.t, err)
		with.Files = []string{f.ID}
	}
	return with
}

// change does one thing that changes what somebody can find.
func (w *searchWorld) change() {
	ctx, c := w.t.Context(), oneOfThem(w, w.classes)
	p := oneOfThem(w, w.people)
	m := w.messages[oneOfThem(w, slices.Sorted(maps.Keys(w.messages)))]
	owner := w.classes[0].Teacher
	for i, room := range w.rooms {
		if room.ID == m.RoomID {
			owner = w.classes[i/3].Teacher
		}
	}
	author := owner
	for _, q := range w.people {
		if q.User.ID == m.SenderID {
			author = q
		}
	}
	inRoom := !slices.Contains(w.threads, m.RoomID)
	switch w.rnd.IntN(9) {
	case 0, 1:
		w.post()
	case 2: // some of these are refused, which changes nothing
		_, _ = w.r.EditMessage(ctx, author, m.RoomID, m.ID, w.text())
	case 3:
		_ = w.r.DeleteMessage(ctx, author, m.RoomID, m.ID)
	case 4:
		_, _ = w.r.RestoreMessage(ctx, author, m.RoomID, m.ID)
	case 5:
		if inRoom {
			must(w.t, second(w.r.HideMessage(ctx, owner, m.RoomID, m.ID)))
		}
	case 6:
		if inRoom {
			must(w.t, second(w.r.ShowMessage(ctx, owner, m.RoomID, m.ID)))
		}
	case 7:
		if w.chance(50) {
			_ = w.r.RemoveMember(ctx, c.Teacher, c.Course.ID, p.User.ID)
		} else if p.User.Role == app.RoleStudent {
			must(w.t, second(w.r.Enrol(ctx, c.Teacher, c.Course.ID, app.Person{ID: p.User.ID}, "")))
		}
	case 8:
		i := w.rnd.IntN(len(w.rooms))
		if w.chance(50) {
			w.r.Exec(w.t, "DELETE FROM room_members WHERE user_id = '"+p.User.ID+"'")
		} else {
			must(w.t, second(w.r.AssignToRoom(ctx, w.classes[i/3].Teacher, w.rooms[i].ID, app.Person{ID: p.User.ID})))
		}
	}
	w.load(m.RoomID)
	w.loadRights()
}

// searchAsked is a search: its text and what it means.
type searchAsked struct {
	who   *app.Actor
	query app.MessageQuery
	fits  []func(*searchedRow) bool
}

func (w *searchWorld) ask() *searchAsked {
	a := &searchAsked{who: oneOfThem(w, w.people), query: app.MessageQuery{Zone: time.UTC, Limit: 50, Best: w.chance(20)}}
	var parts []string
	var from, in []func(*searchedRow) bool // several are alternatives
	for range 1 + w.rnd.IntN(4) {
		switch w.rnd.IntN(12) {
		case 0, 1, 2, 3:
			text := w.term()
			parts = append(parts, text)
			a.fits = append(a.fits, phraseFits(text))
		case 4, 5:
			m := w.messages[oneOfThem(w, slices.Sorted(maps.Keys(w.messages)))]
			from := w.rnd.IntN(len(m.words))
			text := strings.Join(m.words[from:min(len(m.words), from+1+w.rnd.IntN(4))], " ")
			parts = append(parts, `"`+text+`"`)
			a.fits = append(a.fits, phraseFits(text))
		case 6:
			text := w.term()
			parts = append(parts, "-"+text)
			a.fits = append(a.fits, not(phraseFits(text)))
		case 7, 8:
			text, fits := w.from(a)
			if w.chance(20) {
				parts, a.fits = append(parts, "-"+text), append(a.fits, not(fits))
			} else {
				parts, from = append(parts, text), append(from, fits)
			}
		case 9:
			text, fits := w.in()
			if w.chance(20) {
				parts, a.fits = append(parts, "-"+text), append(a.fits, not(fits))
			} else {
				parts, in = append(parts, text), append(in, fits)
			}
		case 10:
			text, fits := "has:link", func(m *searchedRow) bool { return strings.Contains(m.Content, "https://") }
			switch w.rnd.IntN(4) {
			case 0:
				text, fits = "has:mention", func(m *searchedRow) bool { return m.Mentions != "" }
			case 1:
				text, fits = "has:reply", func(m *searchedRow) bool { return m.RootID != "" }
			case 2:
				text, fits = "has:file", func(m *searchedRow) bool { return m.Files != "" }
			}
			if w.chance(30) {
				text, fits = "-"+text, not(fits)
			}
			parts, a.fits = append(parts, text), append(a.fits, fits)
		case 11:
			at := w.messages[oneOfThem(w, slices.Sorted(maps.Keys(w.messages)))].CreatedAt
			text, fits := "before:", func(m *searchedRow) bool { return m.CreatedAt.Before(at) }
			if w.chance(50) {
				text, fits = "after:", func(m *searchedRow) bool { return !m.CreatedAt.Before(at) }
			}
			parts, a.fits = append(parts, text+at.Format(time.RFC3339Nano)), append(a.fits, fits)
		}
	}
	for _, some := range [][]func(*searchedRow) bool{from, in} {
		if len(some) > 0 {
			a.fits = append(a.fits, func(m *searchedRow) bool {
				return slices.ContainsFunc(some, func(fits func(*searchedRow) bool) bool { return fits(m) })
			})
		}
	}
	a.query.Text = strings.Join(parts, " ") + " "
	if w.chance(30) { // the beginning of a word, while it is typed
		text := oneOfThem(w, []string{"h", "he", "hea", "heat", "en", "ener", "énerg", "la", "te", "tea", "law"})
		a.query.Text += text
		a.fits = append(a.fits, startFits(text))
	}
	if w.chance(15) {
		room := oneOfThem(w, w.rooms)
		if w.may[[2]string{a.who.User.ID, room.ID}] {
			a.query.RoomID = room.ID
			a.fits = append(a.fits, func(m *searchedRow) bool { return m.RoomID == room.ID })
		}
	}
	if w.chance(15) {
		i := w.rnd.IntN(len(w.classes))
		a.query.CourseID = w.classes[i].Course.ID
		a.fits = append(a.fits, func(m *searchedRow) bool {
			return slices.ContainsFunc(w.rooms[3*i:3*i+3], func(r *store.Room) bool { return r.ID == m.RoomID })
		})
	}
	return a
}

func not(fits func(*searchedRow) bool) func(*searchedRow) bool {
	return func(m *searchedRow) bool { return !fits(m) }
}

func phraseFits(text string) func(*searchedRow) bool {
	var look []string
	for _, word := range words.Split(text) {
		look = append(look, word.Text)
	}
	return func(m *searchedRow) bool {
		for i := range m.words {
			if i+len(look) <= len(m.words) && slices.Equal(m.words[i:i+len(look)], look) {
				return true
			}
		}
		return false
	}
}

func startFits(text string) func(*searchedRow) bool {
	start := words.Split(text)[0].Text
	return func(m *searchedRow) bool {
		return slices.ContainsFunc(m.words, func(word string) bool { return word == start || len(start) > 1 && strings.HasPrefix(word, start) })
	}
}

// from asks for who wrote it. A name means the people around, and agents as they were called.
func (w *searchWorld) from(a *searchAsked) (string, func(*searchedRow) bool) {
	switch p := oneOfThem(w, w.people); w.rnd.IntN(5) {
	case 0:
		return "from:me", func(m *searchedRow) bool { return m.SenderID == a.who.User.ID }
	case 1:
		return "from:agent", func(m *searchedRow) bool { return m.ByAgent() }
	case 2:
		return "from:" + p.User.ID, func(m *searchedRow) bool { return m.SenderID == p.User.ID }
	case 3:
		name := oneOfThem(w, []string{"darwin", "Tutor", `"Curie"`})
		return "from:" + name, func(m *searchedRow) bool {
			return strings.Contains(strings.ToLower(m.AgentName), strings.ToLower(strings.Trim(name, `"`)))
		}
	}
	name := oneOfThem(w, []string{"Kim", "Lou", "Alpha", "kim beta"})
	return `from:"` + name + `"`, func(m *searchedRow) bool {
		i := slices.IndexFunc(w.people, func(p *app.Actor) bool { return p.User.ID == m.SenderID })
		if i < 0 || !w.around(a.who, w.people[i]) {
			return false
		}
		own := strings.Fields(strings.ToLower(*w.people[i].User.FullName))
		for _, word := range strings.Fields(strings.ToLower(name)) {
			if !slices.Contains(own, word) {
				return false
			}
		}
		return true
	}
}

// around tells whether two may be in one room.
func (w *searchWorld) around(who, other *app.Actor) bool {
	if who.User.Role == app.RoleAdmin {
		return true
	}
	return slices.ContainsFunc(w.rooms, func(r *store.Room) bool {
		return w.may[[2]string{who.User.ID, r.ID}] && other.User.Role != app.RoleAdmin && w.may[[2]string{other.User.ID, r.ID}]
	})
}

// in asks for a room by its id, its name or a part of it.
func (w *searchWorld) in() (string, func(*searchedRow) bool) {
	room := oneOfThem(w, w.rooms)
	fits := func(m *searchedRow) bool { return m.RoomID == room.ID }
	text := `in:"` + strings.ToLower(room.Name) + `"`
	switch w.rnd.IntN(3) {
	case 0:
		text = "in:" + room.ID
	case 1:
		part, _, _ := strings.Cut(room.Name, " ")
		text = "in:" + part
		fits = func(m *searchedRow) bool {
			return slices.ContainsFunc(w.rooms, func(r *store.Room) bool { return r.ID == m.RoomID && strings.HasPrefix(r.Name, part) })
		}
	}
	return text, fits
}

func (w *searchWorld) compare(a *searchAsked) {
	w.t.Helper()
	var want []string
	for id, m := range w.messages {
		ok := w.may[[2]string{a.who.User.ID, m.RoomID}] && m.DeletedAt.IsZero() && m.HiddenAt.IsZero()
		for _, fits := range a.fits {
			ok = ok && fits(m)
		}
		if ok {
			want = append(want, id)
		}
	}
	var got []string
	at := time.Time{}
	for q := a.query; ; {
		out, err := w.r.SearchMessages(w.t.Context(), a.who, q)
		if err != nil {
			w.t.Errorf("%s looks for %q: %v", a.who.User.Name(), a.query.Text, err)
			return
		}
		for _, f := range out.Messages {
			got = append(got, f.MessageID)
			if !q.Best && !at.IsZero() && f.CreatedAt.After(at.Add(time.Millisecond)) {
				w.t.Errorf("%s looks for %q: %v comes behind %v", a.who.User.Name(), a.query.Text, f.CreatedAt, at)
			}
			at = f.CreatedAt
		}
		if out.Next == nil {
			break
		}
		q.Below = *out.Next
	}
	if len(got) > 0 {
		w.hits++
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		show := func(ids, others []string) (texts []string) {
			for _, id := range ids {
				if !slices.Contains(others, id) {
					m := w.messages[id]
					texts = append(texts, fmt.Sprintf("%q in %s, %s", m.Content, m.RoomID, m.State()))
				}
			}
			return texts
		}
		w.t.Errorf("%s (%s) looks for %q (%+v): found and should not: %q; not found: %q", a.who.User.Name(), a.who.User.Role, a.query.Text, a.query,
			show(got, want), show(want, got))
	}
}
