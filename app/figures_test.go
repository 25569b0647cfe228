package app_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func inTaipei(c *config.Config) {
	c.Timezone = "Asia/Taipei"
	c.Limits.PostsPerMinute, c.Limits.PostsBurst, c.Limits.EditsPerMinute = 100_000, 100_000, 100_000
}

// plainCount counts the shown messages of a room one by one, by day and speaker.
func plainCount(t *testing.T, r *apptest.Rig, roomID string) map[string][2]int64 {
	t.Helper()
	all, err := r.DB.MessagesAfter(t.Context(), roomID, 0, 100_000)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string][2]int64{}
	for _, m := range all {
		if m.State() != store.MessageShown {
			continue
		}
		kind, who := store.SpeakerPerson, m.SenderID
		if m.ByAgent() {
			kind, who = store.SpeakerAgent, m.AgentName
		} else if m.ByBot() {
			kind = store.SpeakerBot
		}
		key := fmt.Sprint(m.CreatedAt.In(r.Config.Location()).Format(time.DateOnly), " ", kind, " ", who)
		n := counts[key]
		counts[key] = [2]int64{n[0] + 1, n[1] + int64(store.CountWords(m.Content))}
	}
	return counts
}

// keptCount is the same as the database has added it up.
func keptCount(t *testing.T, r *apptest.Rig, courseID, roomID string) map[string][2]int64 {
	t.Helper()
	of := store.TalkQuery{CourseID: courseID, RoomID: roomID, From: "0000-01-01", To: "9999-12-31"}
	days, err := r.DB.TalkBy(t.Context(), of, "day", 1000)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string][2]int64{}
	for _, d := range days {
		of.From, of.To = d.Day, d.Day
		sums, err := r.DB.TalkBy(t.Context(), of, "speaker", 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range sums {
			counts[fmt.Sprint(d.Day, " ", s.Kind, " ", s.Who)] = [2]int64{s.Messages, s.Words}
		}
	}
	return counts
}

func sameCounts(t *testing.T, r *apptest.Rig, c *apptest.Class, when string) {
	t.Helper()
	if got, want := keptCount(t, r, c.Course.ID, c.Room.ID), plainCount(t, r, c.Room.ID); !maps.Equal(got, want) || len(want) == 0 {
		t.Errorf("%s: got %v, want %v", when, got, want)
	}
}

// Whatever happens to messages, several people at once, the figures are those of a plain
// count; and they are so again after everything is counted anew while people go on.
func TestFiguresAreAPlainCount(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url, inTaipei)
		c := r.Class(t)
		ctx, texts := t.Context(), []string{"one two", "老師 好", "don't 3.14 stop", "!", "こんにちは world", strings.Repeat("a ", 100)}
		people := []*app.Actor{c.Student, c.TA, c.Teacher}
		history := func(seed uint64, who *app.Actor, steps int) {
			dice := rand.New(rand.NewPCG(seed, seed)) //nolint:gosec // a test repeats its histories
			var mine []string
			for range steps {
				if len(mine) == 0 || dice.IntN(3) == 0 {
					p, err := r.PostMessage(ctx, who, c.Room.ID, texts[dice.IntN(len(texts))], store.NewID())
					if err != nil {
						t.Error(err)
						return
					}
					mine = append(mine, p.Message.ID)
					continue
				}
				id := mine[dice.IntN(len(mine))]
				switch dice.IntN(6) { // what is not possible now is refused, and changes nothing
				case 0:
					_, _ = r.EditMessage(ctx, who, c.Room.ID, id, texts[dice.IntN(len(texts))])
				case 1:
					_ = r.DeleteMessage(ctx, who, c.Room.ID, id)
				case 2:
					_, _ = r.RestoreMessage(ctx, who, c.Room.ID, id)
				case 3:
					_, _ = r.HideMessage(ctx, c.Teacher, c.Room.ID, id)
				case 4:
					_, _ = r.ShowMessage(ctx, c.Teacher, c.Room.ID, id)
				case 5:
					r.Advance(time.Hour)
				}
			}
		}
		together := func(seed uint64) {
			var all sync.WaitGroup
			for i, who := range people {
				all.Go(func() { history(seed+uint64(i), who, 60) })
			}
			all.Wait()
		}
		say := func(text string) {
			err := r.DB.InTx(ctx, func(tx *store.Tx) error {
				m := &store.Message{ID: store.NewID(), RoomID: c.Room.ID, AgentID: c.TeacherAgent.ID, AgentType: "custom", AgentName: "Dora", Content: text, CreatedAt: r.Now()}
				seq, err := tx.NextSeq(ctx, c.Room.ID, time.Time{})
				if m.Seq = seq; err != nil {
					return err
				}
				_, err = tx.CreateMessage(ctx, m)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		say("an agent speaks")
		together(1)
		sameCounts(t, r, c, "after a history")
		r.Exec(t, "UPDATE messages SET day = NULL, word_count = NULL")
		if got := keptCount(t, r, c.Course.ID, c.Room.ID); len(got) != 0 {
			t.Errorf("got %v of messages that are not counted", got)
		}
		var all sync.WaitGroup
		all.Go(func() { together(10) })
		count := func() {
			for done := false; !done && !t.Failed(); {
				if err := r.DB.InTx(ctx, func(tx *store.Tx) (err error) { done, err = tx.CountTalk(ctx, 7); return err }); err != nil {
					t.Error(err)
				}
			}
		}
		count()
		all.Wait()
		count()
		sameCounts(t, r, c, "counted anew while people went on")
		if _, _, err := r.DeleteUser(ctx, c.Admin, c.Student.User.ID, false); err != nil {
			t.Fatal(err)
		}
		sameCounts(t, r, c, "without somebody who is gone")
		theirs, err := r.DB.MessagesAfter(ctx, c.Room.ID, 0, 100_000)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range theirs[:len(theirs)/2] {
			if m.ByPerson() && m.SenderID == "" && m.State() == store.MessageShown {
				if _, err := r.HideMessage(ctx, c.Teacher, c.Room.ID, m.ID); err != nil {
					t.Fatal(err)
				}
			}
		}
		sameCounts(t, r, c, "with messages hidden of somebody who is gone")
	})
}

