package config

import (
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/coagent-studio/coagent/app/secret"
)

const (
	minSecretKeyBytes = 32
	makeSecretKey     = "openssl rand -base64 48"
)

// addProblem reports one problem with the setting at path.
type addProblem func(path, format string, args ...any)

// normalise brings equivalent values to one form: origins and addresses without a slash
// at the end, and Postgres URLs with the scheme and the parameters that pgx knows.
func (c *Config) normalise() {
	for i, origin := range c.HTTP.CORSOrigins {
		c.HTTP.CORSOrigins[i] = strings.TrimRight(origin, "/")
	}
	for _, address := range []*string{&c.HTTP.PublicURL, &c.LLM.OpenAI.BaseURL, &c.LLM.Gemini.BaseURL, &c.LLM.Claude.BaseURL,
		&c.Files.S3.Endpoint, &c.Telemetry.OTLPEndpoint} {
		*address = strings.TrimRight(*address, "/")
	}
	for name, p := range c.LLM.Providers {
		p.BaseURL = strings.TrimRight(p.BaseURL, "/")
		c.LLM.Providers[name] = p
	}
	c.Database.URL = normalisePostgres(c.Database.URL)
	c.Database.ListenURL = normalisePostgres(c.Database.ListenURL)
}

// normalisePostgres turns a URL of SQLAlchemy (postgresql+asyncpg://, ?ssl=require)
// into one for pgx. Anything that is not a Postgres URL is returned unchanged.
func normalisePostgres(s secret.Text) secret.Text {
	scheme, rest, found := strings.Cut(strings.TrimSpace(s.Reveal()), "://")
	scheme, _, _ = strings.Cut(scheme, "+")
	if !found || scheme != "postgres" && scheme != "postgresql" {
		return s
	}
	u, err := url.Parse("postgres://" + rest)
	if err != nil {
		return s
	}
	if q := u.Query(); q.Has("ssl") {
		if !q.Has("sslmode") {
			q.Set("sslmode", q.Get("ssl"))
		}
		q.Del("ssl")
		u.RawQuery = q.Encode()
	}
	return secret.Text(u.String())
}

// postgresURL builds a URL from parts that may contain any character.
func postgresURL(server, port, user, password, name string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(user, password), Host: server, Path: "/" + name}
	if port != "" {
		u.Host = net.JoinHostPort(server, port)
	}
	return u.String()
}

// checkAll reports every wrong value that the tags cannot detect.
func (c *Config) checkAll(add addProblem) {
	if c.DataDir == "" {
		add("data_dir", "must name a folder")
	}
	if _, err := time.LoadLocation(c.Timezone); err != nil || c.Timezone == "Local" {
		add("timezone", "must be a zone such as Asia/Taipei or UTC, not %q", c.Timezone)
	}
	c.checkHTTP(add)
	c.checkWeb(add)
	c.checkDatabase(add)
	c.checkAuth(add)
	c.checkClocks(add)
	c.checkProviders(add)
	c.checkOutbound(add)
	c.checkFiles(add)
	checkURL(add, "telemetry.otlp_endpoint", c.Telemetry.OTLPEndpoint)
}

// checkFiles wants all settings of the store that new files go to.
func (c *Config) checkFiles(add addProblem) {
	s3 := &c.Files.S3
	checkURL(add, "files.s3.endpoint", s3.Endpoint)
	for path, value := range map[string]string{"endpoint": s3.Endpoint, "region": s3.Region, "bucket": s3.Bucket,
		"access_key": s3.AccessKey.Reveal(), "secret_key": s3.SecretKey.Reveal()} {
		if value == "" && c.Files.Storage == "s3" {
			add("files.s3."+path, "must be set where files.storage is s3")
		}
	}
	if s3.Bucket != "" && !bucketName.MatchString(s3.Bucket) {
		add("files.s3.bucket", "must be the name of a bucket, such as coagent-files")
	}
	if !prefixOfObjects.MatchString(s3.Prefix) || strings.Contains(s3.Prefix, "//") || strings.HasPrefix(s3.Prefix, "/") {
		add("files.s3.prefix", "must be letters, digits, _, - and single slashes, such as coagent/")
	}
	if f := &c.Files; f.Unposted < f.UploadLimit {
		add("files.unposted", "must be at least files.upload_limit (%v), not %v", f.UploadLimit, f.Unposted)
	}
}

