package web

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// leastShared is how many members make it worth to say that one schema has those of
// another, where no struct says so.
const leastShared = 5

// composer writes a schema that has all members of others as those and what it adds, as
// the structs behind them embed each other. A schema that forbids other members is never a
// part, since it would forbid those of the whole.
type composer struct {
	schemas object
	texts   map[string]map[string]string // the members of each schema as JSON
	embeds  map[string][]string          // the structs that the struct of a schema embeds
	made    map[string]bool              // the schemas of structs that are only embedded
}

// compose changes the schemas of a document. registry knows the structs behind them.
func compose(schemas object, registry huma.Registry) {
	c := &composer{schemas: schemas, texts: map[string]map[string]string{}, embeds: map[string][]string{}, made: map[string]bool{}}
	for name := range schemas {
		c.read(name)
	}
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		if t := registry.TypeFromRef(refTo("schemas", name)["$ref"].(string)); t != nil {
			c.embed(name, t)
		}
	}
	nullableObjects(schemas)
	for name := range schemas {
		c.read(name)
	}
	parts := c.choose()
	// A part may itself be made of parts, so what it needs is looked up before any changes.
	needed := map[string][]any{}
	for name, schema := range schemas {
		needed[name], _ = schema.(object)["required"].([]any)
	}
	for whole, of := range parts {
		schema := schemas[whole].(object)
		required := slices.Clone(needed[whole])
		var all []any
		for _, part := range of {
			required = slices.DeleteFunc(required, func(member any) bool { return slices.Contains(needed[part], member) })
			maps.DeleteFunc(schema["properties"].(object), func(member string, _ any) bool { return c.texts[part][member] != "" })
			all = append(all, refTo("schemas", part))
		}
		schema["allOf"] = all
		delete(schema, "type") // its parts have it
		if schema["additionalProperties"] != nil {
			// That would forbid the members of the parts.
			delete(schema, "additionalProperties")
			schema["unevaluatedProperties"] = false
		}
		if schema["required"] = required; len(required) == 0 {
			delete(schema, "required")
		}
		if len(schema["properties"].(object)) == 0 {
			delete(schema, "properties")
		}
	}
}

func (c *composer) read(name string) {
	members, _ := c.schemas[name].(object)["properties"].(object)
	c.texts[name] = map[string]string{}
	for member, is := range members {
		c.texts[name][member] = jsonOf(is)
	}
}

// embed finds the structs that the struct of a schema embeds, and makes a schema of each
// that has none.
func (c *composer) embed(whole string, t reflect.Type) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.Anonymous || f.Tag.Get("json") != "" || f.Type.Kind() != reflect.Struct {
			continue
		}
		name := huma.DefaultSchemaNamer(f.Type, "")
		if c.schemas[name] == nil {
			part := c.partOf(whole, memberNames(f.Type))
			if part == nil {
				continue
			}
			c.schemas[name], c.made[name] = part, true
			c.read(name)
		}
		c.embeds[whole] = append(c.embeds[whole], name)
		c.embed(whole, f.Type)
	}
}

// partOf returns a schema with some members of another, or nil when it does not have them.
func (c *composer) partOf(whole string, members []string) object {
	schema := c.schemas[whole].(object)
	all, _ := schema["properties"].(object)
	required, _ := schema["required"].([]any)
	part := object{"type": "object"}
	properties := object{}
	for _, member := range members {
		if all[member] == nil {
			return nil
		}
		properties[member] = all[member]
	}
	part["properties"] = properties
	if required = slices.DeleteFunc(slices.Clone(required), func(member any) bool { return properties[member.(string)] == nil }); len(required) > 0 {
		part["required"] = required
	}
	return part
}

// memberNames are the names of the members of a struct.
func memberNames(t reflect.Type) (all []string) {
	for _, f := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			all = append(all, name)
		}
	}
	return all
}

// choose returns the parts of schemas. The schema of a struct that is only embedded stays
// if the document is shorter with it.
func (c *composer) choose() map[string][]string {
	for {
		parts, gain := map[string][]string{}, map[string]int{}
		for whole := range c.schemas {
			for _, part := range c.partsOf(whole) {
				parts[whole] = append(parts[whole], part)
				gain[part] += c.gain(part)
			}
		}
		done := true
		for part := range c.made {
			if gain[part] <= len(jsonOf(c.schemas[part]))+len(part) {
				delete(c.schemas, part)
				delete(c.made, part)
				done = false
			}
		}
		if done {
			return parts
		}
	}
}

// gain is how many bytes a schema is shorter by when it refers to a part.
func (c *composer) gain(part string) int {
	n := -len(jsonOf(refTo("schemas", part)))
	for member, is := range c.texts[part] {
		n += len(member) + len(is) + len(`"":,`)
	}
	required, _ := c.schemas[part].(object)["required"].([]any)
	return n + len(jsonOf(required))
}

// partsOf returns what one schema can be made of: the largest part first, then others with
// none of its members.
func (c *composer) partsOf(whole string) (all []string) {
	var found []string
	for part := range c.schemas {
		if c.has(whole, part) && c.gain(part) > len(`"allOf":[],`) {
			found = append(found, part)
		}
	}
	slices.SortFunc(found, func(a, b string) int {
		if more := c.gain(b) - c.gain(a); more != 0 {
			return more
		}
		return strings.Compare(a, b)
	})
	taken := map[string]string{}
	for _, part := range found {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(c.texts[part])), func(member string) bool { return taken[member] != "" }) {
			maps.Copy(taken, c.texts[part])
			all = append(all, part)
		}
	}
	return all
}

// has tells whether a schema has all that another has, and more.
func (c *composer) has(whole, part string) bool {
	members, of := c.texts[whole], c.texts[part]
	if len(of) < leastShared && !slices.Contains(c.embeds[whole], part) || len(of) == 0 || len(of) >= len(members) {
		return false
	}
	schema, other := c.schemas[whole].(object), c.schemas[part].(object)
	if other["additionalProperties"] != nil || schema["additionalProperties"] != nil && schema["additionalProperties"] != false {
		return false
	}
	for _, word := range []string{"anyOf", "oneOf"} {
		if schema[word] != nil || other[word] != nil {
			return false
		}
	}
	for member, text := range of {
		if members[member] != text {
			return false
		}
	}
	required, _ := schema["required"].([]any)
	needed, _ := other["required"].([]any)
	return !slices.ContainsFunc(needed, func(member any) bool { return !slices.Contains(required, member) })
}

// nullableObjects refers to the schema of an object where an object of the same members,
// or null, is written out.
func nullableObjects(schemas object) {
	names := map[string]string{}
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(schemas))) {
		names[bare(schemas[name].(object))] = name
	}
	for of, schema := range schemas {
		members, _ := schema.(object)["properties"].(object)
		for member, is := range members {
			is := is.(object)
			if kinds, _ := is["type"].([]any); !slices.Contains(kinds, any("null")) || is["properties"] == nil {
				continue
			}
			one := maps.Clone(is)
			one["type"] = "object"
			if name := names[bare(one)]; name != "" && name != of {
				members[member] = object{"anyOf": []any{refTo("schemas", name), object{"type": "null"}}}
				if is["description"] != nil {
					members[member].(object)["description"] = is["description"]
				}
			}
		}
	}
}

// bare is the JSON of a schema without its description.
func bare(schema object) string {
	schema = maps.Clone(schema)
	delete(schema, "description")
	return jsonOf(schema)
}
