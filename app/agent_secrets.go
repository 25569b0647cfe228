package app

import (
	"bytes"
	"encoding/json"
	"maps"
	"strings"

	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
)

// secretMembers are the secrets in an external agent's configuration. They are removed
// from the JSON that is stored, and kept encrypted beside it.
var secretMembers = map[string]bool{secretAuthToken: true, secretCallback: true, secretClientSecret: true}

// applyExternal stores a sent external_config: the object without its secrets, in the
// client's own order, and the secrets encrypted. A secret that is absent, null, "" or
// its own mask keeps the stored one. A client never sets callback_token; only this
// program makes one.
func (r *agentRules) applyExternal(sent Opt[json.RawMessage], ag *store.Agent) error {
	if !sent.Sent {
		return nil
	}
	raw, err := object("external_config", sent.Value, "")
	if err != nil || raw == "" {
		return err
	}
	kept, err := r.secrets(ag)
	if err != nil {
		return err
	}
	found, was := map[string]string{}, maps.Clone(kept)
	public, err := withoutSecrets([]byte(raw), found)
	if err != nil {
		return invalid("external_config", "must be an object")
	}
	maps.DeleteFunc(found, func(name, value string) bool {
		return name == secretCallback || value == "" || value == secret.Mask(secret.Text(kept[name]))
	})
	if err := checkSecrets(found); err != nil {
		return err
	}
	if ag.IsExternal {
		if err := changeExternal(ag.ExternalConfig, store.JSON(public), kept, found); err != nil {
			return err
		}
	}
	maps.Copy(kept, found)
	ag.ExternalConfig = store.JSON(public)
	if maps.Equal(kept, was) {
		return nil // do not encrypt it anew, which would look like another secret
	}
	if len(kept) == 0 {
		ag.EncryptedSecrets = ""
		return nil
	}
	ag.EncryptedSecrets, err = r.seal(kept)
	return err
}

// seal encrypts an agent's secrets.
func (r *agentRules) seal(secrets map[string]string) (string, error) {
	return r.keys.Encrypt(secret.Text(store.ToJSON(secrets)))
}

// secrets decrypts an agent's secrets. The keys of the map are the member names.
func (r *agentRules) secrets(ag *store.Agent) (map[string]string, error) {
	secrets := map[string]string{}
	if ag.EncryptedSecrets == "" {
		return secrets, nil
	}
	plain, err := r.keys.Decrypt(ag.EncryptedSecrets)
	if err != nil {
		return nil, err
	}
	return secrets, json.Unmarshal([]byte(plain.Reveal()), &secrets)
}

// withoutSecrets copies an object without its secret members, also in nested objects,
// and puts those that are strings into found.
func withoutSecrets(raw []byte, found map[string]string) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.WriteByte('{')
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, err
		}
		name, _ := key.(string)
		// JSON decoders accept Auth_Token for auth_token.
		if member := strings.ToLower(name); secretMembers[member] {
			var text string
			if json.Unmarshal(value, &text) == nil {
				found[member] = text
			}
			continue
		}
		if bytes.HasPrefix(value, []byte("{")) {
			if value, err = withoutSecrets(value, found); err != nil {
				return nil, err
			}
		}
		if out.Len() > 1 {
			out.WriteByte(',')
		}
		out.WriteString(string(store.ToJSON(name)))
		out.WriteByte(':')
		out.Write(value)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}