var (
	bucketName      = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	prefixOfObjects = regexp.MustCompile(`^[A-Za-z0-9_/-]{0,200}$`)
)

func (c *Config) checkHTTP(add addProblem) {
	checkAddr(add, "http.addr", c.HTTP.Addr)
	if c.HTTP.InternalAddr != "" {
		checkAddr(add, "http.internal_addr", c.HTTP.InternalAddr)
	}
	c.checkPublicURL(add)
	for _, host := range c.HTTP.Hosts {
		if host != AnyHost && CanonicalHost(host) == "" || strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
			add("http.hosts", "must list names without scheme and port such as studio.school.example, not %q", host)
		}
	}
	for _, origin := range c.HTTP.CORSOrigins {
		u, err := url.Parse(origin)
		if err != nil || !strings.EqualFold(origin, u.Scheme+"://"+u.Host) || CanonicalOrigin(origin) == "" {
			add("http.cors_origins", "must list origins such as https://studio.example.org, not %q", origin)
		}
	}
	for _, proxy := range c.HTTP.TrustedProxies {
		_, errAddr := netip.ParseAddr(proxy)
		_, errPrefix := netip.ParsePrefix(proxy)
		if errAddr != nil && errPrefix != nil {
			add("http.trusted_proxies", "must list addresses or networks such as 10.0.0.0/8, not %q", proxy)
		}
	}
}

// checkWeb refuses a policy with characters that would end the header in which it is
// sent.
func (c *Config) checkWeb(add addProblem) {
	for _, r := range c.Web.UICSP {
		if r < ' ' || r > '~' {
			add("web.ui_csp", "must be one line of plain letters, not %q", c.Web.UICSP)
			return
		}
	}
}

func checkAddr(add addProblem, path, addr string) {
	_, port, err := net.SplitHostPort(addr)
	if _, errPort := strconv.ParseUint(port, 10, 16); err != nil || errPort != nil {
		add(path, "must be host:port such as 127.0.0.1:8000, not %q", addr)
	}
}

// checkURL does not repeat the address in its message, because people put keys into
// addresses.
func checkURL(add addProblem, path, address string) {
	if address == "" {
		return
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		add(path, "must be an address such as https://example.org")
	} else if u.User != nil {
		add(path, "must not contain a user or password")
	}
}

func (c *Config) checkDatabase(add addProblem) {
	if c.Postgres() {
		checkPostgresURL(add, "database.url", c.Database.URL.Reveal())
	}
	switch {
	case c.Database.ListenURL == "":
	case c.Postgres():
		checkPostgresURL(add, "database.listen_url", c.Database.ListenURL.Reveal())
	default:
		add("database.listen_url", "has no meaning without database.url")
	}
}

// checkPostgresURL refuses an address in which a character of the password ends a part
// of the URL. The rest of the password would be read as the host or the database's
// name, and the error of the failed connection would show it.
func checkPostgresURL(add addProblem, path, address string) {
	const advice = "write special characters of the user and the password in percent-encoding: %%40 for @, %%2F for /, %%23 for #, %%3F for ?, %%25 for %%"
	u, err := url.Parse(address)
	switch {
	case err != nil:
		add(path, "is not a URL; "+advice)
	case u.Scheme != "postgres":
		add(path, "must begin with postgres://; leave it empty for SQLite in data_dir")
	case u.Opaque != "" || strings.Contains(address, "#") || strings.Contains(u.EscapedPath(), "@") || u.User == nil && strings.Contains(u.RawQuery, "@"):
		add(path, "cannot be split into user, password, host and name; "+advice)
	}
}

