package web

import (
	"maps"
	"slices"
	"strings"
)

// namedSchemas are the schemas of members that many schemas and parameters have, by their
// names, each with a member that has it. A generator makes one type of each.
var namedSchemas = map[string]string{
	"ProblemCode": "Problem.code", "TextParams": "Problem.params", "TurnState": "TurnMembers.state", "Provider": "TestKeyInBody.provider",
	"Role": "UserOut.role", "BudgetScope": "BudgetOut.scope_kind", "AgentCategory": "AgentChanges.category", "MessageStateName": "LineOut.state",
	"ShortText": "CreateOrganizationInBody.name", "ShortTextOrNull": "CreateThreadInBody.name", "LongTextOrNull": "CreateOrganizationInBody.description",
	"LongText": "AnnounceInBody.content", "MessageText": "EditMessageInBody.text", "SecretOrNull": "AgentChanges.api_key",
	"PasswordOrNull": "OwnChangesIn.password", "PictureOrNull": "OwnChangesIn.avatar_url", "FullNameOrNull": "OwnChangesIn.full_name",
	"EmailOrNull": "PersonIn.user_email", "PromptOrNull": "ExternalAgentInBody.system_prompt",
}

// shareNamed puts the named schemas into a document and refers to them.
func shareNamed(doc object) {
	schemas := doc["components"].(object)["schemas"].(object)
	names, named := map[string]string{}, object{}
	for name, of := range namedSchemas {
		schema, member, _ := strings.Cut(of, ".")
		members, _ := schemas[schema].(object)["properties"].(object)
		is, _ := members[member].(object)
		if is == nil || schemas[name] != nil {
			panic("no schema for the name " + name)
		}
		is = maps.Clone(is)
		maps.DeleteFunc(is, func(word string, _ any) bool { return slices.Contains(beside, word) })
		names[jsonOf(is)], named[name] = name, is
	}
	for _, schema := range schemas {
		renameMembers(schema, names)
	}
	eachOperation(doc, func(op object) {
		for _, param := range parametersOf(op) {
			if schema, _ := param["schema"].(object); schema != nil {
				param["schema"] = renamed(schema, names)
			}
		}
	})
	maps.Copy(schemas, named)
}

// beside are the keywords that may stand beside a reference.
var beside = []string{"description", "examples", "default"}

func renamed(schema object, names map[string]string) object {
	is, kept := object{}, object{}
	for word, v := range schema {
		if slices.Contains(beside, word) {
			kept[word] = v
		} else {
			is[word] = v
		}
	}
	name := names[jsonOf(is)]
	if name == "" || kept["default"] != nil {
		return schema
	}
	maps.Copy(kept, refTo("schemas", name))
	return kept
}

// renameMembers refers to named schemas in the members of a schema and of the objects in
// it.
func renameMembers(v any, names map[string]string) {
	switch v := v.(type) {
	case object:
		members, _ := v["properties"].(object)
		for member, is := range members {
			if is, ok := is.(object); ok {
				members[member] = renamed(is, names)
			}
		}
		for word, below := range v {
			if word != "examples" {
				renameMembers(below, names)
			}
		}
	case []any:
		for _, below := range v {
			renameMembers(below, names)
		}
	}
}

// shareTwins writes a schema that is the same as another as that one. Of two names the
// shorter one keeps the schema.
func shareTwins(schemas object) {
	names := slices.SortedFunc(maps.Keys(schemas), func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	first := map[string]string{}
	for _, name := range names {
		text := jsonOf(schemas[name])
		switch twin := first[text]; {
		case len(text) < 2*len(jsonOf(refTo("schemas", name))):
		case twin == "":
			first[text] = name
		default:
			schemas[name] = refTo("schemas", twin)
		}
	}
}
