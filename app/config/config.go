// Package config has the settings: their defaults and reasons (config.go), where they
// are read from (load.go, dotenv.go), which values are refused (check.go), how they are
// printed (print.go), and the secrets that the first start generates (secrets.go). Of
// this program it imports only packages secret and money.
package config

import (
	"os"
	"path/filepath"
	"time"
	_ "time/tzdata" // the container image, built from scratch, has no zone files

	"github.com/coagent-studio/coagent/app/secret"
)

// Config has every setting of coagent. The tags of a field are the only source of its
// path in YAML (yaml), its default, its bounds (min, max, oneof), the older environment
// names that also set it (legacy) and the reason why it exists (doc). The field's own
// environment name is COAGENT_ and the path in capitals.
type Config struct {
	DataDir  string `yaml:"data_dir" default:"coagent-data" doc:"Folder of the SQLite database and of the generated secrets."`
	Timezone string `yaml:"timezone" legacy:"TIMEZONE" doc:"IANA zone in which schedules and dates are read, such as Asia/Taipei; empty means the machine's, which in a container is UTC."`

	HTTP      HTTP      `yaml:"http" doc:"Where people reach the server."`
	Web       Web       `yaml:"web" doc:"The client that browsers get at /."`
	Database  Database  `yaml:"database" doc:"Postgres in production; with no url, SQLite in data_dir."`
	Auth      Auth      `yaml:"auth" doc:"Sign-in, sessions and keys. On SQLite missing keys are generated at the first start."`
	Limits    Limits    `yaml:"limits" doc:"What one person may do, so that nobody can drown a class."`
	Quotas    Quotas    `yaml:"quotas" doc:"What one person may store; admins may more. What is there stays when a quota is lowered."`
	Files     Files     `yaml:"files" doc:"Files and pictures in rooms: where they lie, and how much of them."`
	Jobs      Jobs      `yaml:"jobs" doc:"Background work."`
	Turns     Turns     `yaml:"turns" doc:"One agent's answer to a room, from the look at it to the stored message."`
	Rooms     Rooms     `yaml:"rooms" doc:"Sockets and the event log behind them."`
	Retention Retention `yaml:"retention" doc:"How many days things are kept; 0 keeps them for ever. What is older goes within minutes."`
	Backup    Backup    `yaml:"backup" doc:"Backups that serve makes by itself; coagent backup makes one at once."`
	LLM       LLM       `yaml:"llm" doc:"Model providers. Keys are not set here: they belong to agents and users, encrypted in the database."`
	Prices    []Price   `yaml:"prices" doc:"What models cost for a million tokens, such as [{model: gpt-4o*, input: 2.5, output: 10, cached_input: 1.25, currency: USD, valid_from: 2026-01-31}]; coagent prices import makes such a list. Of all that match a model, or provider/model, and are valid, the one with the most letters besides * counts, then the latest valid_from, then the last. cached_input and cache_write are input where missing; max_output is the longest answer of a model that takes no limit; sees_images: true says that it takes pictures."`
	External  External  `yaml:"external" doc:"Agents outside this program, at addresses that admins type in."`
	Log       Log       `yaml:"log" doc:"What the process says about itself, on standard error and in a file."`
	Telemetry Telemetry `yaml:"telemetry" doc:"OpenTelemetry traces."`

	file string // no setting, see File
}

// File is the YAML file that was read, or "".
func (c *Config) File() string { return c.file }

