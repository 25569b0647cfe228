package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// appended is a document with nodes added at its end. more has the nodes: those of a
// document, one node, a list of nodes, or paragraphs of plain text. The rest of the
// document does not change.
func appended(f *store.Artifact, more json.RawMessage) (none Opt[json.RawMessage], err error) {
	if f.Type != ArtifactDoc {
		return none, invalid("artifact_id", "is a %s; append is for documents", f.Type)
	}
	add, err := docNodes(more)
	if err != nil {
		return none, err
	}
	if len(add) == 0 {
		return none, invalid("content", "has nothing to append")
	}
	old, ok := listOf(f.Content, "content")
	if !ok {
		return none, errorf(KindConflict, wording.Shape, "the document's content is no list of nodes; update it as a whole")
	}
	sent := oneMember("content", slices.Concat(old, add))
	if len(membersOf(f.Content)) == 0 {
		sent = `{"type":"doc",` + sent[1:]
	}
	return Some(json.RawMessage(mergeContent(f.Content, sent))), nil
}

// docNodes are the nodes that a model wants to append.
func docNodes(more json.RawMessage) ([]json.RawMessage, error) {
	switch first := firstByte(more); first {
	case '"':
		var text string
		if err := json.Unmarshal(more, &text); err != nil {
			return nil, invalid("content", "cannot be read")
		}
		var nodes []json.RawMessage
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" {
				nodes = append(nodes, json.RawMessage(`{"type":"paragraph","content":[{"type":"text","text":`+string(store.ToJSON(line))+`}]}`))
			}
		}
		return nodes, nil
	case '[':
		var nodes []json.RawMessage
		if json.Unmarshal(more, &nodes) != nil || slices.ContainsFunc(nodes, func(n json.RawMessage) bool { return firstByte(n) != '{' }) {
			return nil, invalid("content", "must be a list of nodes, which are objects")
		}
		return nodes, nil
	}
	var doc struct {
		Type    string            `json:"type"`
		Content []json.RawMessage `json:"content"`
	}
	if json.Unmarshal(more, &doc) == nil && doc.Type == ArtifactDoc {
		return docNodes(toRaw(doc.Content))
	}
	if doc.Type == "" {
		return nil, invalid("content", `is no node: it has no "type"`)
	}
	return []json.RawMessage{more}, nil
}

// processPart has the members of a node or an edge of a process that add_step reads.
type processPart struct {
	ID     any `json:"id"`
	Source any `json:"source"`
	Target any `json:"target"`
}

// withSteps is a process with nodes and edges added. Their ids must be new, and each
// edge must lead from one existing node to another. The rest of the process does not
// change.
func withSteps(f *store.Artifact, more json.RawMessage) (none Opt[json.RawMessage], err error) {
	if f.Type != ArtifactProcess {
		return none, invalid("artifact_id", "is a %s; add_step is for processes", f.Type)
	}
	if firstByte(more) != '{' {
		return none, invalid("content", "must be an object with nodes and edges")
	}
	var lists [2][]json.RawMessage
	var added int
	ids := [2]map[string]bool{{}, {}}
	for i, name := range []string{"nodes", "edges"} {
		old, ok := listOf(f.Content, name)
		add, sent := listOf(store.JSON(more), name)
		if !ok || !sent {
			return none, invalid("content", "%s must be a list", name)
		}
		for _, raw := range old {
			ids[i][idOf(raw)] = true
		}
		for _, raw := range add {
			id := idOf(raw)
			if id == "" && name == "edges" {
				continue // a client gives it an id when it draws it
			}
			if id == "" {
				return none, invalid("content", "each node needs an id")
			}
			if ids[i][id] {
				return none, invalid("content", "the id %s of %s is there already", store.Cut(id, 100), name)
			}
			ids[i][id] = true
		}
		lists[i], added = slices.Concat(old, add), added+len(add)
		if name == "edges" {
			err = edgesLead(add, ids[0])
		}
	}
	switch {
	case err != nil:
		return none, err
	case added == 0:
		return none, invalid("content", "has no nodes and no edges to add")
	}
	sent := mergeContent(oneMember("nodes", lists[0]), oneMember("edges", lists[1]))
	return Some(json.RawMessage(mergeContent(f.Content, sent))), nil
}

func edgesLead(edges []json.RawMessage, nodes map[string]bool) error {
	for _, raw := range edges {
		var e processPart
		if json.Unmarshal(raw, &e) != nil {
			return invalid("content", "an edge must be an object")
		}
		for _, end := range []any{e.Source, e.Target} {
			if id := idText(end); id == "" || !nodes[id] {
				return invalid("content", "an edge names the node %q, which is not there", store.Cut(id, 100))
			}
		}
	}
	return nil
}

// idOf is the id of a node or an edge, "" if it has none.
func idOf(raw json.RawMessage) string {
	var s processPart
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return idText(s.ID)
}

// idText is an id as a string: most clients write strings, some write numbers.
func idText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return fmt.Sprint(v)
	}
	return ""
}

// listOf returns the list in a member of an object. It is empty if there is no such
// member; ok is false if the member is not a list.
func listOf(object store.JSON, name string) (list []json.RawMessage, ok bool) {
	for _, m := range membersOf(object) {
		if m.Name == name {
			return list, json.Unmarshal(m.Value, &list) == nil
		}
	}
	return nil, true
}

// oneMember is an object whose only member is a list.
func oneMember(name string, list []json.RawMessage) store.JSON {
	return store.JSON("{" + string(store.ToJSON(name)) + ":" + string(toRaw(list)) + "}")
}

// toRaw encodes a list without changing its elements.
func toRaw(list []json.RawMessage) json.RawMessage {
	var b bytes.Buffer
	b.WriteByte('[')
	for i, raw := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(raw)
	}
	b.WriteByte(']')
	return b.Bytes()
}

func firstByte(raw json.RawMessage) byte {
	if raw = bytes.TrimSpace(raw); len(raw) == 0 {
		return 0
	}
	return raw[0]
}
