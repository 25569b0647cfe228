package merge

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
)

const (
	nodesName = "nodes"
	edgesName = "edges"
)

// Conflict is a block that both sides have changed in different ways.
type Conflict struct {
	// Block names it: the member, and in a list the id, or the place in their document.
	Block string
	// Yours and Theirs are its texts. Nil means that this side has deleted it, or has
	// never had it.
	Yours, Theirs *string
}

// Merge joins two changes of a state of which base is the outline: theirs, which is stored,
// and mine. If there are conflicts, there is no merged state.
func Merge(base Outline, theirs State, mine Change) (State, []Conflict) {
	whole := theirs
	if mine.Title != nil {
		whole.Title = *mine.Title
	}
	if mine.Content != nil {
		whole.Content = *mine.Content
	}
	b, t, m := base.parts(), partsOf(theirs, hashOf), partsOf(whole, hashOf)
	b, m = filled(b, t, m, mine)
	switch bo, to, mo := outlineOf(b), outlineOf(t), outlineOf(m); {
	case slices.Equal(mo, bo), slices.Equal(mo, to):
		return theirs, nil
	case slices.Equal(to, bo) && !mine.Partial:
		return whole, nil
	}
	g := &merger{named: map[string]bool{}}
	parts := threeWay(b, t, m, func(p *part) string { return p.key() }, g.part)
	g.wrapper(parts, t, m)
	if theirs.Kind == Process {
		g.edges(parts, t, m)
	}
	if len(g.conflicts) > 0 {
		return State{}, g.conflicts
	}
	return joined(theirs.Kind, parts), nil
}

// filled adds what a change does not say: for what it leaves out, the base and mine are as
// theirs.
func filled(b, t, m []part, c Change) (base, mine []part) {
	key := func(p *part) string { return p.key() }
	inB, inT, inM := placesOf(b, key), placesOf(t, key), placesOf(m, key)
	unsaid := func(p *part) bool {
		switch _, sent := inM[p.key()]; {
		case p.place == inTitle:
			return c.Title == nil
		case c.Content == nil:
			return true
		default:
			return c.Partial && !sent
		}
	}
	for i := range b {
		if at, stays := inT[b[i].key()]; !unsaid(&b[i]) {
			base = append(base, b[i])
		} else if stays {
			base = append(base, t[at])
		}
	}
	for i := range t {
		at, sent := inM[t[i].key()]
		_, old := inB[t[i].key()]
		switch {
		case unsaid(&t[i]) && !old:
			base = append(base, t[i])
			fallthrough
		case unsaid(&t[i]):
			mine = append(mine, t[i])
		case sent && c.Partial:
			mine = append(mine, m[at])
		}
	}
	for i := range m {
		if _, there := inT[m[i].key()]; !unsaid(&m[i]) && (!there || !c.Partial) {
			mine = append(mine, m[i])
		}
	}
	return base, mine
}

// merger collects the conflicts, one for each block.
type merger struct {
	conflicts []Conflict
	named     map[string]bool
}

func (g *merger) conflict(block string, theirs, mine *string) {
	if !g.named[block] {
		g.named[block] = true
		g.conflicts = append(g.conflicts, Conflict{Block: block, Yours: mine, Theirs: theirs})
	}
}

// part merges one member; nil is a state that does not have it.
func (g *merger) part(b, t, m *part) *part {
	switch {
	case samePart(m, b), samePart(m, t):
		return t
	case samePart(t, b):
		return m
	case t == nil || m == nil || t.kind != m.kind || t.kind == isValue:
		g.conflict(blockOf(cmp.Or(t, m)), partText(t), partText(m))
		return t
	}
	out := *t
	var old []item
	if b != nil && b.kind == t.kind {
		old = b.items
	}
	if t.kind == isSequence {
		out.items = g.sequence(blockOf(t), old, t.items, m.items)
		return &out
	}
	out.items = threeWay(old, t.items, m.items, func(it *item) string { return it.id }, func(b, t, m *item) *item {
		switch {
		case sameItem(m, b), sameItem(m, t):
			return t
		case sameItem(t, b):
			return m
		}
		g.conflict(blockOf(&out)+"/"+shownID(t, m), itemText(t), itemText(m))
		return t
	})
	return &out
}

// wrapper refuses a merge that would keep the members of an inner document without one.
func (g *merger) wrapper(parts, t, m []part) {
	inner := slices.ContainsFunc(parts, func(p part) bool { return p.place == inWrapper })
	content := find(parts, contentName)
	if inner && (content == nil || content.kind != isSequence) {
		g.conflict(inContentName+contentName, partText(find(t, contentName)), partText(find(m, contentName)))
	}
}

// edges refuses a merge in which an edge leads to a node that one side has deleted while
// the other drew the edge.
func (g *merger) edges(parts, t, m []part) {
	nodes, edges := find(parts, nodesName), find(parts, edgesName)
	if nodes == nil || edges == nil || nodes.kind != isKeyed || edges.kind != isKeyed {
		return
	}
	there := index(nodes)
	type side struct{ nodes, edges map[string]*item }
	theirs, mine := side{index(find(t, nodesName)), index(find(t, edgesName))}, side{index(find(m, nodesName)), index(find(m, edgesName))}
	for i := range edges.items {
		e := &edges.items[i]
		for _, end := range endsOf(e.raw) {
			for _, s := range []side{theirs, mine} {
				if there["="+end] == nil && s.edges[e.id] != nil && s.nodes["="+end] != nil {
					g.conflict(blockOf(edges)+"/"+e.id[1:], itemText(theirs.edges[e.id]), itemText(mine.edges[e.id]))
				}
			}
		}
	}
}

func endsOf(edge json.RawMessage) []string {
	var e struct {
		Source any `json:"source"`
		Target any `json:"target"`
	}
	dec := json.NewDecoder(bytes.NewReader(edge))
	dec.UseNumber()
	if dec.Decode(&e) != nil {
		return nil
	}
	return []string{textOf(e.Source), textOf(e.Target)}
}

// find returns the member of the content with a name, or nil.
func find(parts []part, name string) *part {
	for i := range parts {
		if parts[i].place == inContent && parts[i].name == name {
			return &parts[i]
		}
	}
	return nil
}

func index(p *part) map[string]*item {
	if p == nil {
		return nil
	}
	at := make(map[string]*item, len(p.items))
	for i := range p.items {
		at[p.items[i].id] = &p.items[i]
	}
	return at
}

func samePart(a, b *part) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.kind == b.kind && a.hash == b.hash &&
		slices.EqualFunc(a.items, b.items, func(x, y item) bool { return x.id == y.id && x.hash == y.hash })
}

func sameItem(a, b *item) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.hash == b.hash
}
