package turn

import (
	"context"
	"sync"
	"time"

	"github.com/coagent-studio/coagent/app/turntaking"
	"github.com/coagent-studio/coagent/store"
)

// What this process knows of the agents of rooms. It holds while the room's AgentsVersion
// is the same, which moves with every change of their rows. A turn and the decision before
// it read the rows once. The statement that stores a message compares the version again, so
// a post into a room whose agents stay silent reads nothing and starts no job.

const (
	maxKnown      = 2000     // rooms
	maxKnownBytes = 16 << 20 // of their agents' texts
)

// knownRooms is a cache by the ids of rooms. A full one drops any room: one that is used
// comes back with its next message.
type knownRooms struct {
	mu    sync.Mutex
	rooms map[string]*knownRoom
	size  int // of all rooms
}

type knownRoom struct {
	version int64
	rows    []store.RoomAgent // nobody may change them
	size    int
	hears   *turntaking.Known // nil until somebody posts
	until   time.Time         // when a change that an agent made itself ends; zero for never
}

func (k *knownRooms) get(id string) *knownRoom {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.rooms[id]
}

func (k *knownRooms) put(id string, room *knownRoom) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.rooms == nil {
		k.rooms = map[string]*knownRoom{}
	}
	k.drop(id)
	for other := range k.rooms {
		if len(k.rooms) < maxKnown && k.size+room.size <= maxKnownBytes {
			break
		}
		k.drop(other)
	}
	if room.size <= maxKnownBytes {
		k.rooms[id] = room
		k.size += room.size
	}
}

func (k *knownRooms) drop(id string) {
	if room := k.rooms[id]; room != nil {
		k.size -= room.size
		delete(k.rooms, id)
	}
}

// agentsOf returns the agents of a room with their settings there, which nobody may change.
// room was read before: a change in between makes what is read here too new for its
// version, never too old.
func (e *Engine) agentsOf(ctx context.Context, room *store.Room) ([]store.RoomAgent, error) {
	if known := e.known.get(room.ID); known != nil && known.version == room.AgentsVersion {
		return known.rows, nil
	}
	rows, err := e.db.RoomAgents(ctx, room.ID)
	if err == nil {
		e.known.put(room.ID, &knownRoom{version: room.AgentsVersion, rows: rows, size: sizeOf(rows)})
	}
	return rows, err
}

// sizeOf is about how many bytes the agents of a room take.
func sizeOf(rows []store.RoomAgent) (bytes int) {
	for i := range rows {
		ra, ag := &rows[i], rows[i].Agent
		bytes += 1024 + len(ra.TriggerConfig) + len(ra.ScheduleConfig) + len(ra.Override) + len(ag.SystemPrompt) + len(ag.Settings) +
			len(ag.TriggerConfig) + len(ag.ScheduleConfig) + len(ag.ExternalConfig) + len(ag.EncryptedSecrets) + len(ag.Capabilities)
	}
	return bytes
}

// Hearing says how the agents of a room treat a message of a person or a bot that is about
// to be stored, and sets the rolls that it makes for the message. room is as it was just read.
//
// Agents that are switched on later do not answer earlier messages, hence Unheard. If
// agents have to decide, a job does so within milliseconds. DecideAt is for a sweep,
// which finds the room if the job's worker dies.
func (e *Engine) Hearing(ctx context.Context, room *store.Room, m *store.Message) (store.Heard, error) {
	h := store.Heard{Unheard: !Listens(room), DecideAt: m.CreatedAt.Add(e.cfg.Turns.Lease)}
	if h.Unheard || turntaking.MayCall(m.Content) || m.ByBot() {
		return h, nil
	}
	known, r := e.known.get(room.ID), *RoomOf(room)
	stale := known == nil || known.hears == nil || known.version != room.AgentsVersion || !known.until.IsZero() && !m.CreatedAt.Before(known.until)
	var upTo int64
	var waits bool
	if !stale {
		upTo, waits = known.hears.Waits(r, m.CreatedAt)
		// The counts are too old to tell whether the message is the last one that an
		// agent waits for.
		stale = waits && upTo <= room.EventSeq
	}
	if stale {
		var err error
		if known, err = e.readKnown(ctx, room, m.CreatedAt); err != nil {
			return h, err
		}
		upTo, waits = known.hears.Waits(r, m.CreatedAt)
	}
	if !waits {
		return h, nil
	}
	rolls, hit := known.hears.Rolled(r, m.CreatedAt, e.rand)
	if len(rolls) > 0 {
		m.Rolls = store.ToJSON(rolls)
	}
	if !hit {
		h.Silent = &store.Silence{AgentsVersion: known.version, UpTo: upTo}
	}
	return h, nil
}

// readKnown finds out how the agents of a room treat messages.
func (e *Engine) readKnown(ctx context.Context, room *store.Room, now time.Time) (*knownRoom, error) {
	rows, err := e.agentsOf(ctx, room)
	if err != nil {
		return nil, err
	}
	known := &knownRoom{version: room.AgentsVersion, rows: rows, size: sizeOf(rows), hears: &turntaking.Known{AsOf: room.EventSeq}}
	for i := range rows {
		p := effectiveIn(&rows[i], now, e.zone)
		known.hears.Agents = append(known.hears.Agents, p)
		if until := rows[i].OverrideUntil; p.Overridden && !until.IsZero() && (known.until.IsZero() || until.Before(known.until)) {
			known.until = until
		}
	}
	if known.hears.Unread, err = e.unread(ctx, room.ID, known.hears.Agents, now); err != nil {
		return nil, err
	}
	e.known.put(room.ID, known)
	return known, nil
}

// unread counts by agent id the people's messages that agents have not read, for agents
// whose trigger needs the number.
func (e *Engine) unread(ctx context.Context, roomID string, agents []*turntaking.RoomAgent, now time.Time) (map[string]int, error) {
	var asked []store.Unread
	for _, p := range agents {
		if p.Trigger.Messages > 0 {
			asked = append(asked, store.Unread{RoomID: roomID, AgentID: p.ID, AfterSeq: p.ReadSeq, Since: p.Cleared(now)})
		}
	}
	counts, err := e.db.CountUnread(ctx, asked)
	by := make(map[string]int, len(counts))
	for k, n := range counts {
		by[k[1]] = n
	}
	return by, err
}

// Nobody says for each summary of silent messages why no agent has answered the last of
// them. It knows the agents' settings of now only.
func (e *Engine) Nobody(ctx context.Context, room *store.Room, rows []store.Decision) ([][]turntaking.Candidate, error) {
	agents, err := e.agentsOf(ctx, room)
	if err != nil {
		return nil, err
	}
	all := make([][]turntaking.Candidate, len(rows))
	for i, d := range rows {
		s := e.newSnapshot(room)
		s.Now, s.Room.PersonSeq, s.Room.PersonAt = d.CreatedAt, d.Seq, d.CreatedAt
		for j := range agents {
			if !agents[j].CreatedAt.After(d.CreatedAt) {
				s.Agents = append(s.Agents, effectiveIn(&agents[j], d.CreatedAt, e.zone))
			}
		}
		if s.Unread = nil; d.Seq == room.PersonSeq {
			s.Unread, err = e.unread(ctx, room.ID, s.Agents, d.CreatedAt)
		}
		if err != nil {
			return nil, err
		}
		all[i] = turntaking.Silent(&s.Snapshot, rollsOf(d.Candidates))
	}
	return all, nil
}