func (c *Config) checkAuth(add addProblem) {
	if key := c.Auth.SecretKey; key != "" && len(key) < minSecretKeyBytes {
		add("auth.secret_key", "must have %d characters or more; make one with: %s", minSecretKeyBytes, makeSecretKey)
	}
	for i, key := range c.Auth.SecretKeysBefore {
		if len(key) < minSecretKeyBytes {
			add("auth.secret_keys_before", "item %d must have %d characters or more, as it had when it was auth.secret_key", i+1, minSecretKeyBytes)
		}
	}
	if len(c.Auth.EncryptionKeys) > 0 {
		if _, err := secret.NewKeyring(c.Auth.EncryptionKeys...); err != nil {
			add("auth.encryption_keys", "%v", err)
		}
	}
}

// checkClocks checks times that work only in one order, for example that a heartbeat
// comes at least twice per lease.
func (c *Config) checkClocks(add addProblem) {
	if c.Turns.Heartbeat*2 > c.Turns.Lease {
		add("turns.heartbeat", "must be at most half of turns.lease (%v), not %v", c.Turns.Lease, c.Turns.Heartbeat)
	}
	if c.Rooms.DeadAfter <= c.Rooms.Ping {
		add("rooms.dead_after", "must be more than rooms.ping (%v), not %v", c.Rooms.Ping, c.Rooms.DeadAfter)
	}
}

var providerName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)

func (c *Config) checkProviders(add addProblem) {
	checkURL(add, "llm.openai.base_url", c.LLM.OpenAI.BaseURL)
	checkURL(add, "llm.gemini.base_url", c.LLM.Gemini.BaseURL)
	checkURL(add, "llm.claude.base_url", c.LLM.Claude.BaseURL)
	// A built-in provider that speaks another format may be moved to an address that
	// speaks OpenAI's.
	moved := map[string]string{"gemini": c.LLM.Gemini.BaseURL, "claude": c.LLM.Claude.BaseURL}
	for name, p := range c.LLM.Providers {
		path := providersPrefix + name
		if !providerName.MatchString(name) {
			add(path, "must have a name of lower-case letters, digits, _ and -")
		}
		switch {
		case name == "openai":
			add(path, "is built in: choose another name, or set llm.openai")
		case name == "offline":
			add(path, "is built in and calls no model: choose another name")
		case moved[name] != "":
			add(path, "has two addresses: remove this one or llm.%s.base_url", name)
		}
		if p.BaseURL == "" {
			add(path+".base_url", "is missing")
		}
		checkURL(add, path+".base_url", p.BaseURL)
	}
}

func (c *Config) checkOutbound(add addProblem) {
	for _, network := range c.External.Allow {
		_, errAddr := netip.ParseAddr(network)
		p, errPrefix := netip.ParsePrefix(network)
		if errAddr != nil && (errPrefix != nil || p.Addr().Is4In6()) {
			add("external.allow", "must list networks such as 10.1.2.0/24, or addresses, not %q", network)
		}
	}
	if u, err := url.Parse(c.LLM.Proxy); c.LLM.Proxy != "" && (err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
		strings.Trim(u.Path, "/") != "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5" && u.Scheme != "socks5h") {
		add("llm.proxy", "must be an address such as http://proxy.school.example:3128, without a user; https://, socks5:// and socks5h:// will do too")
	}
}

// warnings returns notices about settings that are allowed but rarely intended.
func (c *Config) warnings() []string {
	var list []string
	if !c.Postgres() && !c.Jobs.InServe {
		list = append(list, "jobs.in_serve is false but has no effect on SQLite: serve always runs the jobs there")
	}
	if c.Auth.SuperAdmin != "" && c.Auth.SuperAdminPassword == "" {
		list = append(list, "auth.super_admin has no effect without auth.super_admin_password")
	}
	if base := c.BasePath(); base != "" && c.Web.UIDir != "" {
		list = append(list, "web.ui_dir serves a client at the path "+base+" of http.public_url: a client whose calls begin with /api/v1 needs the root of a host, so give it one of its own")
	}
	if c.External.AllowPrivate {
		list = append(list, "external.allow_private lets external agents be anywhere in private networks and on this machine: list their networks in external.allow instead")
	}
	if runtime.GOOS == "windows" || c.Postgres() {
		return list
	}
	for _, path := range []string{c.DataDir, filepath.Join(c.DataDir, secretsFile)} {
		if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
			list = append(list, path+" is open to other users of this machine: chmod -R go= "+path)
		}
	}
	return list
}
