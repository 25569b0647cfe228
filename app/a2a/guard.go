// Package a2a talks to agents outside this program, at addresses that people type in.
//
// It is a leaf: it imports nothing of ours. Invariants:
//   - A connection is made only to an address that was checked after the name was
//     resolved. So no name and no redirect leads into the server's own network.
//   - No proxy from the environment is used.
//   - Every call has a deadline, and every answer has a bound on its size.
//   - Failures are described in this package's own words, never in those of the network
//     or the peer.
package a2a

import (
	"errors"
	"net/netip"
	"syscall"
)

// errNotPublic is the error for an address that the guard refuses.
var errNotPublic = errors.New("not a public address")

// special are networks without public hosts that netip does not know as such (IANA
// special-purpose address registries, RFC 6890).
var special = prefixes("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
	"203.0.113.0/24", "240.0.0.0/4", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
	"5f00::/16", "fec0::/10")

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, s := range texts {
		list[i] = netip.MustParsePrefix(s)
	}
	return list
}

// allowed tells whether a connection to ip may be made. With private the operator's own
// networks are allowed too. Link-local addresses never are, because clouds serve the
// credentials of their machines there.
func allowed(ip netip.Addr, private bool) bool {
	ip = ip.Unmap().WithZone("")
	switch {
	case ip.IsLoopback(), ip.IsPrivate():
		return private
	case !ip.IsGlobalUnicast(): // unspecified, multicast, link-local
		return false
	}
	for _, p := range special {
		if p.Contains(ip) {
			return private && p.String() == "100.64.0.0/10" // used by carriers and VPNs
		}
	}
	return true
}

// guard returns a Control function for net.Dialer. It sees the address that is really
// dialled.
func guard(private bool) func(network, address string, _ syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil || !allowed(to.Addr(), private) {
			return errNotPublic
		}
		return nil
	}
}
