package web

import (
	"bytes"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/wording"
)

// boundsOf returns how long a request may take to send its body after the head has come.
//
// It also hides the declared length, as if the body came in chunks. Otherwise fasthttp
// would wait for the first bytes of the body before the head is checked. arrive puts the
// length back.
func (s *Server) boundsOf(head *fasthttp.RequestHeader) fasthttp.RequestConfig {
	s.withoutBase(head)
	if head.ContentLength() > 0 {
		head.SetContentLength(-1)
	}
	return fasthttp.RequestConfig{ReadTimeout: bodyTimeout}
}

// declaredLength returns the Content-Length of a head that fasthttp has accepted, -1
// without one.
func declaredLength(raw []byte) int {
	length := -1
	eachField(raw, func(name, value string) {
		if strings.EqualFold(name, fiber.HeaderContentLength) {
			if n, err := strconv.Atoi(value); err == nil {
				length = n
			}
		}
	})
	return length
}

// eachField calls visit with the name and the value of each header in a raw head.
func eachField(raw []byte, visit func(name, value string)) {
	for line := range bytes.Lines(raw) {
		if name, value, ok := strings.Cut(strings.TrimRight(string(line), "\r\n"), ":"); ok {
			visit(name, strings.Trim(value, " \t"))
		}
	}
}

// checkHead refuses heads that two programs on the way could read differently (RFC 9112,
// section 11.2). It also refuses compressed bodies: a few bytes can unpack to any number.
func (s *Server) checkHead(c *fiber.Ctx) error {
	fault := headFault(&c.Request().Header)
	if nc, ok := c.Context().Conn().(*conn); ok && fault.Pattern == "" && nc.bare.take(&c.Request().Header) {
		fault = wording.Of(bareLine)
	}
	if fault.Pattern != "" {
		endUnread(c.Context())
		return &app.Error{Kind: app.KindRejected, Code: wording.BadRequest, Message: fault.String(), Text: fault}
	}
	packed := false
	eachField(c.Request().Header.RawHeaders(), func(name, value string) {
		packed = packed || strings.EqualFold(name, fiber.HeaderContentEncoding) && value != "" && !strings.EqualFold(value, "identity")
	})
	if packed {
		c.Set(fiber.HeaderAcceptEncoding, "identity")
		return newProblem(requestOf(c.UserContext()), http.StatusUnsupportedMediaType, &app.Error{Code: wording.UnsupportedMediaType,
			Message: "Send the body without a Content-Encoding: this server unpacks nothing"})
	}
	return c.Next()
}

const bareLine = "End each line of the head with CR and LF"

// single are the headers that must not come twice, because two could mean two things.
var single = []string{fiber.HeaderHost, fiber.HeaderContentLength, fiber.HeaderTransferEncoding, fiber.HeaderContentType,
	fiber.HeaderAuthorization, fiber.HeaderOrigin, fiber.HeaderXForwardedHost}

// headFault returns what is wrong with a head, an empty text when nothing is.
func headFault(head *fasthttp.RequestHeader) wording.Text {
	raw := head.RawHeaders()
	if fault := messageFault(raw); fault.Pattern != "" {
		return fault
	}
	seen := map[string]string{}
	twice := ""
	eachField(raw, func(name, value string) {
		for _, one := range single {
			if !strings.EqualFold(one, name) {
				continue
			}
			if _, again := seen[one]; again {
				twice = one
			}
			seen[one] = value
		}
	})
	if twice != "" {
		return wording.Of("Send %s once", twice)
	}
	encoding, chunked := seen[fiber.HeaderTransferEncoding]
	_, measured := seen[fiber.HeaderContentLength]
	version := string(head.Protocol())
	switch {
	case version != "HTTP/1.1" && version != "HTTP/1.0":
		return wording.Of("Speak HTTP/1.1")
	case chunked && measured:
		return wording.Of("Send Content-Length or Transfer-Encoding, not both")
	case chunked && (version != "HTTP/1.1" || !strings.EqualFold(encoding, "chunked")):
		return wording.Of("The only Transfer-Encoding that is understood is chunked, of HTTP/1.1")
	}
	host, named := seen[fiber.HeaderHost]
	return hostFault(head, version, host, named)
}

// messageFault finds line ends that not every program takes for one, and headers that
// continue on the next line.
func messageFault(raw []byte) wording.Text {
	for i, b := range raw {
		switch {
		case b == '\n' && (i == 0 || raw[i-1] != '\r'), b == '\r' && (i+1 == len(raw) || raw[i+1] != '\n'):
			return wording.Of(bareLine)
		case (b == ' ' || b == '\t') && (i == 0 || raw[i-1] == '\n'):
			return wording.Of("Send each header on one line")
		}
	}
	for line := range bytes.Lines(raw) {
		name, _, _ := bytes.Cut(line, []byte(":"))
		if bytes.ContainsAny(name, " \t") {
			return wording.Of("The name of a header holds no blanks")
		}
	}
	return wording.Text{}
}

// hostFault compares the host that a request names with its target.
func hostFault(head *fasthttp.RequestHeader, version, host string, named bool) wording.Text {
	if host == "" && (version == "HTTP/1.1" || named) {
		return wording.Of("Send a Host")
	}
	if strings.ContainsAny(host, "/\\@?#, \t\"<>^`{|}") {
		return wording.Of("The Host is not one")
	}
	target := string(head.RequestURI())
	if strings.HasPrefix(target, "/") || target == "*" || string(head.Method()) == http.MethodConnect {
		return wording.Text{}
	}
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || !strings.EqualFold(u.Host, host) {
		return wording.Of("The target of the request and its Host differ")
	}
	return wording.Text{}
}