// HTTP has the server's addresses and the bounds of one request.
type HTTP struct {
	Addr            string        `yaml:"addr" default:"127.0.0.1:8000" doc:"Address to listen on; 0.0.0.0:8000 lets a class reach it."`
	PublicURL       string        `yaml:"public_url" doc:"How browsers reach the server, such as https://studio.school.example or https://school.example/coagent, for its links; empty derives it from addr."`
	Hosts           []string      `yaml:"hosts" doc:"Names by which people may ask for the server beside that of public_url, without port, for example studio.lan.example; * lets every name through. Only with public_url: addresses such as 192.168.1.5, names without a dot and those below .local and .localhost are always let through, others are told that the name is wrong."`
	CORSOrigins     []string      `yaml:"cors_origins" legacy:"BACKEND_CORS_ORIGINS" doc:"Other origins whose pages may call with cookies, for example http://localhost:5173."`
	TrustedProxies  []string      `yaml:"trusted_proxies" doc:"Addresses or networks (10.0.0.0/8) whose X-Forwarded-For is believed."`
	SecureCookies   bool          `yaml:"secure_cookies" default:"false" legacy:"SECURE_COOKIES" doc:"Send cookies over https only; turn it on wherever there is https."`
	BodyLimit       Bytes         `yaml:"body_limit" default:"1MiB" min:"64KiB" max:"256MiB" doc:"Largest body of a request; more is answered with 413."`
	UploadLimit     Bytes         `yaml:"upload_limit" default:"8MiB" min:"64KiB" max:"256MiB" doc:"The same for routes that take files."`
	OpenBodyLimit   Bytes         `yaml:"open_body_limit" default:"16KiB" min:"4KiB" max:"1MiB" doc:"The same for routes that need no sign-in, such as signing in."`
	BodiesLimit     Bytes         `yaml:"bodies_limit" default:"64MiB" min:"1MiB" max:"64GiB" doc:"All bodies together that the process reads or works on; beyond it 503. One address gets half of it, one person a quarter, and never less than one body of the limits above."`
	InternalAddr    string        `yaml:"internal_addr" doc:"Separate address for /metrics, /healthz and /readyz, of worker too; empty turns it off. Never make it public."`
	ShutdownTimeout time.Duration `yaml:"shutdown_timeout" default:"20s" min:"1s" max:"10m" doc:"How long a stop may take before what is left is cut off."`
}

// Web configures the single-page client that is served beside the API.
type Web struct {
	UIDir string `yaml:"ui_dir" doc:"Folder of any built single-page client, served at / instead of the studio, which is then below /studio."`
	UICSP string `yaml:"ui_csp" default:"default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob: https:; font-src 'self' data:; media-src 'self' data: blob:; worker-src 'self' blob:; connect-src 'self' ws://{host} wss://{host} https://*.spline.design; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; object-src 'none'" doc:"Content-Security-Policy of that client; {host} becomes the host that the browser asked for. Its pictures of spline.design are let through."`
}

// Database chooses between Postgres and SQLite.
type Database struct {
	URL         secret.Text `yaml:"url" legacy:"DATABASE_URL" doc:"postgres://user:password@host:5432/name; empty means SQLite in data_dir."`
	ListenURL   secret.Text `yaml:"listen_url" doc:"The Postgres server itself, where url leads through a pooler in transaction mode (PgBouncer); notifications need it."`
	Pool        int         `yaml:"pool" default:"20" min:"2" max:"1000" doc:"Most Postgres connections of this process."`
	AutoMigrate bool        `yaml:"auto_migrate" default:"false" doc:"Let serve migrate Postgres by itself; SQLite always does."`
}

