package web

import (
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// pages take these two, which Fiber serves by one handler.
var pageMethods = []string{fiber.MethodGet, fiber.MethodHead}

// otherMethods refuses a path that routes take by other methods, and names those.
func (s *Server) otherMethods(c *fiber.Ctx) error {
	if methods := s.methodsAt(c.Path()); len(methods) > 0 {
		return notBy(c, methods)
	}
	return nil
}

// notBy refuses the method of a request to what takes only these.
func notBy(c *fiber.Ctx, methods []string) error {
	c.Set(fiber.HeaderAllow, strings.Join(methods, ", "))
	return fiber.ErrMethodNotAllowed
}

// methodsAt are the methods by which a path can be reached: those of the
// narrowest pattern that it fits. /users/me is no user's id.
func (s *Server) methodsAt(at string) []string {
	best, methods := "", []string(nil)
	for _, r := range s.table {
		if !matches(r.path, at) || best != "" && r.path != best && !narrower(r.path, best) {
			continue
		}
		if r.path != best {
			best, methods = r.path, nil
		}
		methods = append(methods, r.method)
		if r.head {
			methods = append(methods, fiber.MethodHead)
		}
	}
	return methods
}

// fixedNames finds the paths that a wider pattern would take for the path of
// one of its things, by a method that they do not take themselves.
func (s *Server) fixedNames() map[string][]string {
	fixed := map[string][]string{}
	for _, r := range s.table {
		own := s.methodsAt(r.path)
		if slices.ContainsFunc(s.table, func(wide registered) bool {
			return wide.path != r.path && matches(wide.path, r.path) && !slices.Contains(own, wide.method)
		}) {
			fixed[r.path] = own
		}
	}
	return fixed
}

// ownMethods refuses what only a wider pattern would take, such as
// PUT /agents/system by /agents/{id}.
func (s *Server) ownMethods(c *fiber.Ctx) error {
	for path, methods := range s.fixed {
		if !matches(path, c.Path()) || slices.Contains(methods, c.Method()) {
			continue
		}
		if own := s.methodsAt(c.Path()); !slices.Contains(own, c.Method()) {
			return notBy(c, own)
		}
	}
	return c.Next()
}

// anyRest ends a pattern that stands for all paths below.
const anyRest = "{path...}"

// matches compares a path with a pattern whose {parameters} stand for one
// segment each.
func matches(pattern, at string) bool {
	for {
		want, wantRest, wantMore := strings.Cut(pattern, "/")
		got, gotRest, gotMore := strings.Cut(at, "/")
		switch {
		case want == anyRest:
			return true
		case want != got && (got == "" || !isParam(want)), wantMore != gotMore:
			return false
		case !wantMore:
			return true
		}
		pattern, at = wantRest, gotRest
	}
}

// narrower tells which of two patterns that a path fits says more about it: the
// one with a name where they first differ in kind.
func narrower(pattern, than string) bool {
	a, b := strings.Split(pattern, "/"), strings.Split(than, "/")
	for i := range min(len(a), len(b)) {
		if isParam(a[i]) != isParam(b[i]) {
			return isParam(b[i])
		}
	}
	return false
}

func isParam(segment string) bool { return strings.HasPrefix(segment, "{") }
