package app

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/store"
)

// The most rows of each list of figures, and the longest period.
const (
	maxFigures     = 1000
	maxFiguresDays = 366
)

// FiguresQuery says which figures of a course to show. From and To are dates in the zone of
// the configuration, both included; without them it is the last 31 days.
type FiguresQuery struct {
	CourseID, RoomID, From, To string
}

// Figures are how much is said in a course. Hidden and deleted messages do not count.
type Figures struct {
	From, To, Zone   string
	Counting         bool // messages from before there were figures are still being counted
	Messages, Words  int64
	Days, SilentDays int // between From and To, on which something or nothing was said, see sumDays
	LongestSilence   int // the most days in a row on which nothing was
	People, Agents   []Speaker
	PerDay, PerRoom  []store.TalkSum
	Silent           []store.CourseMember
	SilentIsTheStart bool // there are more people in Silent than are listed
}

// Speaker is what one person, bot or agent said. Accounts that are gone are one, with a
// blank Who.
type Speaker struct {
	store.TalkSum
	Share float64 // of all words, 0 to 1
	// Costs are what the models of an agent used, by agent and currency: two agents may have
	// had the same name. Agents that are gone are one without a name.
	Costs []store.UsageSum
}

// Figures sums what was said in a course or in one of its rooms, for the course's staff.
func (a *App) Figures(ctx context.Context, actor *Actor, q FiguresQuery) (*Figures, error) {
	if _, err := a.courseRead(ctx, actor, q.CourseID, ActReadFigures); err != nil {
		return nil, err
	}
	of, err := a.talkQuery(q)
	if err != nil {
		return nil, err
	}
	begun, err := a.begun(ctx, q)
	if err != nil {
		return nil, err
	}
	f := &Figures{From: of.From, To: of.To, Zone: zoneName(a.cfg.Location(), a.now())}
	left, err := a.db.TalkBackfill(ctx)
	if err != nil {
		return nil, err
	}
	f.Counting = left != nil
	if f.PerDay, err = a.db.TalkBy(ctx, of, store.TalkByDay, maxFiguresDays); err != nil {
		return nil, err
	}
	zone := a.cfg.Location()
	f.sumDays(begun.In(zone).Format(time.DateOnly), a.now().In(zone).Format(time.DateOnly))
	if f.PerRoom, err = a.db.TalkBy(ctx, of, store.TalkByRoom, maxFigures); err != nil {
		return nil, err
	}
	if err := a.speakers(ctx, f, of); err != nil {
		return nil, err
	}
	f.Silent, err = a.db.SilentMembers(ctx, of, maxFigures+1)
	if f.SilentIsTheStart = len(f.Silent) > maxFigures; f.SilentIsTheStart {
		f.Silent = f.Silent[:maxFigures]
	}
	return f, err
}

// begun is when the course of a query was made, or its room.
func (a *App) begun(ctx context.Context, q FiguresQuery) (time.Time, error) {
	if q.RoomID == "" {
		c, err := a.db.Course(ctx, q.CourseID)
		if err != nil {
			return time.Time{}, fromStore(err, "Course")
		}
		return c.CreatedAt, nil
	}
	room, err := a.db.Room(ctx, q.RoomID)
	if err == nil && room.CourseID != q.CourseID {
		err = store.ErrNotFound
	}
	if err != nil {
		return time.Time{}, fromStore(err, "Room")
	}
	return room.CreatedAt, nil
}

// talkQuery checks a query and fills in its period.
func (a *App) talkQuery(q FiguresQuery) (of store.TalkQuery, err error) {
	of = store.TalkQuery{CourseID: q.CourseID, RoomID: q.RoomID}
	to, err := date("to", q.To, a.now().In(a.cfg.Location()))
	if err != nil {
		return of, err
	}
	from, err := date("from", q.From, to.AddDate(0, 0, 1-usageDays))
	if err != nil {
		return of, err
	}
	if from.After(to) {
		return of, invalid("to", "must not be before from")
	}
	if to.Sub(from) >= maxFiguresDays*24*time.Hour {
		return of, invalid("from", "must be at most %d days before to", maxFiguresDays-1)
	}
	of.From, of.To = from.Format(time.DateOnly), to.Format(time.DateOnly)
	return of, nil
}