// Auth configures sign-in, sessions and their keys.
type Auth struct {
	SecretKey                secret.Text   `yaml:"secret_key" legacy:"SECRET_KEY" doc:"Signs sessions, 32 characters or more; a new one signs everybody out, unless the old one is in secret_keys_before."`
	SecretKeysBefore         []secret.Text `yaml:"secret_keys_before" doc:"Earlier secret keys, which verify still and sign nothing; take one out when refresh_token_days have passed."`
	EncryptionKeys           []secret.Text `yaml:"encryption_keys" legacy:"ENCRYPTION_KEY,FERNET_SECRET_KEY" doc:"Fernet keys for stored secrets: the first encrypts, all decrypt, so a new one goes in front."`
	AccessTokenMinutes       int           `yaml:"access_token_minutes" default:"15" min:"1" max:"43200" legacy:"ACCESS_TOKEN_EXPIRE_MINUTES" doc:"Life of an access token; browsers refresh it by themselves."`
	RefreshTokenDays         int           `yaml:"refresh_token_days" default:"7" min:"1" max:"365" legacy:"REFRESH_TOKEN_EXPIRE_DAYS" doc:"A session that is not used for so long ends."`
	RefreshGrace             time.Duration `yaml:"refresh_grace" default:"60s" min:"0s" max:"10m" doc:"For so long a used refresh token yields the same successor, since one page may refresh several times at once."`
	SuperAdmin               string        `yaml:"super_admin" legacy:"SUPER_ADMIN" doc:"E-mail or name of the super admin to make at a start that finds none."`
	SuperAdminPassword       secret.Text   `yaml:"super_admin_password" legacy:"SUPER_ADMIN_PASSWORD" doc:"Password of that account; an existing account is never touched."`
	HashConcurrency          int           `yaml:"hash_concurrency" default:"0" min:"0" max:"1024" doc:"Passwords hashed at once, 19 MiB each; 0 means one per processor."`
	SigninFailuresPerAccount int           `yaml:"signin_failures_per_account" default:"10" min:"1" max:"100000" doc:"Failed sign-ins of one account within signin_window before strange devices have to space their attempts; devices that signed in before go on."`
	SigninFailuresPerAddress int           `yaml:"signin_failures_per_address" default:"300" min:"1" max:"1000000" doc:"Failed sign-ins of one address before strange devices there wait behind everybody else; nobody is shut out, because a whole school is one address."`
	SigninWindow             time.Duration `yaml:"signin_window" default:"15m" min:"1s" max:"24h" doc:"The time in which failed sign-ins are counted."`

	TwoFactor string `yaml:"two_factor" default:"optional" oneof:"off,optional,admins,staff" doc:"Who signs in with a code of an authenticator app: whoever wants to (optional), and of admins or of all staff (assistants and teachers too) it is asked: they can do nothing else before they have set it up. With off nobody sets it up; who has it keeps it."`

	SignOn []SignOn `yaml:"sign_on" doc:"Providers of identities (OpenID Connect), such as [{id: school, name: School account, issuer: 'https://id.school.example', client_id: coagent, client_secret: '...', trusted_email: true, allowed_domains: [school.example], make_accounts: true, default_role: student, groups: {Teachers: teacher}, end_session: true}]; docs/operate.md says what each member means. In the environment a list in JSON."`

	SelfMadeAccounts      bool `yaml:"self_made_accounts" default:"true" doc:"Let people who have a course's open join code or an invitation make their own account; staff can forbid it for their code."`
	NewAccountsPerCode    int  `yaml:"new_accounts_per_code" default:"600" min:"1" max:"1000000" doc:"Accounts that people make with one code or invitation in an hour, half of them at once."`
	NewAccountsPerAddress int  `yaml:"new_accounts_per_address" default:"600" min:"1" max:"1000000" doc:"Accounts that people make from one address in an hour, half of them at once; a whole school may be one."`
	NewAccounts           int  `yaml:"new_accounts" default:"5000" min:"1" max:"10000000" doc:"Accounts that people make in an hour in all, half of them at once."`

	cheapHashes bool // no setting, see HashCheaply
}

// The values of Auth.TwoFactor that the rules ask for.
const (
	TwoFactorOff    = "off"
	TwoFactorAdmins = "admins"
	TwoFactorStaff  = "staff"
)

// VerifyingKeys returns all keys with which a signature may have been made, each as derive
// turns it into a signing key.
func (a *Auth) VerifyingKeys(derive func(secret.Text) []byte) [][]byte {
	all := [][]byte{derive(a.SecretKey)}
	for _, key := range a.SecretKeysBefore {
		all = append(all, derive(key))
	}
	return all
}

// HashCheaply makes new password hashes cost next to nothing. It is for tests that are not
// about this cost. Neither a file nor the environment can do it.
func (a *Auth) HashCheaply(cheaply bool) { a.cheapHashes = cheaply }

// CheapHashes tells what HashCheaply was told.
func (a *Auth) CheapHashes() bool { return a.cheapHashes }

