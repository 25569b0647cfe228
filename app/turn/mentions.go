package turn

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/mention"
	"github.com/coagent-studio/coagent/store"
)

// This file finds out whom a message calls by an "@", people and agents alike, and keeps
// what this process knows of the people of rooms. Whom of the agents a message makes speak
// is decided by package turntaking alone.

const (
	// maxCallable bounds the people of a room who can be called.
	maxCallable = 5000
	// peopleFor is how long the people of a room are known. A change of them forgets them
	// at once on this node, and on others when they hear of it; this is for what they miss.
	peopleFor = time.Minute
	// maxKnownPeople bounds the people who are known, of all rooms together.
	maxKnownPeople = 50_000
)

// everyoneID is the id of the words that call everybody. It is no person's.
const everyoneID = "everyone"

// everyoneWords call everybody who may be in a room. The documentation lists them.
//
//nolint:gochecknoglobals // a table
var everyoneWords = func() *mention.Names {
	var words []mention.Agent
	for _, word := range []string{"everyone", "all", "所有人", "大家"} {
		words = append(words, mention.Agent{ID: everyoneID, Name: word})
	}
	return mention.Of(words)
}()

// Calling says how the mentions of a message are found.
type Calling struct {
	// Meant are the ids of those who are meant where several have the same name.
	Meant []string
	// Earlier are whom the message called before it was edited: they may be called by the
	// names that they had then.
	Earlier []event.Mention
	// Everyone says that the author may call everybody.
	Everyone bool
	// People says that only people may be called.
	People bool
}

// Call finds out whom a message calls, and sets its Mentions and Called. It returns whom
// the text or c.Meant names without calling them. q reads what is not known.
func (e *Engine) Call(ctx context.Context, q store.Queries, room *store.Room, m *store.Message, c Calling) (not []event.Mention, err error) {
	m.Mentions, m.Called = "", store.Called{}
	var found []event.Mention
	if mention.HasAt(m.Content) && room.ThreadID == "" {
		people, err := e.people.of(ctx, q, room, e.now())
		if err != nil {
			return nil, err
		}
		var agents []store.RoomAgent
		if !c.People {
			if agents, err = e.agentsOf(ctx, room); err != nil {
				return nil, err
			}
		}
		found, not = callsOf(m.Content, people, agents, c)
	}
	for _, id := range c.Meant {
		named := func(it event.Mention) bool { return it.ID == id }
		if !slices.ContainsFunc(found, named) && !slices.ContainsFunc(not, named) {
			not = append(not, event.Mention{Kind: event.MentionPerson, ID: id})
		}
	}
	for _, it := range found {
		switch it.Kind {
		case event.MentionPerson:
			m.Called.People = append(m.Called.People, it.ID)
		case event.MentionEveryone:
			m.Called.Everyone = true
		}
	}
	if len(found) > 0 {
		m.Mentions = store.ToJSON(found)
	}
	return not, nil
}

// callsOf returns whom a text calls, in the order of the calls, and whom it names without
// calling them.
func callsOf(text string, people *roomPeople, agents []store.RoomAgent, c Calling) (found, not []event.Mention) {
	var named, earlier []mention.Agent
	by := map[string]event.Mention{everyoneID: {Kind: event.MentionEveryone}}
	for i := range agents {
		ag := agents[i].Agent
		named = append(named, mention.Agent{ID: ag.ID, Name: ag.Name, Type: ag.Type})
		by[ag.ID] = event.Mention{Kind: event.MentionAgent, ID: ag.ID, Name: ag.Name}
	}
	for _, it := range c.Earlier {
		if people.shown[it.ID] != "" && it.Kind == event.MentionPerson {
			earlier = append(earlier, mention.Agent{ID: it.ID, Name: it.Name})
		}
	}
	for _, ids := range mention.ByName(text, people.names, mention.Of(earlier), mention.Of(named), everyoneWords) {
		for _, id := range people.meant(ids, c.Meant) {
			it, known := by[id]
			if !known {
				it = event.Mention{Kind: event.MentionPerson, ID: id, Name: people.shown[id]}
			}
			same := func(other event.Mention) bool { return other.Kind == it.Kind && other.ID == it.ID }
			switch {
			case slices.ContainsFunc(found, same) || slices.ContainsFunc(not, same):
			case len(found) == event.MaxMentions, id == everyoneID && !c.Everyone:
				not = append(not, it)
			default:
				found = append(found, it)
			}
		}
	}
	return found, not
}

