package web

import (
	"maps"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/a2a"
)

// keywords are JSON Schema keywords that the document adds to a member of a body. app
// checks them: it trims texts first and words its errors for people. huma would check
// them before that.
type keywords map[string]any

const (
	// someText matches a text that is not blank. noNUL matches what both databases
	// accept.
	someText   = `^[^\x00]*[^\s\x00][^\x00]*$`
	noNUL      = `^[^\x00]*$`
	webAddress = `^[Hh][Tt][Tt][Pp][Ss]?://[^\s\x00]+$`
	anEmail    = `[^\x00]@[^\x00]`
)

// The limits of texts in characters, as in app.
const (
	longName, longText, longPrompt, longKey = 200, 20_000, 100_000, 4096
	yearDays                                = 365
)

func someOf(most int) keywords {
	return keywords{"minLength": 1, "maxLength": most, "pattern": someText}
}
func upTo(most int) keywords { return keywords{"maxLength": most, "pattern": noNUL} }
func fromTo(least, most int) keywords {
	return keywords{"minimum": least, "maximum": most}
}

func choice(of ...string) keywords {
	values := make([]any, len(of))
	for i, v := range of {
		values[i] = v
	}
	return keywords{"enum": values}
}

// alike has the keywords of members that mean the same in every schema.
func (s *Server) alike() map[string]keywords {
	providers := choice(s.app.Providers()...)
	category, name, text, prompt, key := choice("instructor", "participant", "utility"), someOf(longName), upTo(longText), upTo(longPrompt), upTo(longKey)
	labels := keywords{"maxItems": 100, "items": keywords{"type": "string", "minLength": 1, "maxLength": 100, "pattern": noNUL}}
	address, email := keywords{"maxLength": 2000, "pattern": webAddress}, keywords{"maxLength": 254, "pattern": anEmail}
	return map[string]keywords{
		"name": name, "title": name, "display_name": name, "alias": name, "description": text, "course_context": text, "fallback_message": text,
		"content": someOf(longText), "requirement": someOf(longText), "metadata_json": text, "version_label": upTo(longName), "note": upTo(1000),
		"system_prompt": prompt, "default_system_prompt": prompt, "custom_system_prompt": prompt,
		"icon": upTo(64), "color": upTo(32), "client_id": upTo(64), "code": someOf(64), "token": someOf(longName), "target_agent_type": someOf(64),
		"type_name": {"pattern": `^[a-z][a-z0-9_-]{0,63}$`}, "category": category, "ai_mode": choice("off", "teacher_only", "both"),
		"notify": choice(app.Notifies...), "locale": choice(app.Locales...), "theme": choice(app.Themes...),
		"density": choice(app.Densities...), "send_key": choice(app.SendKeys...), "time_zone": {"maxLength": 64, "pattern": `^[A-Za-z][A-Za-z0-9_+/-]*$`},
		"model_provider": providers, "default_model_provider": providers, "auth_type": choice("none", "bearer", "oauth2"),
		"model": upTo(longName), "default_model": upTo(longName), "custom_model": upTo(longName), "provider": upTo(64), "custom_provider": upTo(64),
		"capabilities": labels, "default_capabilities": labels, "api_key": key, "custom_api_key": key, "auth_token": key,
		"webhook_url": address, "email": email, "user_email": email, "password": upTo(1024), "current_password": upTo(1024),
		"full_name": {"maxLength": longName, "pattern": `^[^\x00\[\]]*$`}, "username": {"pattern": `^[^\x00@]*$`},
		"avatar_url": {"maxLength": 2000, "pattern": `^(\s*|[Hh][Tt][Tt][Pp][Ss]://[^\x00]+)$`}, "text": someOf(64 << 10), "message": someOf(64 << 10),
		"ai_frequency": fromTo(0, 1), "minutes": fromTo(1, yearDays*24*60), "max_uses": fromTo(1, 1000),
		"expires_in_hours": fromTo(1, yearDays*24), "expires_in_days": fromTo(1, yearDays),
		"scopes": {"minItems": 1, "items": keywords{"type": "string", "enum": []any{"read", "write", "admin"}}},
	}
}