// Limits bound what one person may do.
type Limits struct {
	PostsPerMinute           int           `yaml:"posts_per_minute" default:"60" min:"1" max:"100000" doc:"Messages of one person in all rooms, as a steady rate; of one agent outside this program too."`
	PostsBurst               int           `yaml:"posts_burst" default:"20" min:"1" max:"100000" doc:"Messages that may come at once before that rate holds."`
	TypingPerMinute          int           `yaml:"typing_per_minute" default:"60" min:"1" max:"100000" doc:"Typing signals of one person; more are dropped in silence."`
	EditsPerMinute           int           `yaml:"edits_per_minute" default:"1200" min:"1" max:"100000" doc:"Artifacts that one person may save, delete and restore, and messages that staff may hide and show; documents are saved with every keystroke."`
	HandshakesPerMinute      int           `yaml:"handshakes_per_minute" default:"120" min:"1" max:"100000" doc:"Sockets that one person may open."`
	ConnectionsAtOnce        int           `yaml:"connections_at_once" default:"100" min:"1" max:"100000" doc:"Sockets and event streams that one person may have open at once in this process; each tab has one or two."`
	RequestsPerMinute        int           `yaml:"requests_per_minute" default:"3000" min:"1" max:"10000000" doc:"Requests of one person to the API, as a steady rate."`
	RequestsBurst            int           `yaml:"requests_burst" default:"600" min:"1" max:"10000000" doc:"Requests that may come at once before that rate holds."`
	AddressRequestsPerMinute int           `yaml:"address_requests_per_minute" default:"30000" min:"1" max:"10000000" doc:"Requests of one address to the API; a whole school may be one."`
	AddressRequestsBurst     int           `yaml:"address_requests_burst" default:"6000" min:"1" max:"10000000" doc:"Requests of one address that may come at once before that rate holds."`
	SearchesPerMinute        int           `yaml:"searches_per_minute" default:"240" min:"1" max:"100000" doc:"Searches for messages of one person; a client may search with every letter that is typed."`
	SearchesAtOnce           int           `yaml:"searches_at_once" default:"2" min:"1" max:"1000" doc:"Searches for messages that this process does at once; the others wait for a moment."`
	MessageBytes             Bytes         `yaml:"message_bytes" default:"64KiB" min:"1KiB" max:"1MiB" doc:"Largest message."`
	ArtifactBytes            Bytes         `yaml:"artifact_bytes" default:"1MiB" min:"1KiB" max:"64MiB" doc:"Largest content of one task, document or process."`
	RoomArtifactBytes        Bytes         `yaml:"room_artifact_bytes" default:"32MiB" min:"1MiB" max:"1GiB" doc:"Contents of all artifacts of a room together; a list of them is as large."`
	ArtifactVersions         int           `yaml:"artifact_versions" default:"50" min:"1" max:"1000" doc:"Earlier versions that are kept of each artifact, to undo changes."`
	AnswersPerPerson         Bytes         `yaml:"answers_per_person" default:"8MiB" min:"1MiB" max:"1GiB" doc:"Memory for large answers to one person that are made or not yet read; more of them wait for a moment."`
	AnswersAtOnce            Bytes         `yaml:"answers_at_once" default:"64MiB" min:"1MiB" max:"16GiB" doc:"The same for all people of this process."`
	ModelCallsPerMinute      int           `yaml:"model_calls_per_minute" default:"30" min:"1" max:"100000" doc:"Answers of models that one person may ask for outside rooms: sandbox, threads, instructions, reports."`
	ModelCallsAtOnce         int           `yaml:"model_calls_at_once" default:"3" min:"1" max:"1000" doc:"How many of those one person may have under way at once, on all nodes together."`
	ModelCalls               int           `yaml:"model_calls" default:"100" min:"1" max:"100000" doc:"How many of those all people of this process may wait for at once."`
	AnswerWithin             time.Duration `yaml:"answer_within" default:"50s" min:"100ms" max:"55s" doc:"How long such a request waits for the model; browsers and proxies give up after a minute."`
}

