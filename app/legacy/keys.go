package legacy

import (
	"context"
	"fmt"
	"strings"

	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
)

// tokenPrefix begins every Fernet token.
const tokenPrefix = "gAAAAA"

// clear returns the secret of a column that may hold a token of the old system or a plain
// text, whatever its name says. why says that there is none that anybody could use.
func (p *plan) clear(value string) (key secret.Text, why string) {
	value = strings.TrimSpace(value)
	token := strings.HasPrefix(value, tokenPrefix)
	if token {
		p.sealed++
	}
	if p.old != nil {
		if text, err := p.old.Decrypt(value); err == nil {
			return text, ""
		}
	}
	if token {
		p.unread++
		return "", "is encrypted with a key that this import was not given"
	}
	return secret.Text(value), ""
}

// seal encrypts what clear has found, for a provider.
func (p *plan) seal(provider, value string) (token, why string) {
	key, why := p.clear(value)
	if why != "" || key == "" {
		return "", why
	}
	token, err := p.rules.SealKey(provider, key)
	if err != nil {
		return "", "is no key that a provider takes"
	}
	return token, ""
}

func (p *plan) userKeys(ctx context.Context) error {
	alias := map[string]bool{}
	return p.each(ctx, "user_api_key", []string{"id"}, func(r row) {
		user, provider := r.account("user_id"), r.Text("provider")
		if r.noID() {
			return
		}
		if user == "" {
			r.gone("person")
			return
		}
		if r.Has("is_active") && !r.flag("is_active") {
			p.report.leave(r.table, r.own(), "is switched off, and a key here never is")
			return
		}
		if r.json("schedule_config") != "" {
			p.report.decide(r.table, r.own(), "had a schedule: here it is used at any time")
		}
		token, why := p.seal(provider, r.Text("encrypted_key"))
		if token == "" {
			p.report.leave(r.table, r.own(), "%s", orEmpty(why))
			return
		}
		name := r.titled("alias")
		for n := 2; alias[user+"\x00"+name]; n++ {
			name = fmt.Sprintf("%s (%d)", r.titled("alias"), n)
		}
		if name != r.Text("alias") {
			p.report.change(r.table, r.own(), "is now called %q", name)
		}
		alias[user+"\x00"+name] = true
		p.keys = append(p.keys, store.UserKey{ID: r.id("id"), UserID: user, Provider: provider, Alias: name, Description: r.optional("description"),
			EncryptedKey: token, CreatedAt: r.when("created_at"), UpdatedAt: r.when("updated_at")})
		p.report.came(r.table)
	})
}

func orEmpty(why string) string {
	if why == "" {
		return "is empty"
	}
	return why
}

// keysOfAgents takes the last of several keys of one type that can be used.
func (p *plan) keysOfAgents(ctx context.Context) error {
	at := map[string]int{}
	return p.each(ctx, "agent_key", []string{"id"}, func(r row) {
		ag, kind := p.agent[r.id("agent_config_id")], r.Text("key_type")
		if ag == nil {
			r.gone("agent")
			return
		}
		if kind != "room_key" && kind != "global_key" && kind != "backup_key" {
			p.report.leave(r.table, r.own(), "has a type that was never used: %q", kind)
			return
		}
		token, why := p.seal(ag.ModelProvider, r.Text("encrypted_api_key"))
		if token == "" {
			p.report.leave(r.table, r.own(), "%s", orEmpty(why))
			return
		}
		key := store.AgentKey{AgentID: ag.ID, KeyType: kind, EncryptedKey: token, CreatedAt: p.now}
		if i, there := at[ag.ID+kind]; there {
			p.agentKeys[i] = key
			p.report.leave(r.table, ag.ID, "an agent has one key of each type: of several %s the last one comes", kind)
			return
		}
		at[ag.ID+kind] = len(p.agentKeys)
		p.agentKeys = append(p.agentKeys, key)
		p.report.came(r.table)
	})
}
