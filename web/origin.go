package web

import (
	"cmp"
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"sync"

	"github.com/gofiber/fiber/v2"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/app/wording"
)

// foreignOrigin says what came and what the server knows itself as: mostly a proxy hides the
// name that people use, and http.public_url does not tell it.
func (s *Server) foreignOrigin(c *fiber.Ctx, origin string) error {
	e := &app.Error{Kind: app.KindForbidden, Code: wording.ForeignOrigin}
	known := cmp.Or(config.CanonicalOrigin(s.cfg.HTTP.PublicURL), config.CanonicalOrigin("http://"+s.host(c)), "another name")
	e.Text = wording.Of("This request comes from a page at %s, and this server is known as %s. If people open CoAgent Studio at that address, set http.public_url to it, or let the proxy pass on Host; "+
		"to let the pages of another site in, list it in http.cors_origins.", origin, known)
	if config.CanonicalOrigin(origin) == "" {
		e.Text = wording.Of("This request comes from a page of another site. If people open CoAgent Studio at that address, set http.public_url to it; " +
			"to let the pages of another site in, list it in http.cors_origins.")
	}
	e.Message = e.Text.String()
	return e
}

// defaultPolicy is the Content-Security-Policy of answers that are no page: whatever a
// browser takes them for, they run nothing of others.
const defaultPolicy = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"

// secureHeaders sets the security headers of every answer. A page may replace the policy
// by its own.
func (s *Server) secureHeaders(c *fiber.Ctx) error {
	c.Set(fiber.HeaderContentSecurityPolicy, defaultPolicy)
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	c.Set(fiber.HeaderXFrameOptions, "DENY")
	c.Set(fiber.HeaderReferrerPolicy, "no-referrer")
	c.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	c.Set("Cross-Origin-Opener-Policy", "same-origin")
	c.Set("Cross-Origin-Resource-Policy", "same-origin")
	if s.cameByHTTPS(c) {
		c.Set(fiber.HeaderStrictTransportSecurity, "max-age=31536000")
	}
	if strings.HasPrefix(c.Path(), "/api/") {
		c.Set(fiber.HeaderCacheControl, "no-store")
	}
	return c.Next()
}

// overHTTPS tells whether people reach the server only by https.
func overHTTPS(cfg *config.Config) bool {
	return cfg.HTTP.SecureCookies || strings.HasPrefix(strings.ToLower(cfg.HTTP.PublicURL), "https://")
}

// cameByHTTPS tells whether a request came by https: either all do, or a trusted proxy
// says so of this one.
func (s *Server) cameByHTTPS(c *fiber.Ctx) bool {
	if s.https {
		return true
	}
	first, _, _ := strings.Cut(c.Get(fiber.HeaderXForwardedProto), ",")
	return strings.EqualFold(strings.TrimSpace(first), "https") && s.fromProxy(c)
}

// secureCookies marks the cookies of an answer as Secure when the request came by https.
// Then they are never sent over plain http.
func (s *Server) secureCookies(c *fiber.Ctx) {
	if !s.cameByHTTPS(c) {
		return
	}
	h := &c.Response().Header
	var lines []string
	for _, value := range h.Cookies() {
		lines = append(lines, string(value))
	}
	h.DelAllCookies()
	for _, line := range lines {
		if !secureCookie.MatchString(line) {
			line += "; Secure"
		}
		h.Add(fiber.HeaderSetCookie, line)
	}
}

var secureCookie = regexp.MustCompile(`(?i);\s*secure\s*(;|$)`)

// allowedOrigins returns the allowed origins beside the server's own: the configured
// ones, and the public URL under which a proxy is reached.
func allowedOrigins(cfg *config.Config) map[string]bool {
	origins := map[string]bool{}
	for _, o := range cfg.HTTP.CORSOrigins {
		origins[config.CanonicalOrigin(o)] = true
	}
	origins[config.CanonicalOrigin(cfg.HTTP.PublicURL)] = true
	delete(origins, "") // from a setting without an origin
	return origins
}

// checkOrigin answers preflights and lets pages of listed origins read the answers. It
// refuses changes that pages of other sites ask for (CSRF).
func (s *Server) checkOrigin(c *fiber.Ctx) error {
	origin := c.Get(fiber.HeaderOrigin)
	listed := s.listed(origin)
	if len(s.origins) > 0 {
		c.Vary(fiber.HeaderOrigin)
	}
	if listed {
		c.Set(fiber.HeaderAccessControlAllowOrigin, origin)
		c.Set(fiber.HeaderAccessControlAllowCredentials, "true")
		c.Set(fiber.HeaderAccessControlExposeHeaders, requestIDHeader+", Retry-After, Link")
		// The answer is meant for the other origin. The default of this header would hide
		// it.
		c.Set("Cross-Origin-Resource-Policy", "cross-origin")
	}
	switch c.Method() {
	case http.MethodOptions:
		if c.Get(fiber.HeaderAccessControlRequestMethod) != "" {
			return s.preflight(c, listed)
		}
	case http.MethodGet, http.MethodHead:
	default:
		if !s.fromOurPage(c) {
			return s.foreign(c)
		}
	}
	return c.Next()
}