// Quotas bound what one person may store.
type Quotas struct {
	Organizations int   `yaml:"organizations" default:"20" min:"0" max:"1000000" doc:"Organisations that one person owns."`
	Projects      int   `yaml:"projects" default:"50" min:"0" max:"1000000" doc:"Projects that one person has made."`
	Courses       int   `yaml:"courses" default:"100" min:"0" max:"1000000" doc:"Courses that one person owns."`
	Templates     int   `yaml:"templates" default:"200" min:"0" max:"1000000" doc:"Templates of agents of one person."`
	Threads       int   `yaml:"threads" default:"200" min:"0" max:"1000000" doc:"Threads of one person."`
	Keys          int   `yaml:"keys" default:"50" min:"0" max:"1000000" doc:"Model keys in the wallet of one person."`
	AccessTokens  int   `yaml:"access_tokens" default:"50" min:"0" max:"1000" doc:"Personal access tokens of one person."`
	Bots          int   `yaml:"bots" default:"200" min:"0" max:"1000000" doc:"Bots in all courses that one person owns."`
	Sessions      int   `yaml:"sessions" default:"100" min:"1" max:"1000000" doc:"Devices on which one person is signed in; one more signs the oldest out."`
	Stored        Bytes `yaml:"stored" default:"64MiB" min:"64KiB" max:"1GiB" doc:"All that one person stores outside rooms: agents that they made and their versions, threads, descriptions, the announcements, reports, workflows, rooms and settings of agents in their courses, and 1 KiB for each thing."`
	Artifacts     Bytes `yaml:"artifacts" default:"128MiB" min:"64KiB" max:"64GiB" doc:"All tasks, documents and processes of all rooms that one person changed last, with what was deleted and the earlier versions that this person wrote, and 1 KiB for each."`

	RoomsPerCourse         int `yaml:"rooms_per_course" default:"1000" min:"0" max:"1000000" doc:"Rooms of one course."`
	AnnouncementsPerCourse int `yaml:"announcements_per_course" default:"1000" min:"0" max:"1000000" doc:"Announcements of one course."`
	ReportsPerCourse       int `yaml:"reports_per_course" default:"500" min:"0" max:"1000000" doc:"Reports on one course."`
	WorkflowsPerCourse     int `yaml:"workflows_per_course" default:"100" min:"0" max:"1000" doc:"Workflows of one course."`
	MembersPerCourse       int `yaml:"members_per_course" default:"20000" min:"1" max:"1000000" doc:"People of one course."`
	BotsPerCourse          int `yaml:"bots_per_course" default:"20" min:"0" max:"1000" doc:"Bots of one course."`
	MembersPerOrganization int `yaml:"members_per_organization" default:"20000" min:"1" max:"1000000" doc:"People of one organisation."`
	AgentsPerProject       int `yaml:"agents_per_project" default:"500" min:"2" max:"1000000" doc:"Agents of one project, the two that it begins with among them."`
}

// Files says where the files of rooms lie, and bounds them.
type Files struct {
	Storage          string `yaml:"storage" default:"database" oneof:"database,folder,s3" doc:"Where new files lie: in the database, in dir, or in s3. Files that are there stay where they are and are found."`
	Dir              string `yaml:"dir" doc:"Folder of the files, common to all nodes; empty means files in data_dir."`
	TempDir          string `yaml:"temp_dir" doc:"Folder in which an upload waits until it is whole, on a disk with uploads_at_once times upload_limit of space; empty means data_dir on SQLite, and the system's folder on Postgres."`
	UploadLimit      Bytes  `yaml:"upload_limit" default:"25MiB" min:"64KiB" max:"1GiB" doc:"Largest file."`
	PerMessage       int    `yaml:"per_message" default:"10" min:"1" max:"50" doc:"Files of one message."`
	PerRoom          Bytes  `yaml:"per_room" default:"2GiB" min:"1MiB" max:"1024GiB" doc:"All files of one room, with the pictures made of them and 1 KiB for each."`
	PerPerson        Bytes  `yaml:"per_person" default:"1GiB" min:"1MiB" max:"1024GiB" doc:"All files that one person has uploaded; admins may more."`
	Unposted         Bytes  `yaml:"unposted" default:"128MiB" min:"1MiB" max:"1024GiB" doc:"Those of them that no message shows; they go after a day."`
	AtAll            Bytes  `yaml:"at_all" default:"64GiB" min:"16MiB" max:"1048576GiB" doc:"The files of all rooms together; uploads at the same time may exceed it by their own size."`
	UploadsPerMinute int    `yaml:"uploads_per_minute" default:"60" min:"1" max:"100000" doc:"Uploads of one person, as a steady rate; a third of it may come at once."`
	UploadsPerPerson int    `yaml:"uploads_per_person" default:"4" min:"1" max:"1000" doc:"Uploads of one person that this process takes in at once."`
	UploadsAtOnce    int    `yaml:"uploads_at_once" default:"16" min:"1" max:"10000" doc:"Uploads of all people that this process takes in at once."`
	S3               S3     `yaml:"s3" doc:"An S3-compatible store."`
}

// S3 says where an S3-compatible store is.
type S3 struct {
	Endpoint  string      `yaml:"endpoint" doc:"Address of the store, such as https://s3.eu-central-1.amazonaws.com or http://minio:9000."`
	Region    string      `yaml:"region" default:"us-east-1" doc:"Region that requests are signed for."`
	Bucket    string      `yaml:"bucket" doc:"Bucket, which must be there; it needs no versions and must not be public."`
	Prefix    string      `yaml:"prefix" doc:"What the names of all objects begin with, such as coagent/."`
	PathStyle bool        `yaml:"path_style" default:"true" doc:"Put the bucket into the path, as MinIO, Ceph and most others want; false puts it before the host, as Amazon wants."`
	AccessKey secret.Text `yaml:"access_key" doc:"Key that may read, write and delete objects of the bucket, and ask whether it is there."`
	SecretKey secret.Text `yaml:"secret_key" doc:"Its secret."`
}

