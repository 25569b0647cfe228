package app

import (
	"bytes"
	"context"
	"encoding/json"
	"strconv"

	"github.com/coagent-studio/coagent/app/textdiff"
	"github.com/coagent-studio/coagent/store"
)

// VersionDiff is what differs between two versions of an agent.
type VersionDiff struct {
	Changes []VersionChange
	// NotKept are the members that one of the two does not have, because it was kept before
	// they were. Whether they differ is not known.
	NotKept []string
}

// VersionChange is a member that differs. A short one has its two values, nil for none. A
// long text, and an object or a list as indented JSON, has its lines.
type VersionChange struct {
	Field         string
	Before, After *string
	Lines         []textdiff.Line
}

// The members of a version, in the order in which people read them.
var (
	versionShort = []string{"name", "type", "category", "model_provider", "model", "context_window"}
	versionLong  = []string{"system_prompt", "settings", "trigger_config", "schedule_config", "capabilities", "external_config", "user_key_ids"}
	// These are not in versions from before they were kept.
	versionLater = []string{"type", "category", "capabilities", "external_config", "user_key_ids"}
)

// VersionFields are the names of all members of a version.
func VersionFields() []string { return append(append([]string{}, versionShort...), versionLong...) }

// VersionDiff compares a version of an agent with another one, or with what the agent is
// now if with is "".
func (a *App) VersionDiff(ctx context.Context, actor *Actor, agentID, versionID, with string) (*VersionDiff, error) {
	ag, err := a.agentFor(ctx, actor, agentID, ActReadVersions, "Agent config")
	if err != nil {
		return nil, err
	}
	before, err := a.db.AgentVersion(ctx, agentID, versionID)
	if err != nil {
		return nil, fromStore(err, "Version")
	}
	after := versionOf(ag)
	if with != "" {
		if after, err = a.db.AgentVersion(ctx, agentID, with); err != nil {
			return nil, fromStore(err, "Version")
		}
	}
	return diffVersions(before, after), nil
}

func diffVersions(before, after *store.AgentVersion) *VersionDiff {
	d := &VersionDiff{}
	was, is := versionMembers(before), versionMembers(after)
	if !before.Whole() || !after.Whole() {
		d.NotKept = versionLater
		for _, field := range d.NotKept {
			delete(was, field)
			delete(is, field)
		}
	}
	for _, field := range versionShort {
		if b, a := was[field], is[field]; !bothNone(b, a) && !sameText(b, a) {
			d.Changes = append(d.Changes, VersionChange{Field: field, Before: b, After: a})
		}
	}
	for _, field := range versionLong {
		if b, a := was[field], is[field]; !bothNone(b, a) && !sameText(b, a) {
			d.Changes = append(d.Changes, VersionChange{Field: field, Lines: textdiff.Lines(orEmpty(b), orEmpty(a))})
		}
	}
	return d
}

// versionMembers are the members of a version as texts, nil for none.
func versionMembers(v *store.AgentVersion) map[string]*string {
	window := strconv.Itoa(v.ContextWindow)
	return map[string]*string{"name": &v.Name, "type": &v.Type, "category": &v.Category, "model_provider": &v.ModelProvider, "model": v.Model,
		"context_window": &window, "system_prompt": &v.SystemPrompt, "settings": indented(v.Settings), "trigger_config": indented(v.TriggerConfig),
		"schedule_config": indented(v.ScheduleConfig), "capabilities": indented(v.Capabilities), "external_config": indented(v.ExternalConfig),
		"user_key_ids": indented(v.UserKeyIDs)}
}

// indented is JSON with each member on its own line, in the order of the names: clients may
// send the members in another order, and Postgres has an order of its own.
func indented(of store.JSON) *string {
	if of == "" {
		return nil
	}
	var value any
	dec := json.NewDecoder(bytes.NewReader([]byte(of)))
	dec.UseNumber()
	text := string(of)
	if err := dec.Decode(&value); err != nil {
		return &text
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(value); err != nil {
		return &text
	}
	text = string(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
	return &text
}

func bothNone(a, b *string) bool { return a == nil && b == nil }

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
