package merge

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// Doc and Process are the kinds of states whose content has a form of its own.
const (
	Doc     = "doc"
	Process = "process"
)

// State is what is merged. Content is a JSON object.
type State struct{ Kind, Title, Content string }

// Change is what a side has made of a state. Without a title or a content, it has not
// changed that. A partial content has only the members that are changed, all others stay.
type Change struct {
	Title, Content *string
	Partial        bool
}

// The kinds of parts.
const (
	isValue    = 'v' // a block as a whole
	isKeyed    = 'k' // a list whose elements have ids
	isSequence = 's' // the nodes of a document, which have none
	isItem     = 'i' // in an outline: an element
)

// Where a part is.
const (
	inTitle   = 't'
	inContent = 'm'
	// inWrapper: an editor keeps a document in a document, {"type":"doc","content":{"type":
	// "doc","content":[...]}}. These are the members of the inner one, without its nodes.
	inWrapper = 'w'
)

const contentName = "content"

// part is the title or a member of a content.
type part struct {
	kind, place byte
	name        string
	hash        string // of a value
	items       []item // of a list
	raw         json.RawMessage
}

// item is an element of a list. id is empty in a sequence.
type item struct {
	id, hash string
	raw      json.RawMessage
}

func (p *part) key() string { return string(p.place) + p.name }

// partsOf takes a state apart. hash is of the raw JSON of a block.
func partsOf(s State, hash func([]byte) string) []part {
	title, err := json.Marshal(s.Title)
	if err != nil {
		return nil
	}
	parts := []part{{kind: isValue, place: inTitle, hash: hash(title), raw: title}}
	for _, m := range Members(s.Content) {
		if s.Kind == Doc && m.Name == contentName {
			if nodes, wrapper, ok := nodesOf(m.Value, hash); ok {
				parts = append(parts, wrapper...)
				parts = append(parts, part{kind: isSequence, place: inContent, name: m.Name, items: nodes, raw: m.Value})
				continue
			}
		}
		p := part{kind: isValue, place: inContent, name: m.Name, raw: m.Value}
		if items, ok := keyed(m, s.Kind == Process, hash); ok {
			p.kind, p.items = isKeyed, items
		} else {
			p.hash = hash(m.Value)
		}
		parts = append(parts, p)
	}
	return parts
}

// nodesOf returns the nodes of a document, and the members of the document in the document
// if there is one.
func nodesOf(raw json.RawMessage, hash func([]byte) string) (nodes []item, wrapper []part, ok bool) {
	list, ok := elements(raw)
	if !ok {
		var inner bool
		for _, m := range Members(string(raw)) {
			if m.Name == contentName {
				list, ok = elements(m.Value)
				continue
			}
			inner = inner || m.Name == "type" && string(m.Value) == `"doc"`
			wrapper = append(wrapper, part{kind: isValue, place: inWrapper, name: m.Name, hash: hash(m.Value), raw: m.Value})
		}
		if !ok || !inner {
			return nil, nil, false
		}
	}
	for _, e := range list {
		nodes = append(nodes, item{hash: hash(e), raw: e})
	}
	return nodes, wrapper, true
}

// keyed returns the elements of a list that all have different ids. The nodes and edges of
// a process may lack them; such an element counts as the same as long as it does not change.
func keyed(m Member, process bool, hash func([]byte) string) (items []item, ok bool) {
	list, ok := elements(m.Value)
	if !ok {
		return nil, false
	}
	bare := process && (m.Name == nodesName || m.Name == edgesName)
	seen := map[string]bool{}
	for _, e := range list {
		id, object := idOf(e)
		it := item{id: "=" + id, hash: hash(e), raw: e}
		if id == "" {
			for n := 0; it.id == "=" || seen[it.id]; n++ {
				it.id = "#" + hashOf(e) + "." + strconv.Itoa(n)
			}
		}
		if !object || id == "" && !bare || seen[it.id] {
			return nil, false
		}
		seen[it.id] = true
		items = append(items, it)
	}
	return items, true
}

// idOf is the id of an element, empty if it has none.
func idOf(raw json.RawMessage) (id string, object bool) {
	var e struct {
		ID any `json:"id"`
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if dec.Decode(&e) != nil || !bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) {
		return "", false
	}
	return textOf(e.ID), true
}

// textOf is an id as a text: most clients write strings, some write numbers.
func textOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

// joined puts a state together from its parts.
func joined(kind string, parts []part) State {
	s := State{Kind: kind}
	var b bytes.Buffer
	member := func(name string) {
		if b.Len() > 1 && b.Bytes()[b.Len()-1] != '{' {
			b.WriteByte(',')
		}
		text, _ := json.Marshal(name)
		b.Write(text)
		b.WriteByte(':')
	}
	b.WriteByte('{')
	for i := range parts {
		p := &parts[i]
		if p.place == inTitle {
			_ = json.Unmarshal(p.raw, &s.Title) // it was made of a string
		}
		if p.place != inContent {
			continue
		}
		member(p.name)
		wrapped := false
		for j := range parts {
			if w := &parts[j]; p.kind == isSequence && w.place == inWrapper {
				if !wrapped {
					b.WriteByte('{')
				}
				wrapped = true
				member(w.name)
				b.Write(w.raw)
			}
		}
		if wrapped {
			member(contentName)
		}
		switch p.kind {
		case isValue:
			b.Write(p.raw)
		default:
			b.WriteByte('[')
			for j, it := range p.items {
				if j > 0 {
					b.WriteByte(',')
				}
				b.Write(it.raw)
			}
			b.WriteByte(']')
		}
		if wrapped {
			b.WriteByte('}')
		}
	}
	b.WriteByte('}')
	s.Content = b.String()
	return s
}
