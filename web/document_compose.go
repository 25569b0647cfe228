package web

import (
	"maps"
	"slices"
)

// leastShared is how many members make it worth to say that one schema has those of
// another.
const leastShared = 6

// compose writes a schema that has all members of another as that one and what it adds, as
// the structs behind them embed each other. The bodies of requests stay as they are: a
// person reads them from top to bottom, and they may forbid other members.
func compose(doc object) {
	schemas := doc["components"].(object)["schemas"].(object)
	sent, texts := requestSchemas(doc), map[string]map[string]string{}
	for name, schema := range schemas {
		members, _ := schema.(object)["properties"].(object)
		texts[name] = map[string]string{}
		for member, is := range members {
			texts[name][member] = jsonOf(is)
		}
	}
	names := slices.Sorted(maps.Keys(schemas))
	parts := map[string]string{}
	for _, whole := range names {
		if sent[whole] {
			continue
		}
		for _, part := range names {
			if !sent[part] && has(schemas[whole].(object), schemas[part].(object), texts[whole], texts[part]) &&
				len(texts[part]) > len(texts[parts[whole]]) {
				parts[whole] = part
			}
		}
	}
	// A part may itself be made of parts, so what it needs is looked up before any changes.
	needed := map[string][]any{}
	for _, part := range parts {
		needed[part], _ = schemas[part].(object)["required"].([]any)
	}
	for whole, part := range parts {
		schema := schemas[whole].(object)
		required, _ := schema["required"].([]any)
		if required = slices.DeleteFunc(slices.Clone(required), func(member any) bool { return slices.Contains(needed[part], member) }); len(required) > 0 {
			schema["required"] = required
		} else {
			delete(schema, "required")
		}
		maps.DeleteFunc(schema["properties"].(object), func(member string, _ any) bool { return texts[part][member] != "" })
		schema["allOf"] = []any{refTo("schemas", part)}
	}
}

// has tells whether a schema has all that another has, and more.
func has(whole, part object, members, of map[string]string) bool {
	if len(of) < leastShared || len(of) >= len(members) || whole["additionalProperties"] != nil || part["additionalProperties"] != nil {
		return false
	}
	for member, text := range of {
		if members[member] != text {
			return false
		}
	}
	required, _ := whole["required"].([]any)
	needed, _ := part["required"].([]any)
	return !slices.ContainsFunc(needed, func(member any) bool { return !slices.Contains(required, member) })
}

// requestSchemas are the names of the schemas of bodies of requests.
func requestSchemas(doc object) map[string]bool {
	all := map[string]bool{}
	eachOperation(doc, func(op object) {
		body, _ := op["requestBody"].(object)
		content, _ := body["content"].(object)
		for _, media := range content {
			schema, _ := media.(object)["schema"].(object)
			if ref, ok := schema["$ref"].(string); ok {
				all[ref[len(refTo("schemas", "")["$ref"].(string)):]] = true
			}
		}
	})
	return all
}
