package merge

import (
	"encoding/json"
	"strconv"
	"strings"
)

// inContentName is before the names of blocks of the content.
const inContentName = "content."

// blockOf is what a conflict calls a part: title, content.status, or content.content for the
// nodes of a document.
func blockOf(p *part) string {
	switch p.place {
	case inTitle:
		return "title"
	case inWrapper:
		return inContentName + inContentName + p.name
	}
	return inContentName + p.name
}

// shownID is the id of an element that one of two sides has.
func shownID(t, m *item) string {
	if t == nil {
		t = m
	}
	return t.id[1:]
}

func partText(p *part) *string {
	if p == nil {
		return nil
	}
	return textOfRaw(p.raw)
}

func itemText(it *item) *string {
	if it == nil {
		return nil
	}
	return textOfRaw(it.raw)
}

// textOfRaw is a string as it is, and any other value as JSON.
func textOfRaw(raw json.RawMessage) *string {
	text := string(raw)
	if strings.HasPrefix(text, `"`) {
		_ = json.Unmarshal(raw, &text) // what cannot be read is shown as it is
	}
	return &text
}

// nodesText is the text of nodes of a document, one line for each; nil if there are none. A
// node without text is shown as JSON.
func nodesText(nodes []item) *string {
	if len(nodes) == 0 {
		return nil
	}
	var b strings.Builder
	for i, n := range nodes {
		if i > 0 {
			b.WriteByte('\n')
		}
		var v any
		before := b.Len()
		if json.Unmarshal(n.raw, &v) == nil {
			writeText(&b, v)
		}
		if b.Len() == before {
			b.Write(n.raw)
		}
	}
	text := b.String()
	return &text
}

// writeText writes the members "text" of a node and of the nodes in it.
func writeText(b *strings.Builder, v any) {
	node, _ := v.(map[string]any)
	if text, ok := node["text"].(string); ok {
		b.WriteString(text)
	}
	inner, _ := node[contentName].([]any)
	for _, n := range inner {
		writeText(b, n)
	}
}

// placeName names the nth node of a document.
func placeName(block string, n int) string { return block + "/" + strconv.Itoa(n) }
