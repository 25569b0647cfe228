package doctor

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/coagent-studio/coagent/app/config"
)

// configuration tells where the settings come from, what is wrong with them, and which of
// them contradict each other.
func configuration(_ context.Context, in *Installation) (found []Finding) {
	for _, p := range in.Problems {
		found = append(found, fault(words("%s", p), words("Correct the setting; `coagent config` tells all that is wrong")))
	}
	for _, n := range in.Notices {
		found = append(found, warn(words("%s", n), words("Correct the setting, or take it out")))
	}
	if in.Config == nil {
		return found
	}
	found = append(found, contradictions(in.Config)...)
	if len(found) > 0 {
		return found
	}
	if in.File == "" {
		return one(fine(words("No file is read: the settings are the defaults and those of the environment")))
	}
	return one(fine(words("The settings in %s are valid", in.File)))
}

// contradictions are settings that are valid each, and do not work together.
func contradictions(c *config.Config) (found []Finding) {
	public, _ := url.Parse(c.HTTP.PublicURL) // config has refused what is none
	secure := public != nil && public.Scheme == "https"
	switch {
	case c.HTTP.SecureCookies && c.HTTP.PublicURL != "" && !secure && !onThisMachine(public.Hostname()):
		found = append(found, fault(words("http.secure_cookies is on, and http.public_url is not https: browsers keep no cookie, so nobody can sign in"),
			words("Set http.public_url to the https address, or http.secure_cookies to false")))
	case c.HTTP.SecureCookies && c.HTTP.PublicURL == "" && len(c.HTTP.TrustedProxies) == 0:
		found = append(found, warn(words("http.secure_cookies is on without http.public_url: sign-in works over https alone, and links have no address"),
			words("Set http.public_url to the https address under which people reach the server")))
	}
	if secure && len(c.HTTP.TrustedProxies) == 0 {
		found = append(found, warn(words("http.public_url is https, and http.trusted_proxies is empty: the limits of one address hold for all people together"),
			words("List the address of the proxy in http.trusted_proxies")))
	}
	if exposed(c.HTTP.InternalAddr) {
		found = append(found, warn(words("http.internal_addr listens on every network, and asks nobody who they are"),
			words("Let it listen on 127.0.0.1 or on an address of the operator's own network")))
	}
	if c.HTTP.BodyLimit > c.HTTP.BodiesLimit/4 || c.HTTP.UploadLimit > c.HTTP.BodiesLimit/4 {
		found = append(found, warn(words("One body may be larger than the quarter of http.bodies_limit that one person gets: it is answered with 503"),
			words("Raise http.bodies_limit, or lower http.body_limit and http.upload_limit")))
	}
	if c.Web.UIDir != "" && public != nil && strings.Trim(public.Path, "/") != "" {
		found = append(found, fault(words("web.ui_dir serves a client whose calls begin with /api/v1, and http.public_url has the path %s: that client needs the root of a host", public.Path),
			words("Give it a host of its own in http.public_url, or leave web.ui_dir empty: the studio works below a path")))
	}
	return append(found, leftBehind(c)...)
}

// leftBehind are secrets that were needed once.
func leftBehind(c *config.Config) (found []Finding) {
	if c.Auth.SuperAdminPassword != "" {
		found = append(found, warn(words("The password of the first super admin is still in the configuration (auth.super_admin_password, SUPER_ADMIN_PASSWORD)"),
			words("Take it out: it is needed only as long as there is no super admin")))
	}
	return found
}

// exposed tells whether an address to listen on takes connections from every network.
func exposed(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}

func onThisMachine(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// timezone tells in which zone schedules are read. A container has none of its own.
func timezone(_ context.Context, in *Installation) []Finding {
	zone, offset := in.Now().In(in.Config.Location()).Zone()
	if in.Config.Timezone == "" && offset == 0 {
		return one(warn(words("timezone is not set and the machine's is %s: schedules and days of a class elsewhere are hours off", zone),
			words("Set timezone (COAGENT_TIMEZONE) to the school's, such as Asia/Taipei, or to UTC if that is meant")))
	}
	if in.Config.Timezone == "" {
		return one(fine(words("Schedules are read in the machine's zone, %s (UTC%s)", zone, offsetText(offset))))
	}
	return one(fine(words("Schedules are read in %s (UTC%s)", in.Config.Timezone, offsetText(offset))))
}

func offsetText(seconds int) string {
	return time.Unix(0, 0).In(time.FixedZone("", seconds)).Format("-07:00")
}
