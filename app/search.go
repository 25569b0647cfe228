package app

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/search"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/words"
)

// The bounds of a search.
const (
	// searchedChars is how much of a text is looked at for its excerpt and its rank.
	searchedChars = 20_000
	rankedChars   = 2_000
	// ranked is how many of the newest messages that are found are put into the order of the
	// best.
	ranked = 300
	// searchFor is the longest time of one search.
	searchFor = 5 * time.Second
	// mostNamed is how many people or rooms a name in a search may mean, and mostLooked how
	// many people with these letters in their names are looked at for it.
	mostNamed  = 50
	mostLooked = 1000
)

// MessageQuery is a search for messages.
type MessageQuery struct {
	Text     string
	RoomID   string // "" for all
	CourseID string // "" for all
	Best     bool   // the best first instead of the newest
	Zone     *time.Location
	Below    SearchCursor
	Limit    int
}

// SearchCursor is where a list of found messages goes on. Its zero value is the beginning.
// Of the best, Skip says how many have been read, and Place where the list began.
type SearchCursor struct {
	Place store.SearchPlace
	Skip  int
}

// FoundMessage is a message that was found.
type FoundMessage struct {
	SaidThere
	Marks []search.Mark // what was looked for, in the excerpt
}

// FoundMessages are a part of a list of them. Next is nil when it is the last one.
type FoundMessages struct {
	Messages []FoundMessage
	Next     *SearchCursor
	Backfill *store.Backfill // nil when all messages can be found
}

// SearchMessages finds messages that the actor may read now, by their words and by what
// the operators of the query ask for. Deleted and hidden messages and threads are never
// found.
func (a *App) SearchMessages(ctx context.Context, actor *Actor, mq MessageQuery) (*FoundMessages, error) {
	if err := Check(actor, ActFindMessages, Resource{}); err != nil {
		return nil, err
	}
	now := a.instant()
	q, err := search.Parse(mq.Text, mq.Zone, now)
	if err != nil {
		return nil, invalid("q", "%s", err)
	}
	if err := a.limits.searches.spend(ctx, actor.User.ID); err != nil {
		return nil, err
	}
	if mq.RoomID != "" {
		if _, _, err := a.roomAccess(ctx, actor, mq.RoomID, ActReadHistory); err != nil {
			return nil, err
		}
	}
	if mq.CourseID != "" {
		// Not whether the actor is in it: who is a guest of one room alone finds what was said there.
		if _, err := a.courseAccess(ctx, actor, mq.CourseID); KindOf(err) == KindNotFound {
			return nil, notFoundAs("course_id", notFound("Course"))
		} else if err != nil {
			return nil, err
		}
	}
	out, within := &FoundMessages{}, ctx
	ctx, cancel := context.WithTimeout(ctx, searchFor)
	defer cancel()
	err = a.limits.searching.Do(ctx, func() error {
		s := store.MessageSearch{Phrases: q.Phrases, Without: q.Without, From: q.Since, Until: q.Until, CourseID: mq.CourseID, Now: now}
		none, err := a.resolve(ctx, actor, q, mq.RoomID, &s)
		if err != nil {
			return err
		}
		if out.Backfill, err = a.db.SearchBackfill(ctx); err != nil || none {
			return err
		}
		if mq.Best {
			return a.best(ctx, actor, q, s, mq, out)
		}
		return a.newest(ctx, actor, q, s, mq, out)
	})
	if err != nil && ctx.Err() != nil && within.Err() == nil {
		return nil, errorf(KindUnavailable, wording.Timeout, "The search takes too long now. Ask for rarer words, one room, or a shorter time, or try again later.")
	}
	return out, err
}

func (a *App) newest(ctx context.Context, actor *Actor, q *search.Query, s store.MessageSearch, mq MessageQuery, out *FoundMessages) error {
	s.Below, s.Limit, s.Chars = mq.Below.Place, mq.Limit+1, searchedChars
	rows, err := a.db.FindMessages(ctx, actor.reader(), s)
	if err != nil {
		return err
	}
	if len(rows) > mq.Limit {
		rows = rows[:mq.Limit]
		out.Next = &SearchCursor{Place: rows[len(rows)-1].Place()}
	}
	out.Messages = shownFound(q, rows)
	return nil
}

// best ranks the newest messages that are found. Its pages begin at the same message, so
// that new ones do not move what was read.
func (a *App) best(ctx context.Context, actor *Actor, q *search.Query, s store.MessageSearch, mq MessageQuery, out *FoundMessages) error {
	s.Below, s.Limit, s.Chars = mq.Below.Place, ranked, rankedChars
	rows, err := a.db.FindMessages(ctx, actor.reader(), s)
	if err != nil || len(rows) == 0 {
		return err
	}
	top := mq.Below.Place
	if top.ID == "" {
		top = store.SearchPlace{Pos: rows[0].SearchPos + 1, ID: uuid.Max.String()}
	}
	scores := make(map[string]float64, len(rows))
	for i := range rows {
		scores[rows[i].MessageID] = q.Score(rows[i].Content)
	}
	slices.SortStableFunc(rows, func(x, y store.FoundMessage) int { return cmp.Compare(scores[y.MessageID], scores[x.MessageID]) })
	rows = rows[min(mq.Below.Skip, len(rows)):]
	if len(rows) > mq.Limit {
		rows = rows[:mq.Limit]
		out.Next = &SearchCursor{Place: top, Skip: mq.Below.Skip + mq.Limit}
	}
	out.Messages = shownFound(q, rows)
	return nil
}