// FilesDir is the folder of files whose storage is folder.
func (c *Config) FilesDir() string {
	if c.Files.Dir != "" {
		return c.Files.Dir
	}
	return filepath.Join(c.DataDir, "files")
}

// BackupTo is where serve puts backups.
func (c *Config) BackupTo() string {
	if c.Backup.To != "" {
		return c.Backup.To
	}
	return filepath.Join(c.DataDir, "backups")
}

// UploadsDir is the folder in which uploads wait until they are whole.
func (c *Config) UploadsDir() string {
	switch {
	case c.Files.TempDir != "":
		return c.Files.TempDir
	case c.Postgres():
		return os.TempDir()
	}
	return c.DataDir
}

// Jobs says where and how background work runs.
type Jobs struct {
	InServe      bool          `yaml:"in_serve" default:"true" doc:"Let serve work on jobs too; false leaves them to coagent worker (Postgres only)."`
	TurnWorkers  int           `yaml:"turn_workers" default:"64" min:"1" max:"10000" doc:"Agent turns at once in this process; they mostly wait for a model."`
	Workers      int           `yaml:"workers" default:"16" min:"1" max:"10000" doc:"All other jobs at once in this process."`
	DrainTimeout time.Duration `yaml:"drain_timeout" default:"15s" min:"0s" max:"10m" doc:"How long a stop lets running jobs finish before they are cancelled."`
}

// Turns bounds an agent's turn.
type Turns struct {
	Lease         time.Duration `yaml:"lease" default:"7s" min:"1s" max:"10m" doc:"A turn whose worker was silent for so long is given to another one."`
	Heartbeat     time.Duration `yaml:"heartbeat" default:"2s" min:"100ms" max:"5m" doc:"How often a worker renews its lease; at most half of it."`
	Sweep         time.Duration `yaml:"sweep" default:"3s" min:"100ms" max:"10m" doc:"How often lapsed leases are looked for."`
	Due           time.Duration `yaml:"due" default:"1s" min:"10ms" max:"1m" doc:"How often one of all nodes looks for agents that are to speak because time has passed."`
	MaxAttempts   int           `yaml:"max_attempts" default:"3" min:"1" max:"20" doc:"A turn fails for good after so many attempts."`
	MaxDuration   time.Duration `yaml:"max_duration" default:"5m" min:"1s" max:"1h" doc:"A turn fails for good after so long, all attempts together."`
	MaxStreak     int           `yaml:"max_agent_row" default:"3" min:"1" max:"100" doc:"The longest streak of agents' messages; then a person has to speak."`
	YieldToTyping time.Duration `yaml:"yield_to_typing" default:"3s" min:"0s" max:"30s" doc:"How long an answer that has shown nothing yet waits while a person types; 0 turns it off."`
	MaxTokens     int           `yaml:"max_tokens" default:"4096" min:"16" max:"1000000" doc:"Most tokens of one answer."`
	PromptTokens  int           `yaml:"prompt_tokens" default:"100000" min:"1000" max:"10000000" doc:"About the most tokens of one prompt, beyond which the oldest messages are left out; prompt_tokens in an agent's settings may say less."`

	Pictures       int           `yaml:"pictures" default:"4" min:"0" max:"20" doc:"The newest pictures of a room that an agent is shown whose model sees; 0 shows none."`
	PictureBytes   Bytes         `yaml:"picture_bytes" default:"4MiB" min:"64KiB" max:"16MiB" doc:"All pictures of one prompt together; each turn under way has them in memory a few times."`
	MaxSteps       int           `yaml:"max_steps" default:"8" min:"1" max:"100" doc:"Model calls in one turn, each with the tools that it asks for, before the turn is stopped."`
	MaxTurnTokens  int           `yaml:"max_turn_tokens" default:"100000" min:"1000" max:"100000000" doc:"Tokens of one turn, prompts and answers together, before it is stopped."`
	ApprovalWithin time.Duration `yaml:"approval_within" default:"24h" min:"1s" max:"720h" doc:"A tool call that waits for a person counts as refused after so long."`
}

