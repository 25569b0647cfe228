package merge

import (
	"slices"

	"github.com/coagent-studio/coagent/app/lcs"
)

// hunk says that base[b0:b1] became side[s0:s1].
type hunk struct{ b0, b1, s0, s1 int }

func (h hunk) inserts() bool { return h.b0 == h.b1 }

// hunksOf is what a side has changed. As many nodes for as many others are changes of
// single nodes, and deletions are of single nodes too: so two people may change two
// paragraphs that stand side by side.
func hunksOf(base, side []item) (hunks []hunk) {
	b, s := 0, 0
	for _, pair := range append(common(base, side), [2]int{len(base), len(side)}) {
		switch n, m := pair[0]-b, pair[1]-s; {
		case n == m, m == 0:
			for i := range n {
				hunks = append(hunks, hunk{b + i, b + i + 1, s + min(i, m), s + min(i+1, m)})
			}
		default:
			hunks = append(hunks, hunk{b, pair[0], s, pair[1]})
		}
		b, s = pair[0]+1, pair[1]+1
	}
	return hunks
}

// change is one side of a merge of sequences: the hunks that are still to come, and the
// next node.
type change struct {
	nodes []item
	hunks []hunk
	next  int
}

// inserted takes what the side has inserted at a place of the base.
func (c *change) inserted(at int) (nodes []item) {
	if len(c.hunks) > 0 && c.hunks[0].b0 == at && c.hunks[0].inserts() {
		nodes = c.nodes[c.hunks[0].s0:c.hunks[0].s1]
		c.next, c.hunks = c.hunks[0].s1, c.hunks[1:]
	}
	return nodes
}

// until takes the hunks that begin before a place of the base, and returns where the last
// of them ends.
func (c *change) until(at int) int {
	for len(c.hunks) > 0 && c.hunks[0].b0 < at {
		at, c.hunks = max(at, c.hunks[0].b1), c.hunks[1:]
	}
	return at
}

// sequence merges the nodes of a document. Nodes that both have inserted at the same place
// all stay, theirs first.
func (g *merger) sequence(block string, base, theirs, mine []item) (out []item) {
	t, m := &change{nodes: theirs, hunks: hunksOf(base, theirs)}, &change{nodes: mine, hunks: hunksOf(base, mine)}
	for at := 0; ; {
		out = append(out, union(t.inserted(at), m.inserted(at))...)
		if at == len(base) {
			return out
		}
		// The region ends where no hunk of either side reaches over its end.
		end := at + 1
		th, mh := t.hunks, m.hunks
		for {
			before := end
			end = m.until(t.until(end))
			if end == before {
				break
			}
		}
		was := base[at:end]
		ours, yours := t.take(th[:len(th)-len(t.hunks)], len(was)), m.take(mh[:len(mh)-len(m.hunks)], len(was))
		switch {
		case sameNodes(yours, was), sameNodes(yours, ours):
			out = append(out, ours...)
		case sameNodes(ours, was):
			out = append(out, yours...)
		default:
			g.conflict(placeName(block, t.next-len(ours)), nodesText(ours), nodesText(yours))
		}
		at = end
	}
}

// take takes the nodes that the side has in place of n nodes of the base.
func (c *change) take(hunks []hunk, n int) []item {
	for _, h := range hunks {
		n += (h.s1 - h.s0) - (h.b1 - h.b0)
	}
	nodes := c.nodes[c.next : c.next+n]
	c.next += n
	return nodes
}

func sameNodes(a, b []item) bool {
	return slices.EqualFunc(a, b, func(x, y item) bool { return x.hash == y.hash })
}

// union is all nodes of two lists; those that both have in the same order come once, so
// that a change that is sent again inserts nothing twice.
func union(a, b []item) (out []item) {
	i, j := 0, 0
	for _, pair := range common(a, b) {
		out = append(append(append(out, a[i:pair[0]]...), b[j:pair[1]]...), a[pair[0]])
		i, j = pair[0]+1, pair[1]+1
	}
	return append(append(out, a[i:]...), b[j:]...)
}

// common pairs the places of equal nodes.
func common(a, b []item) [][2]int { return lcs.Pairs(hashes(a), hashes(b)) }

func hashes(nodes []item) []string {
	out := make([]string, len(nodes))
	for i, it := range nodes {
		out[i] = it.hash
	}
	return out
}
