package outbound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

func TestAllows(t *testing.T) {
	t.Parallel()
	guards := map[string]*Guard{"public": NewGuard(), "private": NewGuard(Private()...),
		"school": guardOf(t, "10.1.2.0/24", "::ffff:192.0.2.7", "64:ff9b::/96", "2002::/16", "169.254.0.0/16", "fe80::/10", "169.254.169.254"),
		"all":    guardOf(t, "0.0.0.0/0", "::/0")}
	for text, want := range map[string]string{ // of the guards that allow it
		"93.184.215.14": "all private public school", "::ffff:93.184.215.14": "all private public school", "9.255.255.255": "all private public school",
		"11.0.0.0": "all private public school", "172.15.255.255": "all private public school", "172.32.0.0": "all private public school",
		"100.63.255.255": "all private public school", "100.128.0.0": "all private public school", "198.17.255.255": "all private public school",
		"198.20.0.0": "all private public school", "192.0.1.0": "all private public school", "223.255.255.255": "all private public school",
		"2606:2800:21f:cb07:6820:80da:af6b:8b2c": "all private public school", "2a00::1": "all private public school",
		"10.1.2.3": "all private school", "::ffff:10.1.2.3": "all private school", "10.1.3.1": "all private", "192.0.2.7": "all school",
		"127.0.0.1": "all private", "127.255.255.254": "all private", "::1": "all private", "::ffff:127.0.0.1": "all private",
		"192.168.1.1": "all private", "172.16.0.1": "all private", "172.31.255.255": "all private", "fd00::1": "all private", "fd00::1%eth0": "all private",
		"100.64.0.1": "all private", "100.127.255.255": "all private",
		"169.254.1.1": "all school", "::ffff:169.254.1.1": "all school", "fe80::1": "all school", "fe80::1%eth0": "all school", "febf::1": "all school",
		"0.0.0.0": "all", "0.1.2.3": "all", "::": "all", "192.0.0.1": "all", "192.0.2.8": "all", "198.18.0.1": "all", "198.19.255.255": "all",
		"198.51.100.1": "all", "203.0.113.1": "all", "192.88.99.1": "all", "224.0.0.1": "all", "239.1.1.1": "all", "240.0.0.1": "all", "255.255.255.255": "all",
		"ff02::1": "all", "fec0::1": "all", "100::1": "all", "5f00::1": "all", "2001:db8::1": "all", "3fff::1": "all", "4000::1": "all",
		"2001:0:5ef5:79fb::1": "all", "2001:10::1": "all", "::127.0.0.1": "all", "::ffff:0:127.0.0.1": "all", "64:ff9b:1::1": "all",
		// What stands for an address is allowed when both are.
		"64:ff9b::93.184.215.14": "all school", "64:ff9b::10.1.2.3": "all school", "64:ff9b::127.0.0.1": "all", "64:ff9b::a00:1": "all",
		"2002:5db8:d70e::1": "all school", "2002:7f00:1::1": "all", "2002:a01:203::1": "all school",
		// Clouds tell credentials there, so a network is not enough.
		"169.254.169.254": "school", "::ffff:169.254.169.254": "school", "64:ff9b::169.254.169.254": "school", "169.254.170.2": "", "100.100.100.200": "",
		"fd00:ec2::254": "", "fd20:ce::254": "", "168.63.129.16": "", "192.0.0.192": "",
	} {
		ip := netip.MustParseAddr(text)
		for name, g := range guards {
			if got := g.Allows(ip); got != strings.Contains(want, name) {
				t.Errorf("%s, guard %s: got %v", text, name, got)
			}
		}
	}
	if NewGuard().Allows(netip.Addr{}) {
		t.Error("what is no address is allowed")
	}
}

func guardOf(t *testing.T, networks ...string) *Guard {
	t.Helper()
	var allow []netip.Prefix
	for _, text := range networks {
		p, err := ParseNetwork(text)
		if err != nil {
			t.Fatal(err)
		}
		allow = append(allow, p)
	}
	return NewGuard(allow...)
}

func TestParseNetwork(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"10.1.2.3/24": "10.1.2.0/24", "10.1.2.3": "10.1.2.3/32", "::ffff:10.1.2.3": "10.1.2.3/32", "fd00::1": "fd00::1/128",
		"fd00::/8": "fd00::/8", "": "", "10.1.2": "", "10.1.2.3/33": "", "::ffff:10.0.0.0/104": "", "school.example": ""} {
		got, err := ParseNetwork(text)
		if (err != nil) != (want == "") || err == nil && got.String() != want {
			t.Errorf("%q: got %v, %v, want %q", text, got, err, want)
		}
	}
}

