package web

import (
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// maxExample limits the depth of generated examples for schemas that contain themselves.
const maxExample = 6

func exampleOf(r huma.Registry, name string, s *huma.Schema, depth int) any {
	if s.Ref != "" {
		s = r.SchemaFromRef(s.Ref)
	}
	switch {
	case s == nil || depth > maxExample:
		return nil
	case len(s.Examples) > 0:
		return s.Examples[0]
	case s.Default != nil:
		return s.Default
	case len(namedValues(s)) > 0:
		return namedValues(s)[0]
	case len(s.Enum) > 0:
		return s.Enum[0]
	case len(s.AnyOf) > 0:
		return exampleOf(r, name, s.AnyOf[0], depth)
	case len(s.OneOf) > 0:
		return exampleOf(r, name, s.OneOf[0], depth)
	}
	switch s.Type {
	case huma.TypeObject:
		object := map[string]any{}
		for member, schema := range s.Properties {
			object[member] = exampleOf(r, member, schema, depth+1)
		}
		return object
	case huma.TypeArray:
		if s.Items == nil {
			return []any{}
		}
		return []any{exampleOf(r, strings.TrimSuffix(name, "s"), s.Items, depth+1)}
	case huma.TypeString:
		return exampleText(name, s)
	case huma.TypeInteger, huma.TypeNumber:
		if s.Minimum != nil {
			return *s.Minimum
		}
		return 1
	case huma.TypeBoolean:
		return true
	}
	return nil
}

// namedValues returns the values that the document lists for a member, see sayLimits.
func namedValues(s *huma.Schema) []any {
	values, _ := s.Extensions["enum"].([]any)
	return values
}

// likely has typical texts for members of these names.
var likely = map[string]string{
	"title": "Physics 101", "name": "Group A", "description": "Light and colour", "content": "Good morning!", "text": "Good morning!",
	"email": "ada@example.org", "user_email": "ada@example.org", "username": "ada", "full_name": "Ada Lovelace", "password": "correct horse battery",
	"provider": "openai", "model_provider": "openai", "model": "gpt-4o", "alias": "school", "api_key": "sk-proj-4f1c9d", "masked_key": "sk-...1234",
	"masked_api_key": "sk-...1234", "system_prompt": "Teach by asking questions.", "sender": "Ada Lovelace", "message": "Done", "role": "student",
	"avatar_url": "/static/avatars/" + anID + ".png", "type": "teacher", "requirement": "An agent that asks back",
	"webhook_url": "https://agent.example.org/hook", "token_url": "https://agent.example.org/token", "type_name": "tutor",
}

func exampleText(name string, s *huma.Schema) string {
	switch s.Format {
	case "uuid":
		return anID
	case "date-time":
		return anInstant
	case "date":
		return anInstant[:len("2026-03-02")]
	case "email":
		return "ada@example.org"
	case "uri":
		return "https://example.org"
	case "binary":
		return ""
	}
	text := likely[name]
	if text == "" {
		text = "text"
	}
	if s.MinLength != nil && len(text) < *s.MinLength {
		text += strings.Repeat("x", *s.MinLength-len(text))
	}
	if s.MaxLength != nil && len(text) > *s.MaxLength {
		text = text[:*s.MaxLength]
	}
	return text
}