// meant are those of the ids of a name who are called. Of several people with this name
// that are those whom the author has chosen, or all of them: nobody is passed over because
// of a namesake. A type that several agents have means the first.
func (p *roomPeople) meant(ids, chosen []string) []string {
	var meant, out []string
	agent := false
	for _, id := range ids {
		if slices.Contains(chosen, id) {
			meant = append(meant, id)
		}
		switch person := p.shown[id] != ""; {
		case person:
			out = append(out, id)
		case id == everyoneID && len(out) == 0 && !agent:
			out = append(out, id)
		case id != everyoneID && !agent:
			out, agent = append(out, id), true
		}
	}
	if len(meant) > 0 {
		return meant
	}
	return out
}

// roomPeople are the people who may be in a room.
type roomPeople struct {
	courseID string
	read     time.Time
	shown    map[string]string // their names as others see them, by their ids
	names    *mention.Names
}

// knownPeople is a cache of the people of rooms, by the ids of the rooms. A full one drops
// any room.
type knownPeople struct {
	mu    sync.Mutex
	epoch uint64 // increases with every change
	rooms map[string]*roomPeople
	size  int // people in all rooms
}

// of returns the people of a room.
func (k *knownPeople) of(ctx context.Context, q store.Queries, room *store.Room, now time.Time) (*roomPeople, error) {
	k.mu.Lock()
	p, epoch := k.rooms[room.ID], k.epoch
	k.mu.Unlock()
	if p != nil && now.Sub(p.read).Abs() < peopleFor {
		return p, nil
	}
	rows, err := q.PeopleToCall(ctx, room.ID, maxCallable)
	if err != nil {
		return nil, err
	}
	p = &roomPeople{courseID: room.CourseID, read: now, shown: make(map[string]string, len(rows))}
	named := make([]mention.Agent, 0, len(rows))
	for i := range rows {
		u := &rows[i]
		name := event.ShownName(u.Name())
		p.shown[u.ID] = name
		if name == u.Name() { // others see it, so they can write it
			named = append(named, mention.Agent{ID: u.ID, Name: name})
		}
	}
	p.names = mention.Of(named)
	k.keep(room.ID, p, epoch)
	return p, nil
}

// keep keeps the people of a room, unless something has changed since epoch: they may have
// been read before that.
func (k *knownPeople) keep(roomID string, p *roomPeople, epoch uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.epoch != epoch {
		return
	}
	if k.rooms == nil {
		k.rooms = map[string]*roomPeople{}
	}
	k.drop(roomID)
	for other := range k.rooms {
		if len(k.rooms) < maxKnown && k.size+len(p.shown) <= maxKnownPeople {
			break
		}
		k.drop(other)
	}
	k.rooms[roomID] = p
	k.size += len(p.shown)
}

func (k *knownPeople) drop(roomID string) {
	if p := k.rooms[roomID]; p != nil {
		k.size -= len(p.shown)
		delete(k.rooms, roomID)
	}
}

// ForgetPeople forgets the people of the rooms and courses among these ids, and of all
// rooms of the people among them. Without ids it forgets everybody.
func (e *Engine) ForgetPeople(ids ...string) {
	k := &e.people
	k.mu.Lock()
	defer k.mu.Unlock()
	k.epoch++
	for roomID, p := range k.rooms {
		if len(ids) == 0 || slices.ContainsFunc(ids, func(id string) bool { return id == roomID || id == p.courseID || p.shown[id] != "" }) {
			k.drop(roomID)
		}
	}
}
