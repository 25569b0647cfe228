package web

import (
	"net"
	"net/netip"
	"strings"

	"github.com/coagent-studio/coagent/app/config"
)

// Addresses lists the URLs under which people reach a server that listens on addr:
// http.public_url, or else where it listens.
func Addresses(cfg *config.Config, addr net.Addr) []string {
	if cfg.HTTP.PublicURL != "" {
		return []string{strings.TrimSuffix(cfg.HTTP.PublicURL, "/")}
	}
	return ListensAt(addr)
}

// ListensAt lists the URLs of an address: the one for this machine first, then those for
// others in the same network.
func ListensAt(addr net.Addr) []string {
	at, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return []string{"http://" + addr.String()}
	}
	if !at.Addr().IsUnspecified() {
		return []string{"http://" + at.String()}
	}
	_, port, _ := net.SplitHostPort(addr.String())
	urls := []string{"http://" + net.JoinHostPort("127.0.0.1", port)}
	networks, _ := net.InterfaceAddrs() // without them this machine still reaches it
	for _, n := range networks {
		if ip, ok := n.(*net.IPNet); ok && ip.IP.To4() != nil && !ip.IP.IsLoopback() && !ip.IP.IsLinkLocalUnicast() {
			urls = append(urls, "http://"+net.JoinHostPort(ip.IP.String(), port))
		}
	}
	return urls
}

// forOthers lists the addresses of this server that lead to it from other machines; there
// are none while it listens on this machine alone.
func (s *Server) forOthers() []string {
	urls := []string{}
	if s.ln == nil {
		return urls
	}
	for _, u := range Addresses(s.cfg, s.ln.Addr()) {
		if !localOnly(u) {
			urls = append(urls, u)
		}
	}
	return urls
}

// localOnly tells whether a URL names the machine on which it is opened.
func localOnly(address string) bool {
	host := strings.ToLower(address[strings.Index(address, "://")+3:])
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || err == nil && ip.IsLoopback()
}
