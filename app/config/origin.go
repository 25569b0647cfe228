package config

import (
	"net/netip"
	"net/url"
	"strings"

	"golang.org/x/net/idna"
)

// defaultPorts are those that an origin does not name.
var defaultPorts = map[string]string{"http": "80", "https": "443", "ws": "80", "wss": "443"}

// CanonicalOrigin is the origin of an address in the form in which browsers
// name it (https://url.spec.whatwg.org/#origin): the scheme and the host in
// lower case, the host in ASCII and without a dot behind it, no default port.
// It is "" where the address has none.
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

// hostToASCII reads host names as browsers do: without the rules for names that
// can be registered, since people name machines as they like.
var hostToASCII = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false), idna.CheckHyphens(false), idna.VerifyDNSLength(false))
