package web

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"

	"github.com/coagent-studio/coagent/app"
)

const (
	pathQueue = "/admin/queue"
	// queueBody holds the ids of all jobs that the page shows at once.
	queueBody = 64 << 10
	// queuePolicy is what River's page needs beyond our own page's policy: its
	// style sheet holds pictures, and its components write styles.
	queuePolicy = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
)

// queueMethods are those that River's page uses.
var queueMethods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch}

// queuePage mounts River's page about the job queue, for those who operate the
// server. Its changes pass our check of the origin like all others.
func (s *Server) queuePage() error {
	ui, err := s.app.QueueUI(pathQueue)
	if err != nil {
		return err
	}
	page := func(c *fiber.Ctx) error {
		ctx := c.UserContext()
		// The page takes such a path for a fault of its own.
		if at := c.Request().URI().Path(); !utf8.Valid(at) || bytes.IndexByte(at, 0) >= 0 {
			return fiber.ErrNotFound
		}
		actor, _ := c.Locals(operatorKey).(*app.Actor)
		if err := s.receive(c, queueBody, actor.User.ID); err != nil {
			return err
		}
		if err := s.operate(c, actor); err != nil {
			return err
		}
		if err := adaptor.HTTPHandlerFunc(func(w http.ResponseWriter, r *http.Request) { ui.ServeHTTP(w, r.WithContext(ctx)) })(c); err != nil {
			return err
		}
		return queueProblem(c)
	}
	for _, method := range queueMethods {
		s.fiber.Add(method, pathQueue, s.operator, page)
		s.fiber.Add(method, pathQueue+"/*", s.operator, page)
		s.table = append(s.table, registered{method, pathQueue + "/" + anyRest, false, false})
	}
	return nil
}

// operator lets those pass who may operate the server. A browser that is not
// signed in goes to the page where one can.
func (s *Server) operator(c *fiber.Ctx) error {
	actor, err := s.app.Authenticate(c.UserContext(), accessToken(c))
	if err == nil {
		requestOf(c.UserContext()).userID = actor.User.ID
		err = app.Check(actor, app.ActOperate, app.Resource{})
	}
	if app.KindOf(err) == app.KindUnauthenticated && c.Method() == http.MethodGet && strings.Contains(c.Get(fiber.HeaderAccept), fiber.MIMETextHTML) {
		return c.Redirect("/", http.StatusSeeOther)
	}
	if err != nil {
		return err
	}
	c.Locals(operatorKey, actor)
	c.Set(fiber.HeaderContentSecurityPolicy, queuePolicy)
	return c.Next()
}

// operatorKey is under which operator leaves the actor.
const operatorKey = "operator"

// operate has a change that River's page is asked for written down.
func (s *Server) operate(c *fiber.Ctx, actor *app.Actor) error {
	if c.Method() == http.MethodGet {
		return nil
	}
	var sent struct {
		IDs []string `json:"ids"`
	}
	_ = json.Unmarshal(c.Request().Body(), &sent) // the page itself refuses what is malformed
	var ids []int64
	for _, text := range sent.IDs {
		if id, err := strconv.ParseInt(text, 10, 64); err == nil {
			ids = append(ids, id)
		}
	}
	return s.app.Operate(c.UserContext(), actor, c.Method()+" "+strings.TrimPrefix(string(c.Request().URI().Path()), pathQueue), ids)
}

// queueProblem gives an error of River's page the form that ours have; message
// is where the page itself looks for the text.
func queueProblem(c *fiber.Ctx) error {
	status := c.Response().StatusCode()
	if status < http.StatusBadRequest {
		return nil
	}
	var sent struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(c.Response().Body(), &sent) != nil || sent.Message == "" {
		sent.Message = http.StatusText(status)
	}
	return c.JSON(struct {
		problem
		Message string `json:"message"`
	}{problem{Detail: sent.Message, Code: httpCode(status), RequestID: requestOf(c.UserContext()).id}, sent.Message})
}
