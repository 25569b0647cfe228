package web

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/danielgtaylor/huma/v2"
	"github.com/golang-jwt/jwt/v5"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

const testPassword = "correct horse battery"

// hashOnce is the hash of testPassword.
var hashOnce = sync.OnceValues(func() (string, error) {
	return app.NewHasher(apptest.Config("", "").Auth).Hash(context.Background(), testPassword)
})

// rig is a whole server as main starts it, and what its log said.
type rig struct {
	*Running
	t   testing.TB
	cfg *config.Config
	log *syncBuffer
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// start serves the database at url on a free port until the test ends.
func start(t testing.TB, url string, tune ...func(*config.Config)) *rig {
	t.Helper()
	model := llmtest.New(t) // so that no test calls a provider outside
	cfg := apptest.Config("", model.URL)
	cfg.LLM.Gemini.BaseURL, cfg.LLM.Claude.BaseURL = model.URL, model.URL
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		cfg.DataDir = filepath.Dir(path)
	} else {
		cfg.Database.URL = secret.Text(url)
	}
	cfg.HTTP.Addr = "127.0.0.1:0"
	cfg.Turns.Sweep = 3 * time.Second // no test here kills a worker
	for _, f := range tune {
		f(cfg)
	}
	r := &rig{t: t, cfg: cfg, log: new(syncBuffer)}
	log := slog.New(slog.NewJSONHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	if r.Running, err = Start(t.Context(), cfg, log, "test"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := r.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
		if t.Failed() {
			t.Logf("server log:\n%s", lastLines(notable(r.log.String()), 20))
		}
	})
	return r
}

// notable is a log without the lines of requests that went well.
func notable(log string) string {
	var kept []string
	for line := range strings.Lines(log) {
		if !strings.Contains(line, `"msg":"request"`) || strings.Contains(line, `"status":5`) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// answer is one response, read whole.
type answer struct {
	status int
	header http.Header
	body   string
}

// json decodes the body into a map, a list or a plain value.
func (a answer) json(t testing.TB) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("not JSON: %v: %.200q", err, a.body)
	}
	return v
}

func (a answer) object(t testing.TB) map[string]any {
	t.Helper()
	m, ok := a.json(t).(map[string]any)
	if !ok {
		t.Fatalf("got %.200q, want an object", a.body)
	}
	return m
}

func (a answer) list(t testing.TB) []map[string]any {
	t.Helper()
	var list []map[string]any
	if err := json.Unmarshal([]byte(a.body), &list); err != nil || list == nil {
		t.Fatalf("got %.200q, want a list of objects (%v)", a.body, err)
	}
	return list
}

func (a answer) text(t testing.TB, member string) string {
	t.Helper()
	s, ok := a.object(t)[member].(string)
	if !ok {
		t.Fatalf("%s is no text in %.300q", member, a.body)
	}
	return s
}

// cookies are the Set-Cookie headers by name, whole.
func (a answer) cookies() map[string]string {
	got := map[string]string{}
	for _, line := range a.header.Values("Set-Cookie") {
		name, _, _ := strings.Cut(line, "=")
		got[name] = line
	}
	return got
}

// caller sends requests as one person; token may be empty.
type caller struct {
	r     *rig
	token string
	extra http.Header
}

func (r *rig) anon() *caller { return &caller{r: r} }

// with is the same caller with one more header.
func (c *caller) with(name, value string) *caller {
	h := c.extra.Clone()
	if h == nil {
		h = http.Header{}
	}
	h.Add(name, value)
	return &caller{r: c.r, token: c.token, extra: h}
}

var noRedirects = &http.Client{
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Timeout:       2 * time.Minute,
}

