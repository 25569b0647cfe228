package web

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/valyala/fasthttp"
)

// withoutBase takes the path of http.public_url off the address of a request. A proxy may
// pass the path on or take it off; behind this the rest of the server knows only addresses
// without it. Links, cookies and redirects get it again.
func (s *Server) withoutBase(head *fasthttp.RequestHeader) {
	if s.base == "" {
		return
	}
	rest, below := bytes.CutPrefix(head.RequestURI(), []byte(s.base))
	switch {
	case !below:
	case len(rest) == 0:
		head.SetRequestURI("/")
	case rest[0] == '?':
		head.SetRequestURI("/" + string(rest))
	case rest[0] == '/':
		head.SetRequestURI(string(rest))
	}
}

// withBase gives a request that path again, for a handler that was made for it.
func (s *Server) withBase(r *http.Request) *http.Request {
	if s.base == "" {
		return r
	}
	r = r.Clone(r.Context())
	r.URL.Path = s.base + r.URL.Path
	if r.URL.RawPath != "" {
		r.URL.RawPath = s.base + r.URL.RawPath
	}
	r.RequestURI = s.base + r.RequestURI
	return r
}

// baseReplacer puts the path before the addresses that the pages about the API name.
type baseReplacer []string

// underBase are the beginnings of those addresses.
var underBase = baseReplacer{`="/docs/`, `="/openapi.json"`, `="/favicon.svg"`, `"/openapi.json"`}

// Replace puts base before each address.
func (b baseReplacer) Replace(text, base string) string {
	var pairs []string
	for _, begin := range b {
		quote, path, _ := strings.Cut(begin, "/")
		pairs = append(pairs, begin, quote+base+"/"+path)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// publicLink is the whole address of a path of this server, nil while http.public_url does not
// say how people reach it.
func (s *Server) publicLink(path string) *string {
	if s.cfg.HTTP.PublicURL == "" {
		return nil
	}
	whole := strings.TrimSuffix(s.cfg.HTTP.PublicURL, "/") + path
	return &whole
}
