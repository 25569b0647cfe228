package web

import (
	_ "embed"
	"encoding/json"
	"slices"
)

// columnSchemas describes the objects of clients that are stored as they come. A request
// is not checked by it: app reads what it knows of these objects, and words its errors.
//
//go:embed json_columns.json
var columnSchemas []byte

// jsonColumns are the members with such an object, by name, or by schema and name.
var jsonColumns = map[string]string{
	"settings": "AgentSettings", "default_settings": "AgentSettings", "trigger_config": "TriggerConfig", "schedule_config": "ScheduleConfig",
	"external_config": "ExternalConfig", "graph": "WorkflowGraph",
	"ArtifactOut.content": "ArtifactContent", "ArtifactShown.content": "ArtifactContent", "ArtifactVersionOut.content": "ArtifactContent",
	"CreateArtifactInBody.content": "ArtifactContent", "UpdateArtifactInBody.content": "ArtifactContent", "EnvelopeOut.content": "EnvelopeContent",
}

// addColumns names the schemas of these objects where the document only says that there
// is an object.
func addColumns(schemas object) error {
	described := object{}
	if err := json.Unmarshal(columnSchemas, &described); err != nil {
		return err
	}
	for name, schema := range schemas {
		members, _ := schema.(object)["properties"].(object)
		for member, is := range members {
			column := jsonColumns[name+"."+member]
			if column == "" {
				column = jsonColumns[member]
			}
			if is := is.(object); column != "" && is["properties"] == nil && isObject(is["type"]) {
				members[member] = columnOf(column, is)
			}
		}
	}
	if events, ok := schemas["EventsOutBody"].(object); ok {
		events["properties"].(object)["events"].(object)["items"] = refTo("schemas", "RoomFrame")
	}
	for name, schema := range described {
		schemas[name] = schema
	}
	return nil
}

// isObject tells whether the type of a schema is object, or object and null.
func isObject(kind any) bool {
	of, _ := kind.([]any)
	return kind == "object" || slices.Contains(of, any("object"))
}

// columnOf returns the schema of a member, which may be null where it might before.
func columnOf(column string, was object) object {
	is := refTo("schemas", column)
	if was["type"] != "object" {
		is = object{"anyOf": []any{is, object{"type": "null"}}}
	}
	if was["description"] != nil {
		is["description"] = was["description"]
	}
	return is
}
