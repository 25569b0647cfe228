// Package outbound is the one way to addresses that people type in: those of external
// agents and of the servers where these get their tokens. Addresses in the operator's
// configuration, such as those of model providers, are trusted and do not come here.
//
// It is a leaf: it imports nothing of ours. Invariants:
//   - The address of every connection is checked after the name was resolved, and that
//     very address is dialled. So no name that changes and no redirect leads into the
//     server's own network.
//   - No proxy from the environment is used: a proxy would resolve the name again.
package outbound

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// ErrRefused is the error for an address to which no connection may be made.
var ErrRefused = errors.New("not a public address")

// Private are the networks that one lets in who trusts all private networks and this
// machine.
func Private() []netip.Prefix {
	return prefixes("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "100.64.0.0/10")
}

// public are the only networks with public hosts. All other addresses of IPv6 are
// special or not assigned.
var public = prefixes("0.0.0.0/0", "2000::/3")

// special are the networks inside public that have no public hosts (IANA's registries of
// special-purpose addresses, RFC 6890). Addresses of 2001::/23 and 2002::/16 may stand
// for any address of IPv4.
var special = prefixes("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
	"192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
	"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")

// metadata are the addresses at which clouds tell a machine its own credentials. No
// network lets them in; each has to be allowed by itself.
var metadata = prefixes("169.254.169.254/32", "169.254.170.2/32", "169.254.170.23/32", "169.254.0.23/32", "168.63.129.16/32", "100.100.100.200/32",
	"192.0.0.192/32", "fd00:ec2::254/128", "fd00:ec2::23/128", "fd20:ce::254/128")

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, s := range texts {
		list[i] = netip.MustParsePrefix(s)
	}
	return list
}

// Guard decides to which addresses connections are made: to public ones, and to those
// that the operator allows.
type Guard struct {
	allow    []netip.Prefix
	resolver *net.Resolver // nil is the system's
}

// NewGuard makes a Guard that lets in these networks too.
func NewGuard(allow ...netip.Prefix) *Guard { return &Guard{allow: allow} }

// ParseNetwork reads a network such as 10.0.0.0/8, or one address.
func ParseNetwork(text string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(text); err == nil {
		ip = ip.Unmap().WithZone("")
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err == nil && p.Addr().Is4In6() {
		return netip.Prefix{}, errors.New("write networks of IPv4 as such")
	}
	return p.Masked(), err
}

// Allows tells whether a connection to ip may be made.
func (g *Guard) Allows(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	switch {
	case !ip.IsValid():
		return false
	case holds(metadata, ip):
		return slices.Contains(g.allow, netip.PrefixFrom(ip, ip.BitLen()))
	case !holds(g.allow, ip) && (!holds(public, ip) || holds(special, ip)):
		return false
	}
	// A network of translated addresses leads to what they stand for.
	inner := translated(ip)
	return !inner.IsValid() || g.Allows(inner)
}

func holds(networks []netip.Prefix, ip netip.Addr) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// The forms of addresses of IPv6 that stand for one of IPv4.
var (
	nat64  = netip.MustParsePrefix("64:ff9b::/96")
	sixTo4 = netip.MustParsePrefix("2002::/16")
)

// translated returns the address of IPv4 that ip stands for; it is not valid if there is
// none.
func translated(ip netip.Addr) netip.Addr {
	b := ip.As16()
	switch {
	case nat64.Contains(ip):
		return netip.AddrFrom4([4]byte(b[12:]))
	case sixTo4.Contains(ip):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return netip.Addr{}
}

// control sees the address that net.Dialer is about to dial.
func (g *Guard) control(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !g.Allows(to.Addr()) {
		return ErrRefused
	}
	return nil
}

// maxHeader bounds the headers of an answer.
const maxHeader = 64 << 10

// Transport makes a transport whose connections the guard checks. connect bounds the
// time for each of them, and that for TLS.
func (g *Guard) Transport(connect time.Duration) *http.Transport {
	dialer := &net.Dialer{Timeout: connect, Control: g.control, Resolver: g.resolver}
	return &http.Transport{DialContext: dialer.DialContext, TLSHandshakeTimeout: connect, MaxResponseHeaderBytes: maxHeader,
		MaxIdleConns: 64, IdleConnTimeout: 30 * time.Second, ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
}
