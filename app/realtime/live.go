package realtime

import (
	"encoding/json"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// liveTurnBytes bounds the text that is kept of one answer under way. liveBytes
	// bounds the text of all answers in the process.
	liveTurnBytes = 256 << 10
	liveBytes     = 32 << 20
	// liveFor is how long a turn is kept after its last signal or text: its node may be
	// gone.
	liveFor = 15 * time.Minute
	// liveShards is how many rooms can show text at the same moment, at most.
	liveShards = 32
)

// TurnMark marks a signal that begins or ends an attempt at a turn.
type TurnMark struct {
	ID      string `json:"t"`
	Attempt int    `json:"a"`
	Over    bool   `json:"o,omitempty"`
}

// Turn is an answer under way, as far as this process has received it.
type Turn struct {
	ID      string
	Attempt int
	About   json.RawMessage // the body of the signal that began the attempt; nil if it was missed
	Offset  int             // where Text begins, in UTF-16 code units: above 0 if the text before was missed
	Text    string
	Since   time.Time // when this process first received something of the attempt
}

// live holds the answers under way in all rooms, also in rooms without a connection
// here. A connection that joins is shown the text so far. A room's shard stays locked
// while a piece is stored and put into the room's feed, and while a connection joins.
// So there is no gap and no overlap between the text shown at the join and the deltas
// that follow.
type live struct {
	seed   maphash.Seed
	bytes  atomic.Int64
	shards [liveShards]liveShard
}

type liveShard struct {
	live  *live
	mu    sync.Mutex
	rooms map[string]map[string]*answer // by room, then by turn
}

type answer struct {
	attempt      int
	about        json.RawMessage
	offset, end  int // where text begins and ends, in UTF-16 code units
	text         []byte
	since, heard time.Time
}

func newLive() *live {
	l := &live{seed: maphash.MakeSeed()}
	for i := range l.shards {
		l.shards[i] = liveShard{live: l, rooms: map[string]map[string]*answer{}}
	}
	return l
}

func (l *live) shard(room string) *liveShard {
	return &l.shards[maphash.String(l.seed, room)%liveShards]
}

// attempt returns the answer of an attempt, and makes it if it is new. It returns nil
// when a newer attempt is known.
func (s *liveShard) attempt(room, turn string, attempt int, now time.Time) *answer {
	a := s.rooms[room][turn]
	if a != nil && attempt < a.attempt {
		return nil
	}
	if a == nil || attempt > a.attempt {
		s.forget(room, turn)
		if s.rooms[room] == nil {
			s.rooms[room] = map[string]*answer{}
		}
		a = &answer{attempt: attempt, since: now}
		s.rooms[room][turn] = a
		s.live.bytes.Add(entryOverhead)
	}
	a.heard = now
	return a
}

// mark stores a signal about a turn.
func (s *liveShard) mark(room string, sig Signal, now time.Time) {
	if m := sig.Turn; m.Over {
		s.over(room, m.ID, m.Attempt)
	} else if a := s.attempt(room, m.ID, m.Attempt, now); a != nil {
		a.about = sig.Body
	}
}

// add stores a piece of text. A piece that does not follow directly on the text before
// replaces that text, because later pieces could not be joined to a text with a hole.
func (s *liveShard) add(room string, d Delta, now time.Time) {
	a := s.attempt(room, d.TurnID, d.Attempt, now)
	if a == nil || d.Offset < a.end && len(a.text) > 0 {
		return
	}
	if d.Offset != a.end {
		s.drop(a, d.Offset)
	}
	size := int64(len(d.Text))
	if len(a.text)+len(d.Text) > liveTurnBytes || s.live.bytes.Load()+size > liveBytes {
		s.drop(a, d.Offset+Units(d.Text))
		return
	}
	a.text = append(a.text, d.Text...)
	a.end += Units(d.Text)
	s.live.bytes.Add(size)
}

// drop forgets the text of an answer. The next text begins at offset.
func (s *liveShard) drop(a *answer, offset int) {
	s.live.bytes.Add(-int64(len(a.text)))
	a.text, a.offset, a.end = nil, offset, offset
}

func (s *liveShard) over(room, turn string, attempt int) {
	if a := s.rooms[room][turn]; a != nil && a.attempt <= attempt {
		s.forget(room, turn)
	}
}

func (s *liveShard) forget(room, turn string) {
	a := s.rooms[room][turn]
	if a == nil {
		return
	}
	s.live.bytes.Add(-int64(len(a.text)) - entryOverhead)
	if delete(s.rooms[room], turn); len(s.rooms[room]) == 0 {
		delete(s.rooms, room)
	}
}

func (s *liveShard) turns(room string) (list []Turn) {
	for id, a := range s.rooms[room] {
		list = append(list, Turn{ID: id, Attempt: a.attempt, About: a.about, Offset: a.offset, Text: string(a.text), Since: a.since})
	}
	return list
}

// forgetBefore drops the turns of which nothing was received since then.
func (l *live) forgetBefore(then time.Time) {
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		for room, turns := range s.rooms {
			for id, a := range turns {
				if a.heard.Before(then) {
					s.forget(room, id)
				}
			}
		}
		s.mu.Unlock()
	}
}

// Turns returns the answers under way in a room, as far as this process has received
// them.
func (h *Hub) Turns(roomID string) []Turn {
	s := h.live.shard(roomID)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.turns(roomID)
}

// AtWork returns the bodies of the signals that began the answers under way in a room, in
// no order. Answers whose signal was missed are left out.
func (h *Hub) AtWork(roomID string) (about []json.RawMessage) {
	s := h.live.shard(roomID)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.rooms[roomID] {
		if a.about != nil {
			about = append(about, a.about)
		}
	}
	return about
}

// TurnOver ends an attempt at a turn in this process, without a signal.
func (h *Hub) TurnOver(roomID, turnID string, attempt int) {
	s := h.live.shard(roomID)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over(roomID, turnID, attempt)
}
