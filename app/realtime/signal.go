package realtime

import (
	"encoding/json"
	"unicode/utf8"
)

// Signal is something short-lived that members see now or never, for example typing or
// a turn's state.
type Signal struct {
	Type string
	Body json.RawMessage // Encoders.Signal makes frames from it; other nodes get it unchanged, if it fits into a payload
	From *Conn           // the connection that sent it and does not get it back; nil for none
	Turn *TurnMark       // it begins or ends an attempt at a turn
}

// Delta is a piece of a turn's text as it streams.
type Delta struct {
	TurnID  string `json:"t"`
	Attempt int    `json:"a"`
	Offset  int    `json:"o"` // where Text begins, in UTF-16 code units (see Units)
	Text    string `json:"x"`
}

// Units returns the length of s in UTF-16 code units, which is JavaScript's String.length.
func Units(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r > 0xFFFF {
			n++
		}
	}
	return n
}

type wireKind string

const (
	kindSignal   wireKind = "s"
	kindDelta    wireKind = "d"
	kindPresence wireKind = "p"
	kindBeat     wireKind = "h" // this node is alive, and these are its rooms
	kindAsk      wireKind = "a" // who is in this room?
	kindBye      wireKind = "b" // this node stops
	kindForget   wireKind = "f" // stored events were changed
)

// WireSignal is contained in every payload between nodes that has a Signal, and in no
// other payload.
const WireSignal = `"k":"` + string(kindSignal) + `"`

// wire is one message between nodes.
type wire struct {
	Kind wireKind         `json:"k"`
	Room string           `json:"r,omitempty"`
	Type string           `json:"t,omitempty"`
	Body json.RawMessage  `json:"b,omitempty"`
	Turn *TurnMark        `json:"m,omitempty"`
	D    *Delta           `json:"d,omitempty"`
	P    *presenceChange  `json:"p,omitempty"`
	Gens map[string]int64 `json:"g,omitempty"`
	To   string           `json:"to,omitempty"` // "" for all nodes
}

// envelope is a payload between nodes.
type envelope struct {
	Node    string `json:"n"`
	Signals []wire `json:"s"`
}

// Signal shows s to the members of a room: at once on this node, within about 100 ms on
// other nodes. It is best effort.
func (h *Hub) Signal(roomID string, s Signal) {
	h.showSignal(roomID, s)
	if h.out != nil {
		h.out.push(wire{Kind: kindSignal, Room: roomID, Type: s.Type, Body: s.Body, Turn: s.Turn})
	}
}

// Delta shows a piece of text to the members of a room: at once on this node. Other
// nodes get it joined with other pieces, at most ten times a second.
func (h *Hub) Delta(roomID string, d Delta) {
	h.showDelta(roomID, d)
	if h.out != nil {
		for _, part := range splitDelta(d) {
			h.out.push(wire{Kind: kindDelta, Room: roomID, D: &part})
		}
	}
}

func (h *Hub) showSignal(roomID string, s Signal) {
	if h.cfg.Encode.Signal == nil {
		return
	}
	e := signalEntry(len(s.Body), func(v Variant) []byte { return h.cfg.Encode.Signal(roomID, s, v) })
	e.from = s.From
	if s.Turn != nil {
		h.showNoted(roomID, e, func(sh *liveShard) { sh.mark(roomID, s, h.cfg.Now()) })
	} else if r := h.room(roomID); r != nil {
		r.show(e)
	}
}

func (h *Hub) showDelta(roomID string, d Delta) {
	if h.cfg.Encode.Delta != nil {
		e := signalEntry(len(d.Text), func(v Variant) []byte { return h.cfg.Encode.Delta(roomID, d, v) })
		h.showNoted(roomID, e, func(sh *liveShard) { sh.add(roomID, d, h.cfg.Now()) })
	}
}

