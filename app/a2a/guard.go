// Package a2a speaks with agents outside this program, at addresses that
// people type in.
//
// It is a leaf: it imports nothing of ours. Invariants: a connection is only
// made to an address that was checked after it was resolved, so that no name
// and no redirect leads into the server's own network; no environment proxy is
// asked; every call has a deadline and every answer a bound; what it tells
// about a failure are its own words, never those of the network or the peer.
package a2a

import (
	"errors"
	"net/netip"
	"syscall"
)

// errNotPublic says that an address is one that the guard refuses.
var errNotPublic = errors.New("not a public address")

// special are networks that are no public hosts' though netip does not say so
// (IANA special-purpose address registries, RFC 6890).
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

// allowed tells whether the guard lets a connection go to this address. With
// private the operator's own networks are fine too, but never link-local ones,
// where clouds keep their machines' credentials.
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
			return private && p.String() == "100.64.0.0/10" // carriers and VPNs
		}
	}
	return true
}

// guard is a net.Dialer's Control: it sees what is really dialled.
func guard(private bool) func(network, address string, _ syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil || !allowed(to.Addr(), private) {
			return errNotPublic
		}
		return nil
	}
}
