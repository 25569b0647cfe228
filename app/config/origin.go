package config

import (
	"net/netip"
	"net/url"
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

// hostToASCII converts host names as browsers do. It does not apply the rules for names
// that can be registered, because people name machines as they like.
var hostToASCII = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false), idna.CheckHyphens(false), idna.VerifyDNSLength(false))