// showNoted stores something about an answer under way and puts its entry into the
// room's feed. For a connection that joins, both happen as one step.
func (h *Hub) showNoted(roomID string, e *entry, note func(*liveShard)) {
	sh := h.live.shard(roomID)
	sh.mu.Lock()
	note(sh)
	r := h.room(roomID)
	if r != nil {
		r.feed.signal(e)
	}
	sh.mu.Unlock()
	if r != nil {
		r.pokeAll()
	}
	if h.cfg.Spoken != nil {
		h.cfg.Spoken(roomID)
	}
}

// HandleSignal handles a payload from another node. It ignores this node's own payloads
// and those that it does not understand.
func (h *Hub) HandleSignal(payload []byte) {
	var e envelope
	if err := json.Unmarshal(payload, &e); err != nil {
		h.cfg.Log.Warn("a signal from another node is not readable", "err", err)
		return
	}
	if e.Node == h.cfg.Node {
		return
	}
	for _, w := range e.Signals {
		h.handle(e.Node, w)
	}
}

func (h *Hub) handle(node string, w wire) {
	now := h.cfg.Now()
	switch w.Kind {
	case kindSignal:
		s := Signal{Type: w.Type, Body: w.Body, Turn: w.Turn}
		if h.cfg.Heard != nil {
			h.cfg.Heard(w.Room, s)
		}
		h.showSignal(w.Room, s)
	case kindDelta:
		if w.D != nil {
			h.showDelta(w.Room, *w.D)
		}
	case kindPresence:
		if w.P == nil {
			return
		}
		if r := h.room(w.Room); r != nil {
			h.hearPresence(r, node, *w.P, now)
		} else {
			h.hearElsewhere(w.Room, node, w.P, 0, now)
		}
	case kindBeat:
		for id, gen := range w.Gens {
			if r := h.room(id); r != nil {
				h.hearBeat(r, node, gen, now)
			} else {
				h.hearElsewhere(id, node, nil, gen, now)
			}
		}
	case kindAsk:
		if r := h.room(w.Room); r != nil && (w.To == "" || w.To == h.cfg.Node) {
			h.tellAll(r)
		}
	case kindForget:
		h.forget()
	case kindBye:
		h.elsewhere.forget(func(from string, _ *remoteNode) bool { return from == node })
		for _, r := range h.openRooms() {
			if r.forgetNode(node) {
				h.presenceChanged(r)
			}
		}
	}
}

// Forget drops what this node keeps of the log, and on Postgres what the other nodes
// keep, because stored events were changed. Connections that are behind read them
// again.
func (h *Hub) Forget() {
	h.forget()
	if h.out != nil {
		h.out.push(wire{Kind: kindForget})
	}
}

func (h *Hub) forget() {
	for _, r := range h.openRooms() {
		r.feed.empty()
	}
}

// maxText is how many bytes of JSON the text of one wire may take, so that it fits into
// a payload together with the rest.
const maxText = 5000

// splitDelta splits a long delta into parts that each fit into a payload.
func splitDelta(d Delta) []Delta {
	var parts []Delta
	start, size, units, offset := 0, 0, 0, d.Offset
	for i, r := range d.Text {
		n := jsonLen(r)
		if size+n > maxText {
			parts = append(parts, Delta{d.TurnID, d.Attempt, offset, d.Text[start:i]})
			start, size, offset, units = i, 0, offset+units, 0
		}
		size += n
		units++
		if r > 0xFFFF {
			units++
		}
	}
	return append(parts, Delta{d.TurnID, d.Attempt, offset, d.Text[start:]})
}

// jsonLen returns the most bytes that r can take in a JSON string.
func jsonLen(r rune) int {
	switch {
	case r < ' ' || r == '"' || r == '\\' || r == utf8.RuneError || r == '\u2028' || r == '\u2029':
		return 6
	default:
		return utf8.RuneLen(r)
	}
}

func jsonLength(s string) int {
	n := 0
	for _, r := range s {
		n += jsonLen(r)
	}
	return n
}