// peculiar has the keywords that are different for a member of one schema.
func (s *Server) peculiar() map[string]keywords {
	providers := choice(s.app.Providers()...)
	inCourse, inProject := choice(app.RoleStudent, app.RoleTA, app.RoleTeacher), choice("owner", "admin", "editor", "member", "viewer")
	inOrg, anywhere := choice("admin", "member"), choice(app.RoleGuest, app.RoleStudent, app.RoleTA, app.RoleTeacher, app.RoleAdmin, app.RoleSuperAdmin)
	kinds, password := choice("external", "instructor", "participant", "utility"), keywords{"minLength": 8, "maxLength": 1024, "pattern": noNUL}
	return map[string]keywords{
		"EnrolInBody.role": inCourse, "InviteInBody.role": inCourse, "ChangeMemberInBody.role": inCourse,
		"AddOrganizationMemberInBody.role": inOrg, "ChangeOrganizationMemberInBody.role": inOrg,
		"AddProjectMemberInBody.role": inProject, "ChangeProjectMemberInBody.role": inProject,
		"CreateUserInBody.role": anywhere, "UpdateUserInBody.role": anywhere,
		"CreateAgentTypeInBody.category": kinds, "UpdateAgentTypeInBody.category": kinds,
		"UsePasswordLinkInBody.password": password, "NewcomerIn.password": password, "SetUpInBody.password": password,
		"CreateArtifactInBody.type": choice("task", "doc", "process"), "CreateArtifactInBody.content": {}, "UpdateArtifactInBody.content": {},
		"CreateArtifactInBody.title": someOf(500), "UpdateArtifactInBody.title": someOf(500), "UpdateReportInBody.content": someOf(1 << 20),
		"CreateThreadInBody.name": upTo(longName), "UpdateThreadInBody.name": upTo(longName), "EditMessageInBody.text": someOf(64 << 10),
		"A2aWebhookInBody.type":        choice(a2a.Types...),
		"CreateUserKeyInBody.provider": providers, "CreateUserKeyInBody.api_key": someOf(longKey),
		"TestKeyInBody.provider": providers, "TestKeyInBody.api_key": someOf(longKey),
	}
}

// keeps are, by schema, the optional members that null does not clear.
var keeps = map[string][]string{
	"agent":                    {"type", "name", "category", "model_provider", "system_prompt", "context_window", "is_active", "settings"},
	"UpdateAgentTypeInBody":    {"display_name", "category", "default_model_provider"},
	"CreateAgentTypeInBody":    {"category", "default_model_provider"},
	"UpdateReportInBody":       {"title", "content"},
	"UpdateAnnouncementInBody": {"title", "content"},
	"UpdateCourseInBody":       {"title"},
	"WorkspaceSettingsIn":      {"name"},
	"CreateRoomInBody":         {"is_ai_active", "is_analytics_active", "ai_frequency", "ai_mode"},
	"UpdateRoomInBody":         {"name", "is_ai_active", "is_analytics_active", "ai_frequency", "ai_mode"},
	"UpdateUserInBody":         {"role", "is_active"},
	"UpdateWorkflowInBody":     {"name", "graph"},
	"UpdateArtifactInBody":     {"title", "content"},
	"UpdateBotInBody":          {"name", "is_active"},
	"SetMyRoomInBody":          {"pinned"},
	"SetPreferencesInBody":     {"theme", "density", "send_key", "notify", "sound"},
}

// byOne are bodies that name something by exactly one or by at least one of several
// members.
var byOne = map[string]struct {
	word    string
	members []string
}{
	"EnrolInBody": {"anyOf", []string{"user_email", "user_id"}}, "AddOrganizationMemberInBody": {"anyOf", []string{"user_email", "user_id"}},
	"AddProjectMemberInBody": {"anyOf", []string{"user_email", "user_id"}}, "PersonIn": {"anyOf", []string{"user_email", "user_id"}},
	"JoinInBody":      {"oneOf", []string{"code", "token"}},
	"MuteAgentInBody": {"oneOf", []string{"until", "minutes"}},
}