// date reads a date; a blank one is the day of fallback.
func date(field, text string, fallback time.Time) (time.Time, error) {
	if text = strings.TrimSpace(text); text == "" {
		text = fallback.Format(time.DateOnly)
	}
	at, err := time.Parse(time.DateOnly, text)
	if err != nil || at.Year() < 1970 || at.Year() > 2999 {
		return at, invalid(field, "must be a date from 1970-01-01 to 2999-12-31, as YYYY-MM-DD")
	}
	return at, nil
}

// speakers fills in who said how much, and what agents cost.
func (a *App) speakers(ctx context.Context, f *Figures, of store.TalkQuery) error {
	sums, err := a.db.TalkBy(ctx, of, store.TalkBySpeaker, maxFigures)
	if err != nil {
		return err
	}
	for _, sum := range sums {
		s := Speaker{TalkSum: sum}
		if f.Words > 0 {
			s.Share = float64(sum.Words) / float64(f.Words)
		}
		switch {
		case sum.Kind == store.SpeakerAgent:
			f.Agents = append(f.Agents, s)
			continue
		case s.Who == "":
			s.Name = event.DeletedName
		}
		f.People = append(f.People, s)
	}
	return a.costsOfAgents(ctx, f, of)
}

// costsOfAgents adds what models of agents used to those who are called so now.
func (a *App) costsOfAgents(ctx context.Context, f *Figures, of store.TalkQuery) error {
	zone := a.cfg.Location()
	from, err := time.ParseInLocation(time.DateOnly, of.From, zone)
	if err != nil {
		return err
	}
	to, err := time.ParseInLocation(time.DateOnly, of.To, zone)
	if err != nil {
		return err
	}
	costs, err := a.db.UsageSums(ctx, store.UsageFilter{From: storable(from), Until: storable(to.AddDate(0, 0, 1)), CourseID: of.CourseID, RoomID: of.RoomID},
		store.UsageGroups["agent"], store.Page{Limit: maxFigures})
	if err != nil {
		return err
	}
	costs = slices.DeleteFunc(costs, func(u store.UsageSum) bool { return u.AgentID == "" })
	ids := make([]string, len(costs))
	for i := range costs {
		ids[i] = costs[i].AgentID
	}
	names, err := a.db.NamesOf(ctx, "agent", ids)
	for _, u := range costs {
		name := names[u.AgentID]
		at := slices.IndexFunc(f.Agents, func(s Speaker) bool { return s.Name == name })
		if at < 0 {
			at = len(f.Agents)
			f.Agents = append(f.Agents, Speaker{TalkSum: store.TalkSum{Kind: store.SpeakerAgent, Who: name, Name: name}})
		}
		f.Agents[at].Costs = append(f.Agents[at].Costs, u)
	}
	return err
}

// sumDays fills in what the days say together, and on how many nothing was said. No day is
// silent before there was a course or a room, nor one that is still to come.
func (f *Figures) sumDays(begun, today string) {
	said := make(map[string]bool, len(f.PerDay))
	for i := range f.PerDay {
		d := &f.PerDay[i]
		said[d.Day] = true
		f.Messages += d.Messages
		f.Words += d.Words
	}
	f.Days = len(said)
	streak := 0
	for at, err := time.Parse(time.DateOnly, f.From); err == nil && at.Format(time.DateOnly) <= f.To; at = at.AddDate(0, 0, 1) {
		switch day := at.Format(time.DateOnly); {
		case said[day]:
			streak = 0
			continue
		case day < begun || day > today:
			continue
		}
		streak++
		f.SilentDays++
		f.LongestSilence = max(f.LongestSilence, streak)
	}
}