func TestFigures(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url, inTaipei)
		c := r.Class(t)
		ctx := t.Context()
		for _, text := range []string{"one two three", "四"} {
			post(t, r, c.Student, c.Room.ID, text)
		}
		r.Advance(72 * time.Hour)
		post(t, r, c.Teacher, c.Room.ID, "and a word")
		f, err := r.Figures(ctx, c.TA, app.FiguresQuery{CourseID: c.Course.ID})
		if err != nil {
			t.Fatal(err)
		}
		if f.Messages != 3 || f.Words != 7 || f.Days != 2 || f.Zone != "Asia/Taipei" || f.Counting || f.LongestSilence != 2 || f.SilentDays != 2 {
			t.Errorf("got %+v", f)
		}
		if len(f.People) != 2 || f.People[0].Name != "Sue" || f.People[0].Share != 4.0/7 || f.People[1].Words != 3 || len(f.PerDay) != 2 || len(f.PerRoom) != 1 {
			t.Errorf("got %+v", f)
		}
		if len(f.Silent) != 1 || f.Silent[0].User.Name() != "Tom" {
			t.Errorf("got silent %+v, want the one who said nothing", f.Silent)
		}
		last := f.PerDay[1].Day
		if day, err := r.Figures(ctx, c.Admin, app.FiguresQuery{CourseID: c.Course.ID, RoomID: c.Room.ID, From: last, To: last}); err != nil ||
			day.Words != 3 || len(day.Silent) != 2 || day.LongestSilence != 0 {
			t.Errorf("got %+v, %v", day, err)
		}
		// Days before there was a course and days to come are not silent.
		at := r.Now().In(time.FixedZone("", 8*3600))
		wide := app.FiguresQuery{CourseID: c.Course.ID, From: at.AddDate(0, 0, -60).Format(time.DateOnly), To: at.AddDate(0, 0, 60).Format(time.DateOnly)}
		for _, wide.RoomID = range []string{"", c.Room.ID} {
			if f, err := r.Figures(ctx, c.Teacher, wide); err != nil || f.Days != 2 || f.SilentDays != 2 || f.LongestSilence != 2 {
				t.Errorf("in room %q: got %+v, %v, want two silent days", wide.RoomID, f, err)
			}
		}
		for _, who := range []*app.Actor{c.Student, c.Outsider} {
			_, err := r.Figures(ctx, who, app.FiguresQuery{CourseID: c.Course.ID})
			refused(t, err, app.KindForbidden, "", "")
		}
		for _, q := range []app.FiguresQuery{{From: "x"}, {From: "2026-02-30"}, {From: "2026-02-02", To: "2026-02-01"}, {From: "2020-01-01", To: "2026-02-01"}, {To: "\x00"}, {To: "9999-12-31"}, {From: "0000-01-01"}} {
			q.CourseID = c.Course.ID
			_, err := r.Figures(ctx, c.Teacher, q)
			refused(t, err, app.KindInvalid, "", "")
		}
		if err := r.DB.InTx(ctx, func(tx *store.Tx) error {
			for agent, cost := range map[string]int64{c.TeacherAgent.ID: 21_145_000, store.NewID(): 5} {
				if err := tx.CreateUsage(ctx, &store.Usage{ID: store.NewID(), Origin: "turn", AgentID: agent, CourseID: c.Course.ID, RoomID: c.Room.ID, Provider: "openai",
					Model: "m", State: store.UsageSettled, Outcome: "ok", Basis: store.BasisReported, InputTokens: 7, Cost: cost, Currency: "USD", Day: last, StartedAt: r.Now()}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		paid, err := r.Figures(ctx, c.Teacher, app.FiguresQuery{CourseID: c.Course.ID})
		if err != nil || len(paid.Agents) != 2 || len(paid.Agents[0].Costs) != 1 || len(paid.Agents[1].Costs) != 1 {
			t.Fatalf("got %+v, %v, want two agents, one of which is gone", paid, err)
		}
		for _, agent := range paid.Agents {
			if want := map[string]int64{c.TeacherAgent.Name: 21_145_000, "": 5}[agent.Name]; agent.Costs[0].Cost != want || agent.Costs[0].InputTokens != 7 {
				t.Errorf("got %+v, want it to cost %d", agent, want)
			}
		}
		other, err := r.CreateCourse(ctx, c.Teacher, "Other", nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Figures(ctx, c.Teacher, app.FiguresQuery{CourseID: other.ID, RoomID: c.Room.ID})
		refused(t, err, app.KindNotFound, "", "Room not found")
	})
}

func TestCountWords(t *testing.T) {
	t.Parallel()
	words := map[string]int{"": 0, "...": 0, "one": 1, "one two": 2, "don't stop": 2, "3.14": 1, "老師好": 3, "老師 hi": 3, "カタカナ": 4, "안녕 하세요": 2,
		"end. Begin": 2, "a-b c": 2, "e\u0301te\u0301": 1, "x\x00y": 2, "\xff\xfe": 0}
	for _, text := range slices.Sorted(maps.Keys(words)) {
		if got := store.CountWords(text); got != words[text] {
			t.Errorf("%q: got %d, want %d", text, got, words[text])
		}
	}
}
