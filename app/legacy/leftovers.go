package legacy

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// keep leaves a row out and writes it into the file beside, so that nothing is lost.
func (p *plan) keep(r row, why string, args ...any) {
	p.report.leave(r.table, r.own(), why, args...)
	if p.left == nil || p.report.err != nil {
		return
	}
	enc := json.NewEncoder(p.left)
	enc.SetEscapeHTML(false)
	values := map[string]any{}
	for column, text := range r.All() {
		values[column] = nil
		if text != nil {
			values[column] = hidden(*text)
		}
	}
	if err := enc.Encode(map[string]any{"table": r.table, "why": fmt.Sprintf(why, args...), "row": values}); err != nil {
		p.report.err = fmt.Errorf("write the rows that do not come: %w", err)
	}
}

// hidden returns a text without secrets: JSON with its secret members as ***.
func hidden(text string) any {
	var value any
	if !strings.ContainsAny(text, "{[") || json.Unmarshal([]byte(text), &value) != nil {
		return text
	}
	return withoutSecrets(value)
}

func withoutSecrets(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			if _, text := member.(string); text && isSecret(name) {
				v[name] = "***"
				continue
			}
			v[name] = withoutSecrets(member)
		}
	case []any:
		for i := range v {
			v[i] = withoutSecrets(v[i])
		}
	}
	return value
}

func isSecret(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc([]string{"secret", "token", "password", "api_key", "apikey", "authorization"},
		func(part string) bool { return strings.Contains(name, part) })
}

// leftovers are the tables that have no counterpart here. Their rows go into the file beside.
func (p *plan) leftovers(ctx context.Context) error {
	for table, why := range map[string]string{
		"a2a_messages":   "belongs to no turn of an agent",
		"trigger_policy": "a trigger of a workflow is one of an agent here",
		"knowledge_base": "there are no knowledge bases here",
		"workflow_run":   "runs of workflows are not taken over",
	} {
		if err := p.each(ctx, table, nil, func(r row) { p.keep(r, "%s", why) }); err != nil {
			return err
		}
	}
	return nil
}

// unknown counts the rows of tables that the import does not know.
func (p *plan) unknown(ctx context.Context) error {
	for _, table := range sortedKeys(p.src.Tables()) {
		if p.report.counts[table] != nil || table == "alembic_version" {
			continue
		}
		n, err := p.src.Count(ctx, table)
		if err != nil {
			return err
		}
		c := p.report.of(table)
		if c.Read = n; n > 0 && slices.Contains(otherVersion, table) {
			c.LeftOut, c.Reasons["it is of the other version of the old system"] = n, int(n)
			p.report.decide(table, "", "has %d rows, and is of the other version of the old system", n)
		} else if n > 0 {
			c.LeftOut, c.Reasons["it is no table of the old system"] = n, int(n)
			p.report.decide(table, "", "has %d rows, and is no table that the import knows", n)
		}
	}
	return nil
}

// otherVersion are the tables of courses under their other names.
var otherVersion = []string{"course", "usercourselink", "space", "user_space_link"}
