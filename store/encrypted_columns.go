package store

// SettingCanary and SettingDemo are the settings whose values are encrypted: a known word
// that proves the keys, and the accounts of the demo.
const (
	SettingCanary = "encryption_canary"
	SettingDemo   = "demo_seeded"
)

// SettingSetup is the setting with the hash of the token of the link that makes the first
// admin.
const SettingSetup = "setup_token_sha256"

// SettingRotationLive is a setting that exists while a rotation of the keys is under way, so
// that a sweep looks whether its worker is gone.
const SettingRotationLive = "key_rotation_live"

// EncryptedColumn is a column whose values are Fernet tokens of secret.Keyring. A value may
// also be NULL or empty.
type EncryptedColumn struct {
	Table, Column string
	Key           []string // the primary key's columns
	Only          []string // values of the first key column whose rows count; nil for all rows
	Mixed         bool     // old versions stored other texts there too
	Holds         string   // what a token is, in English, in the plural
}

// Name is the table and the column, such as agents.encrypted_api_key. For the settings it has
// the setting too.
func (c EncryptedColumn) Name() string {
	name := c.Table + "." + c.Column
	if len(c.Only) == 1 {
		name += " (" + c.Only[0] + ")"
	}
	return name
}

// EncryptedColumns returns the one list of all columns with encrypted values. A backup leaves
// them out or takes them along, and a change of keys encrypts them anew. So a new column with
// tokens belongs here. The canary comes last: once it is encrypted anew, all others are.
func EncryptedColumns() []EncryptedColumn {
	return []EncryptedColumn{
		{Table: "user_keys", Column: "encrypted_key", Key: []string{"id"}, Holds: "people's model keys"},
		{Table: "agents", Column: "encrypted_api_key", Key: []string{"id"}, Holds: "agents' own model keys"},
		{Table: "agents", Column: "encrypted_secrets", Key: []string{"id"}, Holds: "external agents' tokens and client secrets"},
		{Table: "agent_keys", Column: "encrypted_key", Key: []string{"agent_id", "key_type"}, Holds: "agents' further model keys"},
		{Table: "two_factors", Column: "encrypted_secret", Key: []string{"user_id"}, Holds: "the keys of people's authenticator apps"},
		{Table: "session_sign_ons", Column: "encrypted_id_token", Key: []string{"session_id"}, Holds: "what signs people out at providers of identities"},
		{Table: "pending_sign_ons", Column: "encrypted_id_token", Key: []string{"id"}, Holds: "sign-ins at providers of identities that wait for a code"},
		{Table: "settings", Column: "value", Key: []string{"key"}, Only: []string{SettingDemo}, Mixed: true, Holds: "the demo's accounts"},
		{Table: "settings", Column: "value", Key: []string{"key"}, Only: []string{SettingCanary}, Holds: "the word that proves the keys"},
	}
}
