package config

import (
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/idna"
)

// defaultPorts are the ports that an origin leaves out.
var defaultPorts = map[string]string{"http": "80", "https": "443", "ws": "80", "wss": "443"}

// CanonicalOrigin returns the origin of an address as browsers write it
// (https://url.spec.whatwg.org/#origin): scheme and host in lower case, the host in
// ASCII and without a final dot, and no default port. It is "" when the address has no
// origin.
func CanonicalOrigin(address string) string {
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil || u.Scheme == "" || u.Host == "" || u.Opaque != "" {
		return ""
	}
	host, port := strings.TrimSuffix(u.Hostname(), "."), strings.TrimLeft(u.Port(), "0")
	if addr, err := netip.ParseAddr(host); err == nil {
		host = addr.WithZone("").String()
		if addr.Is6() {
			host = "[" + host + "]"
		}
	} else if host, err = hostToASCII.ToASCII(host); err != nil || host == "" {
		return ""
	}
	scheme := strings.ToLower(u.Scheme)
	if port == "" || port == defaultPorts[scheme] {
		return scheme + "://" + host
	}
	return scheme + "://" + host + ":" + port
}

// AnyHost in http.hosts lets every name through.
const AnyHost = "*"

// CanonicalHost returns the name in a Host header as CanonicalOrigin writes it, without the
// port: in lower case and ASCII, without a final dot, addresses of IPv6 in brackets. It is ""
// for what is no name.
func CanonicalHost(host string) string {
	if strings.ContainsAny(host, "@/\\?#% \t") {
		return ""
	}
	origin := CanonicalOrigin("http://" + host)
	u, err := url.Parse(origin)
	if err != nil || origin == "" {
		return ""
	}
	name := u.Hostname()
	if _, err := netip.ParseAddr(name); err == nil {
		if strings.Contains(name, ":") {
			return "[" + name + "]"
		}
		return name
	}
	if strings.ContainsFunc(name, func(r rune) bool { return !strings.ContainsRune(hostLetters, r) }) {
		return ""
	}
	return name[:min(len(name), maxHost)]
}

// maxHost is the length of the longest name that DNS has.
const maxHost = 253

// hostLetters are what names of machines are made of, as people give them.
const hostLetters = "abcdefghijklmnopqrstuvwxyz0123456789-_."

// KnowsHost tells whether people may ask for the server by a name, which is what CanonicalHost
// returns. Without http.public_url every name is one.
func (c *Config) KnowsHost(name string) bool {
	if c.HTTP.PublicURL == "" || slices.Contains(c.HTTP.Hosts, AnyHost) {
		return true
	}
	if name == "" {
		return false
	}
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return true
	}
	if !strings.Contains(name, ".") || strings.HasSuffix(name, ".local") || strings.HasSuffix(name, ".localhost") {
		return true
	}
	if u, err := url.Parse(c.HTTP.PublicURL); err == nil && CanonicalHost(u.Host) == name {
		return true
	}
	return slices.ContainsFunc(c.HTTP.Hosts, func(h string) bool { return CanonicalHost(h) == name })
}

// BasePath is the path of http.public_url, under which a host has the installation: "" for
// all of the host, or such as "/coagent".
func (c *Config) BasePath() string {
	u, err := url.Parse(c.HTTP.PublicURL)
	if err != nil {
		return ""
	}
	return strings.TrimRight(u.Path, "/")
}

// basePath has the paths that read the same wherever they are written: in an address, a
// cookie and a page.
var basePath = regexp.MustCompile(`^(/[A-Za-z0-9_][A-Za-z0-9._~-]*)*$`)

// ownPaths are the beginnings of the program's own addresses. A proxy that takes the path
// off could not be told from one that passes it on.
var ownPaths = []string{"account", "admin", "agents", "api", "assets", "courses", "docs", "files", "healthz", "home", "join", "readyz", "redoc",
	"reset", "rooms", "search", "setup", "sign-in", "static", "studio", "welcome"}

// checkPublicURL refuses a path under which the program could not be.
func (c *Config) checkPublicURL(add addProblem) {
	checkURL(add, "http.public_url", c.HTTP.PublicURL)
	u, err := url.Parse(c.HTTP.PublicURL)
	if err != nil {
		return
	}
	base := c.BasePath()
	first, _, _ := strings.Cut(strings.TrimPrefix(base, "/"), "/")
	switch {
	case u.RawQuery != "" || u.Fragment != "" || !basePath.MatchString(base):
		add("http.public_url", "must end with a plain path such as /coagent, or with the host")
	case slices.Contains(ownPaths, first):
		add("http.public_url", "must not have a path that begins with /%s, where the program has pages of its own", first)
	}
}

// hostToASCII converts host names as browsers do. It does not apply the rules for names
// that can be registered, because people name machines as they like.
var hostToASCII = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false), idna.CheckHyphens(false), idna.VerifyDNSLength(false))