// fromOurPage tells whether a request comes from no page, from one of ours, or from one
// of a listed origin. A browser says "cross-site" also in requests that name no origin.
func (s *Server) fromOurPage(c *fiber.Ctx) bool {
	if s.listed(c.Get(fiber.HeaderOrigin)) {
		return true
	}
	return c.Get("Sec-Fetch-Site") != "cross-site" && s.originAllowed(c)
}

func (s *Server) preflight(c *fiber.Ctx, listed bool) error {
	if !listed {
		return s.foreign(c)
	}
	c.Set(fiber.HeaderAccessControlAllowMethods, "GET, POST, PUT, PATCH, DELETE")
	c.Set(fiber.HeaderAccessControlAllowHeaders, c.Get(fiber.HeaderAccessControlRequestHeaders))
	c.Set(fiber.HeaderAccessControlMaxAge, "600")
	c.Vary(fiber.HeaderAccessControlRequestMethod, fiber.HeaderAccessControlRequestHeaders)
	return c.SendStatus(http.StatusNoContent)
}

// originAllowed tells whether a request's Origin is absent, ours, or listed.
func (s *Server) originAllowed(c *fiber.Ctx) bool {
	origin := c.Get(fiber.HeaderOrigin)
	if origin == "" || s.listed(origin) {
		return true
	}
	// The server may not know by which scheme it was reached. Take the scheme from the
	// origin.
	scheme, _, _ := strings.Cut(origin, "://")
	own := config.CanonicalOrigin(scheme + "://" + s.host(c))
	return own != "" && own == config.CanonicalOrigin(origin)
}

func (s *Server) listed(origin string) bool {
	return origin != "" && s.origins[config.CanonicalOrigin(origin)]
}

// maxForeign is how many foreign origins the log names at most.
const maxForeign = 200

// foreignOrigins are the foreign origins that the log has named.
type foreignOrigins struct {
	mu   sync.Mutex
	seen map[string]bool
}

// first tells whether to log an origin: it is new, and fewer than maxForeign were logged.
func (f *foreignOrigins) first(origin string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.seen[origin] || len(f.seen) >= maxForeign {
		return false
	}
	if f.seen == nil {
		f.seen = map[string]bool{}
	}
	f.seen[origin] = true
	return true
}

// foreign refuses a request from a page of another site. The log names each such origin
// once: it may be a name of this server that the configuration lacks.
func (s *Server) foreign(c *fiber.Ctx) error {
	origin := c.Get(fiber.HeaderOrigin)
	if known := config.CanonicalOrigin(origin); known != "" {
		origin = known
	}
	origin = origin[:min(len(origin), 300)]
	if s.foreigners.first(origin) {
		s.log.Warn("a request from a page of another site is refused: if people open this server at that origin, set http.public_url to it; "+
			"if that site's pages may call, list it in http.cors_origins", "origin", origin, "host", s.host(c))
	}
	return s.foreignOrigin(c, origin)
}

// host returns the server's host as the client named it.
func (s *Server) host(c *fiber.Ctx) string {
	if forwarded := c.Get(fiber.HeaderXForwardedHost); forwarded != "" && s.fromProxy(c) {
		first, _, _ := strings.Cut(forwarded, ",")
		return strings.TrimSpace(first)
	}
	return string(c.Request().Header.Host())
}

func trustedProxies(list []string) ([]netip.Prefix, error) {
	var proxies []netip.Prefix
	for _, text := range list {
		p, err := netip.ParsePrefix(text)
		if addr, errAddr := netip.ParseAddr(text); errAddr == nil {
			p, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("http.trusted_proxies: %w", err)
		}
		proxies = append(proxies, p.Masked())
	}
	return proxies, nil
}

func (s *Server) trusted(addr netip.Addr) bool {
	for _, p := range s.proxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

func (s *Server) fromProxy(c *fiber.Ctx) bool { return s.trusted(peer(c)) }

// peer returns the address at the other end of the connection.
func peer(c *fiber.Ctx) netip.Addr {
	addr, _ := netip.AddrFromSlice(c.Context().RemoteIP())
	return addr.Unmap()
}

// clientAddress returns the address from which a request comes: the peer, or behind
// trusted proxies the last address in X-Forwarded-For that is not a trusted proxy.
func (s *Server) clientAddress(c *fiber.Ctx) string {
	addr := peer(c)
	if !s.trusted(addr) {
		return addr.String()
	}
	hops := strings.Split(strings.Join(c.GetReqHeaders()[fiber.HeaderXForwardedFor], ","), ",")
	for i := len(hops) - 1; i >= 0 && s.trusted(addr); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = hop.Unmap()
	}
	return addr.String()
}

// client describes the device that signs in.
func (s *Server) client(c *fiber.Ctx) app.Client {
	return app.Client{UserAgent: c.Get(fiber.HeaderUserAgent), Address: s.clientAddress(c), Note: note(c)}
}

// note returns the token that a device got when it signed in before.
func note(c *fiber.Ctx) secret.Text { return secret.Text(cookieOf(c, cookieDevice)) }