func shownFound(q *search.Query, rows []store.FoundMessage) []FoundMessage {
	all := make([]FoundMessage, len(rows))
	for i := range rows {
		f := &rows[i]
		all[i].SaidThere = SaidThere{Found: f.Found, Sender: event.ShownName(event.SenderName(f.Message()))}
		all[i].Excerpt, all[i].Marks = q.Excerpt(f.Content)
	}
	return all
}

// resolve turns the names of a query into what is stored of messages. none says that a
// name means nobody and nothing, so that no message can be found.
func (a *App) resolve(ctx context.Context, actor *Actor, q *search.Query, roomID string, s *store.MessageSearch) (none bool, err error) {
	for _, has := range q.Has {
		s.Facts = append(s.Facts, factOf(has))
	}
	for _, has := range q.HasNot {
		s.WithoutFacts = append(s.WithoutFacts, factOf(has))
	}
	if s.Senders, err = a.senders(ctx, actor, q.From); err != nil {
		return false, err
	}
	if s.NotSenders, err = a.senders(ctx, actor, q.NotFrom); err != nil {
		return false, err
	}
	if len(q.In) > 0 {
		if s.RoomIDs, err = a.roomsNamed(ctx, actor, q.In); err != nil || len(s.RoomIDs) == 0 {
			return true, err
		}
	}
	if roomID != "" {
		if len(q.In) > 0 && !slices.Contains(s.RoomIDs, roomID) {
			return true, nil
		}
		s.RoomIDs = []string{roomID}
	}
	if len(q.NotIn) > 0 {
		s.NotRoomIDs, err = a.roomsNamed(ctx, actor, q.NotIn)
	}
	return false, err
}

func factOf(has string) string {
	switch has {
	case search.HasMention:
		return words.FactMention
	case search.HasReply:
		return words.FactReply
	case search.HasFile:
		return words.FactFile
	}
	return words.FactLink
}

// senders are those who are meant, each as the facts that their messages have.
func (a *App) senders(ctx context.Context, actor *Actor, who []search.Person) (groups [][]string, err error) {
	for _, p := range who {
		switch {
		case p.Me:
			groups = append(groups, []string{words.FactSender(actor.User.ID)})
		case p.Agent:
			groups = append(groups, []string{words.FactAgent})
		case p.Bot:
			groups = append(groups, []string{words.FactBot})
		case p.ID != "":
			groups = append(groups, []string{words.FactSender(p.ID)}, []string{words.FactAgentID(p.ID)})
		default:
			named, err := a.sendersNamed(ctx, actor, p.Name)
			if err != nil {
				return nil, err
			}
			groups = append(groups, named...)
		}
	}
	return groups, nil
}

// sendersNamed are the people around the actor who have a name, and the agents and bots
// that had it when they wrote.
func (a *App) sendersNamed(ctx context.Context, actor *Actor, name string) ([][]string, error) {
	people, err := a.db.PeopleAround(ctx, actor.reader(), name, mostLooked+1)
	if err != nil {
		return nil, err
	}
	unsure := len(people) > mostLooked
	people = slices.DeleteFunc(people, func(u store.User) bool { return !hasName(&u, name) })
	if unsure || len(people) > mostNamed {
		return nil, invalid("q", "from:%s means more than %d people; write more of the name, or the id", name, mostNamed)
	}
	var then []string
	for _, w := range words.Split(name) {
		then = append(then, words.FactName(w.Text))
	}
	groups := [][]string{then}
	for i := range people {
		groups = append(groups, []string{words.FactSender(people[i].ID)})
	}
	return groups, nil
}

// hasName tells whether the words of a name are all in a person's name or user name.
func hasName(u *store.User, name string) bool {
	var own []string
	for _, text := range []*string{u.FullName, u.Username} {
		if text != nil {
			for _, w := range words.Split(*text) {
				own = append(own, w.Text)
			}
		}
	}
	if len(own) == 0 {
		return strings.EqualFold(u.Name(), name)
	}
	for _, w := range words.Split(name) {
		if !slices.Contains(own, w.Text) {
			return false
		}
	}
	return true
}

// roomsNamed are the rooms of the actor that have these ids or names: with the whole name,
// or with a part of it if none has.
func (a *App) roomsNamed(ctx context.Context, actor *Actor, names []string) (ids []string, err error) {
	for _, name := range names {
		if id, err := uuid.Parse(name); err == nil {
			ids = append(ids, id.String())
			continue
		}
		rooms, err := a.db.RoomsNamed(ctx, actor.reader(), name, mostNamed+1)
		if err != nil {
			return nil, err
		}
		whole := slices.DeleteFunc(slices.Clone(rooms), func(r store.Room) bool { return !sameWords(r.Name, name) })
		if len(whole) > 0 {
			rooms = whole
		}
		if len(rooms) > mostNamed {
			return nil, invalid("q", "in:%s means more than %d rooms; write more of the name, or the id", name, mostNamed)
		}
		for i := range rooms {
			ids = append(ids, rooms[i].ID)
		}
	}
	return ids, nil
}

func sameWords(x, y string) bool {
	same := func(v, w words.Word) bool { return v.Text == w.Text }
	return slices.EqualFunc(words.Split(x), words.Split(y), same)
}
