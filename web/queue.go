package web

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/wording"
)

const (
	pathQueue = "/admin/queue"
	// queueBody is enough bytes for the ids of all jobs that the page shows at once.
	queueBody = 64 << 10
	// queuePolicy allows what River's page needs beyond our own page's policy: its style
	// sheet contains pictures, and its components write styles.
	queuePolicy = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
)

// queueMethods are the methods that River's page uses.
var queueMethods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch}

// queuePage mounts River's page about the job queue, for those who operate the server.
// Changes made there pass our check of the origin like all others.
func (s *Server) queuePage() error {
	ui, err := s.app.QueueUI(s.base + pathQueue)
	if err != nil {
		return err
	}
	bridge := s.bridged()
	page := func(c *fiber.Ctx) error {
		if strings.HasPrefix(c.Path(), pathQueue+"/assets/") {
			unlogged(c)
		}
		// River's page would report such a path as its own fault.
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
		if err := bridge.serve(c, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { ui.ServeHTTP(w, s.withBase(r)) })); err != nil {
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

// operator lets only those pass who may operate the server. It sends a browser that is
// not signed in to the page for signing in.
func (s *Server) operator(c *fiber.Ctx) error {
	actor, err := s.app.Authenticate(c.UserContext(), accessToken(c))
	if err == nil {
		requestOf(c.UserContext()).userID = actor.User.ID
		err = app.Check(actor, app.ActOperate, app.Resource{})
	}
	if app.KindOf(err) == app.KindUnauthenticated && c.Method() == http.MethodGet && strings.Contains(c.Get(fiber.HeaderAccept), fiber.MIMETextHTML) {
		return c.Redirect(s.base+"/", http.StatusSeeOther)
	}
	if err != nil {
		return err
	}
	c.Locals(operatorKey, actor)
	c.Set(fiber.HeaderContentSecurityPolicy, queuePolicy)
	return c.Next()
}

// operatorKey is the key under which operator stores the actor.
const operatorKey = "operator"

// operate writes a change that was asked from River's page to the audit log.
func (s *Server) operate(c *fiber.Ctx, actor *app.Actor) error {
	if c.Method() == http.MethodGet {
		return nil
	}
	var sent struct {
		IDs []string `json:"ids"`
	}
	_ = json.Unmarshal(c.Request().Body(), &sent) // the page refuses a malformed body itself
	var ids []int64
	for _, text := range sent.IDs {
		if id, err := strconv.ParseInt(text, 10, 64); err == nil {
			ids = append(ids, id)
		}
	}
	return s.app.Operate(c.UserContext(), actor, c.Method()+" "+strings.TrimPrefix(string(c.Request().URI().Path()), pathQueue), ids)
}

// queueProblem turns an error of River's page into the form of our errors. River's page
// reads the text from message.
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
	text := wording.Of("%s", sent.Message) // River's page speaks English alone
	return c.JSON(newProblem(requestOf(c.UserContext()), status, &app.Error{Code: httpCode(status), Message: sent.Message, Text: text}))
}
