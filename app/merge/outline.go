package merge

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
)

// Outline says which blocks a state has, without their contents. Two states with the same
// outline differ at most in blanks and in the order of members inside of a block.
type Outline []Entry

// Entry is a member of the content, or an element of the list before it. Key is its kind and
// name; Hash is empty for a list, whose elements follow.
type Entry struct{ Key, Hash string }

// MarshalJSON writes an entry as a pair, since outlines are stored.
func (e Entry) MarshalJSON() ([]byte, error) { return json.Marshal([2]string{e.Key, e.Hash}) }

// UnmarshalJSON reads the pair.
func (e *Entry) UnmarshalJSON(b []byte) error {
	var pair [2]string
	err := json.Unmarshal(b, &pair)
	e.Key, e.Hash = pair[0], pair[1]
	return err
}

// OutlineOf is the outline of a state.
func OutlineOf(s State) Outline { return outlineOf(partsOf(s, hashOf)) }

func outlineOf(parts []part) Outline {
	var o Outline
	for _, p := range parts {
		o = append(o, Entry{string(p.kind) + string(p.place) + p.name, p.hash})
		for _, it := range p.items {
			o = append(o, Entry{string(isItem) + it.id, it.hash})
		}
	}
	return o
}

// parts is the outline as parts without contents.
func (o Outline) parts() []part {
	var parts []part
	for _, e := range o {
		switch n := len(parts); {
		case e.Key == "":
		case e.Key[0] == isItem && n > 0:
			parts[n-1].items = append(parts[n-1].items, item{id: e.Key[1:], hash: e.Hash})
		case e.Key[0] != isItem && len(e.Key) > 1:
			parts = append(parts, part{kind: e.Key[0], place: e.Key[1], name: e.Key[2:], hash: e.Hash})
		}
	}
	return parts
}

// hashOf is a short hash of a JSON value, whatever its blanks, escapes and the order of
// its members. 72 bits are enough to tell apart the blocks of one artifact.
func hashOf(raw []byte) string {
	var v any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if dec.Decode(&v) == nil {
		if canonical, err := json.Marshal(v); err == nil { // members come out in the order of their names
			raw = canonical
		}
	}
	sum := sha256.Sum256(raw)
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}

// Delta leads from one outline to another: so many entries at the beginning and at the end
// stay, and Middle replaces what is between.
type Delta struct {
	Head   int     `json:"h"`
	Tail   int     `json:"t"`
	Middle Outline `json:"m,omitempty"`
}

// DeltaOf is what leads from the outline of a state to that of another. It hashes only what
// differs, since it is made whenever somebody saves.
func DeltaOf(from, to State) Delta {
	asItIs := func(raw []byte) string { return string(raw) }
	d := deltaOf(outlineOf(partsOf(from, asItIs)), outlineOf(partsOf(to, asItIs)))
	for i := range d.Middle {
		if raw := d.Middle[i].Hash; raw != "" {
			d.Middle[i].Hash = hashOf([]byte(raw))
		}
	}
	return d
}

func deltaOf(from, to Outline) Delta {
	d, most := Delta{}, min(len(from), len(to))
	for d.Head < most && from[d.Head] == to[d.Head] {
		d.Head++
	}
	for d.Tail < most-d.Head && from[len(from)-1-d.Tail] == to[len(to)-1-d.Tail] {
		d.Tail++
	}
	d.Middle = to[d.Head : len(to)-d.Tail]
	return d
}

// Apply is the outline to which the delta leads from another; ok is false when it was made
// for a different one.
func (d Delta) Apply(from Outline) (to Outline, ok bool) {
	if d.Head < 0 || d.Tail < 0 || d.Head+d.Tail > len(from) {
		return nil, false
	}
	return slices.Concat(from[:d.Head], d.Middle, from[len(from)-d.Tail:]), true
}