// resolverOf answers the n-th question for an address with answers(n), as the name server
// of an attacker may.
func resolverOf(t *testing.T, answers func(n int64) netip.Addr) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	var asked atomic.Int64
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			q := m.Questions[0]
			m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
			header := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 0}
			switch q.Type {
			case dnsmessage.TypeA:
				if ip := answers(asked.Add(1)); ip.Is4() {
					m.Answers = []dnsmessage.Resource{{Header: header, Body: &dnsmessage.AResource{A: ip.As4()}}}
				}
			case dnsmessage.TypeAAAA:
				if ip := answers(0); ip.IsValid() && ip.Is6() {
					m.Answers = []dnsmessage.Resource{{Header: header, Body: &dnsmessage.AAAAResource{AAAA: ip.As16()}}}
				}
			}
			if out, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(out, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// peerOf is a server on this machine that counts who gets through.
func peerOf(t *testing.T) (port string, called *atomic.Int64) {
	t.Helper()
	called = new(atomic.Int64)
	peer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		called.Add(1)
		if to := r.URL.Query().Get("to"); to != "" {
			http.Redirect(w, r, to, http.StatusFound)
		}
	}))
	t.Cleanup(peer.Close)
	_, port, err := net.SplitHostPort(peer.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port, called
}

func fetch(t *testing.T, c *http.Client, url string) error {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

// refused tells whether the guard refused an address, or the machine has no IPv6 to ask it.
func refused(err error) bool {
	return errors.Is(err, ErrRefused) || err != nil && (strings.Contains(err.Error(), "address family") || strings.Contains(err.Error(), "no suitable address"))
}

func clientOf(g *Guard) *http.Client {
	return &http.Client{Transport: g.Transport(5 * time.Second), Timeout: 10 * time.Second}
}

// A name that leads elsewhere each time it is asked leads nowhere that is not allowed.
func TestRebinding(t *testing.T) {
	t.Parallel()
	port, called := peerOf(t)
	inside := netip.MustParseAddr("127.0.0.1")
	for name, answers := range map[string]func(int64) netip.Addr{
		"Inside":  func(int64) netip.Addr { return inside },
		"Mapped":  func(n int64) netip.Addr { return []netip.Addr{netip.MustParseAddr("::ffff:127.0.0.1"), {}}[min(n, 1)] },
		"Six":     func(n int64) netip.Addr { return []netip.Addr{netip.IPv6Loopback(), {}}[min(n, 1)] },
		"NAT64":   func(n int64) netip.Addr { return []netip.Addr{netip.MustParseAddr("64:ff9b::7f00:1"), {}}[min(n, 1)] },
		"Changes": func(n int64) netip.Addr { return []netip.Addr{netip.MustParseAddr("0.0.0.0"), inside}[n%2] },
	} {
		g := NewGuard()
		g.resolver = resolverOf(t, answers)
		for range 4 {
			if err := fetch(t, clientOf(g), "http://rebind.example:"+port+"/"); !refused(err) {
				t.Errorf("%s: got %v", name, err)
			}
		}
	}
	if n := called.Load(); n != 0 {
		t.Fatalf("the peer was reached %d times", n)
	}
	// The same name is reached where its address is allowed, so the refusals above are the guard's.
	g := guardOf(t, "127.0.0.0/8")
	g.resolver = resolverOf(t, func(int64) netip.Addr { return inside })
	if err := fetch(t, clientOf(g), "http://rebind.example:"+port+"/"); err != nil || called.Load() != 1 {
		t.Errorf("an allowed address: got %v", err)
	}
}

// Each redirect is checked like the first address, and only http and https are spoken.
func TestRedirects(t *testing.T) {
	t.Parallel()
	port, called := peerOf(t)
	g := guardOf(t, "127.0.0.1") // the one address at which the first server is
	for _, to := range []string{"http://127.0.0.2:" + port, "http://[::1]:" + port, "http://10.0.0.1", "http://169.254.169.254/latest/meta-data/",
		"http://[::ffff:169.254.169.254]/", "http://[64:ff9b::a9fe:a9fe]/", "http://[fd00:ec2::254]/"} {
		if err := fetch(t, clientOf(g), "http://127.0.0.1:"+port+"/?to="+to); !refused(err) {
			t.Errorf("to %s: got %v", to, err)
		}
	}
	for _, to := range []string{"file:///etc/passwd", "gopher://127.0.0.1:" + port, "ftp://127.0.0.1:" + port} {
		if err := fetch(t, clientOf(g), "http://127.0.0.1:"+port+"/?to="+to); err == nil {
			t.Errorf("to %s: it was followed", to)
		}
	}
	if n := called.Load(); n != 10 {
		t.Errorf("the server was called %d times, want once for each redirect", n)
	}
}

// However an address is written, it leads nowhere that it may not.
func TestOddNotations(t *testing.T) {
	t.Parallel()
	port, called := peerOf(t)
	g := NewGuard()
	// A name server that takes numbers for names is the worst case.
	g.resolver = resolverOf(t, func(int64) netip.Addr { return netip.MustParseAddr("127.0.0.1") })
	for _, host := range []string{"127.0.0.1", "localhost", "LOCALHOST.", "127.1", "0", "0x7f000001", "2130706433", "017700000001", "127.0.0.1.", "0.0.0.0", "[::]",
		"[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[::1%25lo]", "127。0。0。1", "①②⑦.0.0.1", "%31%32%37.0.0.1"} {
		if err := fetch(t, clientOf(g), fmt.Sprintf("http://%s:%s/", host, port)); err == nil {
			t.Errorf("%s: it was reached", host)
		}
	}
	if n := called.Load(); n != 0 {
		t.Errorf("the peer was reached %d times", n)
	}
}