// do sends a request; a body that is no string or reader is sent as JSON.
// Every answer is held against the OpenAPI document and searched for secrets.
func (c *caller) do(t testing.TB, method, path string, body ...any) answer {
	t.Helper()
	var reader io.Reader
	kind := ""
	if len(body) > 0 {
		switch b := body[0].(type) {
		case string:
			reader, kind = strings.NewReader(b), "application/json"
		case url.Values:
			reader, kind = strings.NewReader(b.Encode()), "application/x-www-form-urlencoded"
		default:
			text, err := json.Marshal(b)
			if err != nil {
				t.Fatal(err)
			}
			reader, kind = bytes.NewReader(text), "application/json"
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+c.r.Addr.String()+path, reader)
	if err != nil {
		t.Fatal(err)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	if c.token != "" {
		req.AddCookie(&http.Cookie{Name: cookieAccess, Value: c.token})
	}
	req.Header.Set("Accept-Language", "zh-TW") // which detail does not follow
	for name, values := range c.extra {
		req.Header[name] = values
	}
	res, err := noRedirects.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusSwitchingProtocols {
		return answer{res.StatusCode, res.Header, ""}
	}
	// A stream has no end, see streamAt: here its beginning is the answer.
	read := io.ReadAll
	if res.Header.Get("Content-Type") == "text/event-stream" {
		read = firstEvent
	}
	text, err := read(res.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	a := answer{res.StatusCode, res.Header, string(text)}
	c.r.checkAnswer(t, method, req.URL.EscapedPath(), a)
	if a.status >= 400 && strings.HasPrefix(a.header.Get("Content-Type"), "application/json") {
		accept := req.Header.Get("Accept-Language")
		lang := wording.Best(accept)
		if accept == "" || a.status == http.StatusRequestHeaderFieldsTooLarge || strings.HasPrefix(path, pathQueue) {
			lang = "" // what the person has set decides, the head was not read, or the page of the queue, which is English, has written the text
		}
		checkWording(t, method+" "+path, a, lang)
	}
	return a
}

// firstEvent reads a stream up to the end of its first event or comment.
func firstEvent(stream io.Reader) ([]byte, error) {
	var text []byte
	for in := bufio.NewReader(stream); !bytes.HasSuffix(text, []byte("\n\n")); {
		some, err := in.ReadBytes('\n')
		if text = append(text, some...); err != nil {
			return text, err
		}
	}
	return text, nil
}

// checkWording checks that an error has a code of the closed set, and so has each wrong
// member, and that what is for people is in their language.
func checkWording(t testing.TB, what string, a answer, lang wording.Lang) {
	t.Helper()
	var p problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		t.Errorf("%s: %v in %s", what, err, a.body)
	}
	if !slices.Contains(wording.Codes(false), string(p.Code)) {
		t.Errorf("%s: the code %q is not in the closed set: %s", what, p.Code, a.body)
	}
	said := []string{p.Message}
	for _, e := range p.Errors {
		said = append(said, e.Message)
		if !slices.Contains(wording.Codes(true), string(e.Code)) {
			t.Errorf("%s: the code %q of %s is not in the closed set", what, e.Code, e.Field)
		}
	}
	for _, s := range said {
		if s == "" || lang == wording.TraditionalChinese && !strings.ContainsFunc(s, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
			t.Errorf("%s: %q is not in %s: %s", what, s, lang, a.body)
		}
	}
	if lang == wording.English && len(p.Errors) == 0 && p.Message != p.Detail {
		t.Errorf("%s: message is %q, want the detail %q", what, p.Message, p.Detail)
	}
}

// secrets must be in no answer of any test.
var secrets = []string{"$argon2id$", "$2b$", "password_hash", "hashed_password", "encrypted_api_key", apptest.CanaryKey}

func (r *rig) checkAnswer(t testing.TB, method, path string, a answer) {
	t.Helper()
	for _, s := range append([]string{r.cfg.Auth.SecretKey.Reveal()}, secrets...) {
		if strings.Contains(a.body, s) {
			t.Errorf("%s %s: the answer holds %q: %.300q", method, path, s, a.body)
		}
	}
	if a.header.Get(requestIDHeader) == "" {
		t.Errorf("%s %s: no %s", method, path, requestIDHeader)
	}
	// Only people get a page, and only outside the API.
	page := strings.HasPrefix(a.header.Get("Content-Type"), "text/html") && !strings.HasPrefix(path, "/api")
	if a.status >= 400 && (!page || a.status != http.StatusNotFound) {
		p := a.object(t)
		if _, ok := p["detail"].(string); !ok || p["code"] == "" || p["request_id"] != a.header.Get(requestIDHeader) {
			t.Errorf("%s %s: malformed error %s", method, path, a.body)
		}
	}
	r.checkDocumented(t, method, path, a)
}

// checkDocumented holds an answer of a documented operation against its
// responses in the OpenAPI document.
func (r *rig) checkDocumented(t testing.TB, method, path string, a answer) {
	t.Helper()
	api := r.server.api.OpenAPI()
	best := "" // of the patterns that match, the one with the fewest parameters
	for pattern, item := range api.Paths {
		if matches(pattern, path) && operationAt(item, method) != nil && (best == "" || strings.Count(pattern, "{") < strings.Count(best, "{")) {
			best = pattern
		}
	}
	if best == "" || a.status == http.StatusRequestHeaderFieldsTooLarge || a.status == http.StatusUnsupportedMediaType { // which are refused before any route is looked for
		return
	}
	op := operationAt(api.Paths[best], method)
	res := op.Responses[httpStatus(a.status)]
	if res == nil {
		t.Errorf("%s %s answered %d, which its operation %s does not list", method, path, a.status, op.OperationID)
		return
	}
	if kind, _, _ := strings.Cut(a.header.Get("Content-Type"), ";"); kind == mimeCSV && res.Content[kind] != nil {
		return
	}
	content := res.Content["application/json"]
	if content == nil || a.body == "" {
		return
	}
	v := a.json(t)
	found := new(huma.ValidateResult)
	huma.Validate(api.Components.Schemas, content.Schema, huma.NewPathBuffer(nil, 0), huma.ModeReadFromServer, v, found)
	for _, err := range found.Errors {
		t.Errorf("%s %s (%d) does not fit its schema: %v", method, path, a.status, err)
	}
	for _, at := range undocumented(api.Components.Schemas, content.Schema, v, "") {
		t.Errorf("%s %s (%d) has %s, which its schema does not name", method, path, a.status, at)
	}
}

// undocumented lists the members of a value that its schema does not name, where it names any.
func undocumented(r huma.Registry, s *huma.Schema, v any, at string) (found []string) {
	if s != nil && s.Ref != "" {
		s = r.SchemaFromRef(s.Ref)
	}
	switch v := v.(type) {
	case []any:
		if s == nil || s.Items == nil {
			return nil
		}
		for _, member := range v {
			found = append(found, undocumented(r, s.Items, member, at+"[]")...)
		}
	case map[string]any:
		if s == nil || len(s.Properties) == 0 {
			return nil
		}
		of, _ := s.AdditionalProperties.(*huma.Schema)
		for name, member := range v {
			known := s.Properties[name]
			if known == nil {
				known = of
			}
			if known == nil {
				found = append(found, at+"."+name)
				continue
			}
			found = append(found, undocumented(r, known, member, at+"."+name)...)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// addUser stores an account whose password is testPassword.
func (r *rig) addUser(t testing.TB, role, name string, active bool) store.User {
	t.Helper()
	hash, err := hashOnce()
	if err != nil {
		t.Fatal(err)
	}
	u := apptest.NewUser(role, "Full "+name)
	uname := name + "-" + u.ID[28:]
	u.Email, u.Username, u.PasswordHash, u.IsActive = uname+"@example.org", &uname, hash, active
	if err := r.opened.DB.InTx(t.Context(), func(tx *store.Tx) error { return tx.CreateUser(t.Context(), u) }); err != nil {
		t.Fatal(err)
	}
	return *u
}

// session opens a session for a user without the cost of a password.
func (r *rig) session(t testing.TB, userID string) *caller {
	t.Helper()
	s := apptest.NewSession(userID, time.Hour)
	if err := r.opened.DB.InTx(t.Context(), func(tx *store.Tx) error { return tx.CreateSession(t.Context(), s) }); err != nil {
		t.Fatal(err)
	}
	return &caller{r: r, token: r.token(t, userID, s.ID, s.ExpiresAt)}
}

// token signs an access token, see apptest.Token.
func (r *rig) token(t testing.TB, userID, sessionID string, expires time.Time) string {
	t.Helper()
	token, err := apptest.Token(r.cfg.Auth.SecretKey.Reveal(), &store.Session{ID: sessionID, UserID: userID}, expires)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// claim reads a member of a token.
func claim(t testing.TB, token, name string) string {
	t.Helper()
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(token, claims); err != nil {
		t.Fatal(err)
	}
	s, _ := claims[name].(string)
	return s
}

// expired is a caller whose token ran out while the session lives.
func (c *caller) expired(t testing.TB) *caller {
	t.Helper()
	return &caller{r: c.r, token: c.r.token(t, claim(t, c.token, "sub"), claim(t, c.token, "sid"), time.Now().Add(-time.Minute))}
}

// inHeader is the same caller with the token in the Authorization header alone.
func (c *caller) inHeader() *caller {
	return (&caller{r: c.r, extra: c.extra}).with("Authorization", "Bearer "+c.token)
}

// must is do that fails the test unless the status is the wanted one.
func (c *caller) must(t testing.TB, status int, method, path string, body ...any) answer {
	t.Helper()
	a := c.do(t, method, path, body...)
	if a.status != status {
		t.Fatalf("%s %s: got %d %s, want %d", method, path, a.status, a.body, status)
	}
	return a
}