// Rooms bounds sockets and sets the intervals for presence and events.
type Rooms struct {
	AIMode            string        `yaml:"ai_mode" default:"teacher_only" oneof:"off,teacher_only,both" doc:"The mode of a room that is made without one: no agents, those of the teachers, or also those that take part."`
	SocketQueueFrames int           `yaml:"socket_queue_frames" default:"1024" min:"16" max:"1000000" doc:"Frames that wait for one slow socket before it is closed; it resumes without loss."`
	SocketQueueBytes  Bytes         `yaml:"socket_queue_bytes" default:"1MiB" min:"64KiB" max:"256MiB" doc:"The same in bytes."`
	Ping              time.Duration `yaml:"ping" default:"10s" min:"1s" max:"5m" doc:"How often a silent socket is asked for a sign of life."`
	DeadAfter         time.Duration `yaml:"dead_after" default:"18s" min:"2s" max:"10m" doc:"A socket without one for so long is closed; more than ping."`
	PresenceExpiry    time.Duration `yaml:"presence_expiry" default:"30s" min:"5s" max:"10m" doc:"People of a server process that fell silent count as gone after this."`
	EventPoll         time.Duration `yaml:"event_poll" default:"5s" min:"100ms" max:"5m" doc:"Safety net: rooms look for events so often even if no notification came."`
}

// Retention says how long things are kept, in days.
type Retention struct {
	EventsDays  int `yaml:"events_days" default:"90" min:"0" max:"36500" doc:"Entries of the event logs, by which sockets resume; what was said stays in the rooms."`
	AuditDays   int `yaml:"audit_days" default:"730" min:"0" max:"36500" doc:"Entries of the audit log."`
	DeletedDays int `yaml:"deleted_days" default:"30" min:"0" max:"36500" doc:"What was deleted and can be restored."`
	FilesDays   int `yaml:"files_days" default:"0" min:"0" max:"36500" doc:"Content of files in rooms; their names stay in the messages."`
	TurnsDays   int `yaml:"turns_days" default:"365" min:"0" max:"36500" doc:"Ended turns of agents, how they ended and how many tokens they took; and why each agent spoke or not."`
}

// Backup says when serve makes backups, and where they lie.
type Backup struct {
	Every    time.Duration `yaml:"every" default:"0s" min:"0s" max:"8784h" doc:"Time from one backup to the next, such as 24h; 0s makes none by itself."`
	Keep     int           `yaml:"keep" default:"7" min:"1" max:"10000" doc:"Backups that stay; an older one goes once a new one is whole."`
	To       string        `yaml:"to" doc:"Folder, or s3://bucket/prefix at the endpoint of files.s3 and with its keys; empty means backups in data_dir. On several nodes name a folder that all see, or a bucket."`
	WithKeys bool          `yaml:"with_keys" default:"false" doc:"Take encrypted values along, such as model keys. To read them needs the encryption keys, which are never in a backup."`
}

// LLM has the model providers, and how long to wait for them and retry.
type LLM struct {
	Connect    time.Duration       `yaml:"connect" default:"5s" min:"100ms" max:"5m" doc:"Time to reach a provider."`
	FirstToken time.Duration       `yaml:"first_token" default:"60s" min:"100ms" max:"30m" doc:"Time from the request to the first piece of the answer."`
	Silence    time.Duration       `yaml:"silence" default:"30s" min:"100ms" max:"30m" doc:"Longest pause between two pieces."`
	Proxy      string              `yaml:"proxy" doc:"Proxy to the providers, such as http://proxy.school.example:3128 or socks5://; empty means what HTTPS_PROXY and NO_PROXY say."`
	Total      time.Duration       `yaml:"total" default:"5m" min:"1s" max:"1h" doc:"Longest model call."`
	MaxBytes   Bytes               `yaml:"max_bytes" default:"4MiB" min:"64KiB" max:"64MiB" doc:"Largest answer; a longer one is cut off as a failure."`
	OpenAI     OpenAI              `yaml:"openai" doc:"OpenAI, or anything that speaks its Chat Completions."`
	Gemini     Gemini              `yaml:"gemini" doc:"Google Gemini."`
	Claude     Claude              `yaml:"claude" doc:"Anthropic Claude."`
	Providers  map[string]Provider `yaml:"providers" doc:"More providers by the name that agents and keys use, for example school: {kind: openai, base_url: http://10.0.0.5:11434/v1, default_model: llama3.1}; gemini and claude too, at an address that speaks OpenAI's format."`
}