// sayLimits adds to the document the limits that app checks in bodies and addresses.
func (s *Server) sayLimits() {
	doc, alike, peculiar := s.api.OpenAPI(), s.alike(), s.peculiar()
	for _, p := range slices.Concat(doc.Paths[v1+"/users/search"].Get.Parameters, doc.Paths[v1+"/agent-types"].Get.Parameters) {
		// huma would take an empty q for a missing one, so the tag cannot say that q is
		// required.
		if p.Required = p.Required || p.Name == "q"; p.Schema.Type == huma.TypeString {
			p.Schema.Extensions = upTo(200)
		}
	}
	for _, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Post, item.Put, item.Patch} {
			if op == nil || op.RequestBody == nil {
				continue
			}
			for _, content := range op.RequestBody.Content {
				if op.OperationID == "setAgentKeys" {
					content.Schema.Extensions = keywords{"propertyNames": choice("room_key", "global_key", "backup_key")}
				}
				name := strings.TrimPrefix(content.Schema.Ref, "#/components/schemas/")
				if schema := doc.Components.Schemas.Map()[name]; schema != nil {
					describe(schema, name, alike, peculiar)
				}
			}
		}
	}
}

// sayNames adds to the document which bodies are refused for members that they do not
// list. A schema that an answer or a body of the older contract has too stays open, though
// Server.namesFit refuses other members in it where its operation is strict.
func (s *Server) sayNames() {
	doc := s.api.OpenAPI()
	strict, open := map[*huma.Schema]bool{}, map[*huma.Schema]bool{}
	for _, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op == nil {
				continue
			}
			if op.RequestBody != nil {
				into := open
				if isStrict(op) {
					into = strict
				}
				for _, content := range op.RequestBody.Content {
					collect(doc.Components.Schemas, content.Schema, into)
				}
			}
			for _, response := range op.Responses {
				for _, content := range response.Content {
					collect(doc.Components.Schemas, content.Schema, open)
				}
			}
		}
	}
	for schema := range strict {
		if schema.Properties != nil && !open[schema] {
			schema.AdditionalProperties = false
		}
	}
}

// collect adds a schema and all that it consists of.
func collect(schemas huma.Registry, schema *huma.Schema, into map[*huma.Schema]bool) {
	if schema == nil || into[schema] {
		return
	}
	into[schema] = true
	if schema.Ref != "" {
		collect(schemas, schemas.SchemaFromRef(schema.Ref), into)
	}
	for _, member := range schema.Properties {
		collect(schemas, member, into)
	}
	for _, of := range slices.Concat(schema.AnyOf, schema.OneOf, schema.AllOf) {
		collect(schemas, of, into)
	}
	if of, ok := schema.AdditionalProperties.(*huma.Schema); ok {
		collect(schemas, of, into)
	}
	collect(schemas, schema.Items, into)
}

func describe(body *huma.Schema, name string, alike, peculiar map[string]keywords) {
	kept := keeps[name]
	if body.Properties["trigger_config"] != nil {
		kept = keeps["agent"]
	}
	for member, schema := range body.Properties {
		said, ok := peculiar[name+"."+member]
		if !ok {
			said = alike[member]
		}
		if said = maps.Clone(said); said == nil {
			said = keywords{}
		}
		mayBeNull := !slices.Contains(body.Required, member) && !slices.Contains(kept, member) || name == "SetRoomWorkflowInBody"
		if enum, ok := said["enum"].([]any); ok && mayBeNull {
			said["enum"] = append(slices.Clone(enum), nil)
		}
		if said["type"] = schema.Type; mayBeNull {
			said["type"] = []string{schema.Type, "null"}
		}
		if len(schema.Enum) == 0 && schema.Type != "" {
			schema.Extensions = said
		}
	}
	if one, ok := byOne[name]; ok {
		var ways []keywords
		for _, member := range one.members {
			// Do not use the member's type here: Redoc would show it as a conflict with
			// the member's own.
			ways = append(ways, keywords{"required": []string{member}, "properties": keywords{member: keywords{"not": keywords{"type": "null"}}}})
		}
		body.Extensions = keywords{one.word: ways}
	}
}
