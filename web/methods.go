package web

import (
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// pageMethods are the methods of pages. Fiber serves both with one handler.
var pageMethods = []string{fiber.MethodGet, fiber.MethodHead}

// otherMethods refuses a path whose routes take other methods, and names those methods.
func (s *Server) otherMethods(c *fiber.Ctx) error {
	if methods := s.methodsAt(c.Path()); len(methods) > 0 {
		return notBy(c, methods)
	}
	return nil
}

// notBy refuses the method of a request and names the methods that would do.
func notBy(c *fiber.Ctx, methods []string) error {
	c.Set(fiber.HeaderAllow, strings.Join(methods, ", "))
	return fiber.ErrMethodNotAllowed
}

// methodsAt returns the methods of the narrowest pattern that matches a path. For example
// /users/me matches its own pattern, not the one of a user's id.
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

// fixedPaths are the paths that a wider pattern also matches, with a method that the
// narrower one does not have. A request is looked up among them by its path, or by the
// number of its segments: few of them have parameters.
type fixedPaths struct {
	plain    map[string][]string // the methods by path
	patterns map[int][]fixedPattern
}

type fixedPattern struct {
	path    string
	methods []string
}

// fixedNames finds the fixed paths of the table.
func (s *Server) fixedNames() fixedPaths {
	fixed := fixedPaths{map[string][]string{}, map[int][]fixedPattern{}}
	seen := map[string]bool{}
	for _, r := range s.table {
		if seen[r.path] {
			continue
		}
		seen[r.path] = true
		own := s.methodsAt(r.path)
		if slices.ContainsFunc(s.table, func(wide registered) bool {
			return wide.path != r.path && matches(wide.path, r.path) && !slices.Contains(own, wide.method)
		}) {
			if strings.Contains(r.path, "{") {
				n := strings.Count(r.path, "/")
				fixed.patterns[n] = append(fixed.patterns[n], fixedPattern{r.path, own})
			} else {
				fixed.plain[r.path] = own
			}
		}
	}
	return fixed
}

// refuses tells whether a fixed path that fits at lacks a method.
func (f fixedPaths) refuses(method, at string) bool {
	if methods, found := f.plain[at]; found && !slices.Contains(methods, method) {
		return true
	}
	return slices.ContainsFunc(f.patterns[strings.Count(at, "/")], func(p fixedPattern) bool {
		return !slices.Contains(p.methods, method) && matches(p.path, at)
	})
}

// ownMethods refuses a request that only a wider pattern would take. For example
// /agents/{id} must not take PUT /agents/system.
func (s *Server) ownMethods(c *fiber.Ctx) error {
	if s.fixed.refuses(c.Method(), c.Path()) {
		if own := s.methodsAt(c.Path()); !slices.Contains(own, c.Method()) {
			return notBy(c, own)
		}
	}
	return c.Next()
}

// anyRest at the end of a pattern stands for all paths below.
const anyRest = "{path...}"

// matches tells whether a path fits a pattern. Each {parameter} stands for one segment.
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

// narrower tells whether pattern is narrower than another pattern that fits the same
// path. The one with a fixed name is, where they first differ in kind.
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