// OpenAI has the address and the model of the built-in provider openai.
type OpenAI struct {
	BaseURL      string `yaml:"base_url" doc:"Address of the API; empty means OpenAI's own."`
	DefaultModel string `yaml:"default_model" default:"gpt-4o" doc:"Model of agents that name none."`
}

// Gemini has the address and the model of the built-in provider gemini.
type Gemini struct {
	BaseURL      string `yaml:"base_url" doc:"Address of the API; empty means Google's own."`
	DefaultModel string `yaml:"default_model" default:"gemini-2.5-flash" doc:"Model of agents that name none."`
}

// Claude has the address and the model of the built-in provider claude.
type Claude struct {
	BaseURL      string `yaml:"base_url" doc:"Address of the API; empty means Anthropic's own."`
	DefaultModel string `yaml:"default_model" default:"claude-sonnet-4-5" doc:"Model of agents that name none."`
}

// Provider is an additional provider with a name of its own.
type Provider struct {
	Kind         string `yaml:"kind" default:"openai" oneof:"openai" doc:"The wire format it speaks."`
	BaseURL      string `yaml:"base_url" doc:"Address of its API."`
	DefaultModel string `yaml:"default_model" doc:"Model of agents that name none."`
	Keyless      bool   `yaml:"keyless" doc:"It asks for no key, like a server in the school's own network."`
}

// External says at which addresses external agents may be reached.
type External struct {
	Allow        []string `yaml:"allow" doc:"Networks such as 10.1.2.0/24, or addresses, in which external agents may be too; without it, public addresses alone."`
	AllowPrivate bool     `yaml:"allow_private" default:"false" doc:"All private networks and this machine at once; list what is needed in allow instead."`
}

// Log configures the format of the log.
type Log struct {
	Level  string `yaml:"level" default:"info" oneof:"debug,info,warn,error" doc:"debug, info, warn or error."`
	Format string `yaml:"format" default:"text" oneof:"text,json" doc:"text for people, json for machines."`

	File      string `yaml:"file" doc:"File into which serve writes what it says as well, for a machine that keeps no logs of its own; only its account can read it. Each process needs one of its own."`
	FileBytes Bytes  `yaml:"file_bytes" default:"10MiB" min:"1MiB" max:"1GiB" doc:"A file that would grow larger, counted in whole MiB, is put aside under a name with the time, and a new one begun."`
	FileKeep  int    `yaml:"file_keep" default:"5" min:"1" max:"1000" doc:"Files put aside that stay."`
	FileDays  int    `yaml:"file_days" default:"30" min:"0" max:"3650" doc:"Files put aside that are older go; 0 keeps them."`

	SlowRequest time.Duration `yaml:"slow_request" default:"3s" min:"0s" max:"1h" doc:"A request that takes so long is logged though it went well; 0s logs none for that. Failed ones (5xx) always are, all others from level debug on."`
}

// Telemetry says where traces are sent.
type Telemetry struct {
	OTLPEndpoint string  `yaml:"otlp_endpoint" doc:"Address of an OTLP/HTTP collector, for example http://localhost:4318; empty turns traces off."`
	ServiceName  string  `yaml:"service_name" default:"coagent" doc:"Name of this service in traces."`
	TraceSample  float64 `yaml:"trace_sample" default:"1" min:"0" max:"1" doc:"Share of requests that are traced, from 0 to 1."`
}

// Default returns the configuration with which coagent starts in an empty folder.
func Default() *Config {
	c := new(Config)
	for _, s := range settingsOf(c) {
		if err := s.setDefault(); err != nil {
			panic("app: the default of " + s.path + ": " + err.Error())
		}
	}
	return c
}

// Postgres says whether the data is in Postgres; otherwise it is in SQLite.
func (c *Config) Postgres() bool { return c.Database.URL != "" }

// SQLitePath returns the path of the SQLite database.
func (c *Config) SQLitePath() string { return filepath.Join(c.DataDir, "coagent.db") }

// Location returns the zone that Timezone names. If Timezone is empty, it is the
// machine's zone. If Timezone names no zone, which Load refuses, it is UTC.
func (c *Config) Location() *time.Location {
	if c.Timezone == "" {
		return time.Local
	}
	loc, err := time.LoadLocation(c.Timezone)
	if err != nil {
		return time.UTC
	}
	return loc
}
