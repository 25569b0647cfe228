package wording_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/coagent-studio/coagent/app/wording"
)

var update = flag.Bool("update", false, "add the texts that lack an entry, and write docs/problems.md")

// howTo is the end of each failure about a missing entry.
const howTo = "run `go test ./app/wording -update`, then fill in the new entries: names of parameters (and, for a text about one member, " +
	"its code) in app/wording/en.json, the translation in app/wording/zh-TW.json"

// makers are the functions that take the pattern of a text, with its place among their
// arguments.
var makers = map[string]int{
	"app.errorf": 2, "app.invalid": 1, "app.forbidden": 0, "app.notFound": 0, "app.fromStore": 1, "app.tooFast": 0, "app.shared": 1, "app.hourly": 1,
	"app.organizationMember": 4, "app.memberToChange": 4, "app.agentResource": 3, "app.agentFor": 4, "app.usableAgent": 3, "app.workspace": 3,
	"schedule.problem": 1, "schedule.fail": 0, "workflow.say": 1, "web.Complain": 3, "web.bad": 1,
	"wording.Of": 0, "wording.Errorf": 0, "doctor.words": 0,
}

// members are the fields of struct literals that hold a text.
var members = map[string]string{"Error": "Message", "FieldError": "Message", "ErrorDetail": "Message", "rule": "text", "Resource": "Noun"}

// aboutMember are the makers and literals whose texts are about one member of a request.
var aboutMember = []string{"invalid", "problem", "fail", "say", "Complain", "bad", "FieldError", "ErrorDetail"}

// said is a text that the program says.
type said struct {
	at      string
	code    string // of the problem, if the place names one
	member  bool   // it is about one member of a request
	pattern string
}

func TestEveryTextHasItsEntry(t *testing.T) {
	texts, odd := program(t)
	for _, o := range odd {
		t.Errorf("%s: the text is not constant: pass a constant pattern with its values, or a wording.Text", o)
	}
	if len(texts) < 300 {
		t.Fatalf("found only %d texts", len(texts))
	}
	en, zh := entries(t), translations(t)
	used := map[string]bool{}
	for _, s := range texts {
		used[s.pattern] = true
		entry, known := en[s.pattern]
		verbs := wording.Verbs(s.pattern)
		if _, translated := zh[s.pattern]; !known || !translated {
			if *update {
				if !known {
					en[s.pattern] = blank(s, len(verbs))
				}
				zh[s.pattern] = cmp.Or(zh[s.pattern], "")
				continue
			}
			t.Errorf("%s: %q has no entry: %s", s.at, s.pattern, howTo)
			continue
		}
		switch {
		case s.member && entry.Code == "":
			t.Errorf("%s: %q is about a member and has no code in en.json", s.at, s.pattern)
		case len(entry.Params) != len(verbs):
			t.Errorf("%s: %q has %d values, and en.json names %d", s.at, s.pattern, len(verbs), len(entry.Params))
		case !inChinese(s.pattern, zh[s.pattern]):
			t.Errorf("%s: %q has no translation in zh-TW.json", s.at, s.pattern)
		case !bytes.Equal(wording.Verbs(zh[s.pattern]), verbs):
			t.Errorf("%s: %q has other values in zh-TW.json: %q", s.at, s.pattern, zh[s.pattern])
		}
	}
	for _, p := range wording.Foreign() {
		used[p] = true
		if entry, known := en[p]; !known || len(entry.Params) != len(wording.Verbs(p)) || !chinese(zh[p]) {
			t.Errorf("foreign.go: %q has no entry: %s", p, howTo)
		}
	}
	for _, file := range []map[string]bool{keys(en), keys(zh)} {
		for p := range file {
			if !used[p] && *update {
				delete(en, p)
				delete(zh, p)
			} else if !used[p] {
				t.Errorf("nothing says %q any more: run `go test ./app/wording -update`", p)
			}
		}
	}
	if *update {
		write(t, "en.json", en)
		write(t, "zh-TW.json", zh)
	}
}

func TestCodesAreAClosedSet(t *testing.T) {
	texts, _ := program(t)
	known := map[string]bool{}
	for _, m := range wording.Meanings() {
		if known[string(m.Code)] || m.What == "" || m.Remedy == "" {
			t.Errorf("%s is there twice, or has no meaning or remedy", m.Code)
		}
		known[string(m.Code)] = true
	}
	for _, s := range texts {
		if s.code != "" && !known[s.code] {
			t.Errorf("%s: the code %q is not in app/wording/codes.go: add it there with its meaning and remedy", s.at, s.code)
		}
	}
	member := wording.Codes(true)
	for p, e := range entries(t) {
		if e.Code != "" && !slices.Contains(member, string(e.Code)) {
			t.Errorf("en.json: %q has the code %q, which is none of a member", p, e.Code)
		}
		for _, name := range e.Params {
			if !regexp.MustCompile(`^[a-z][a-z_]*$`).MatchString(name) || len(slices.Compact(slices.Sorted(slices.Values(e.Params)))) != len(e.Params) {
				t.Errorf("en.json: %q has parameters without names of their own: %v", p, e.Params)
			}
		}
	}
}

func TestDocsListTheCodes(t *testing.T) {
	texts, _ := program(t)
	params := map[string]map[string]bool{}
	note := func(code string, names []string) {
		if params[code] == nil {
			params[code] = map[string]bool{}
		}
		for _, n := range names {
			params[code][n] = true
		}
	}
	en := entries(t)
	for _, s := range texts {
		if s.code != "" && s.code != string(wording.Invalid) {
			note(s.code, en[s.pattern].Params)
		}
	}
	for _, e := range en {
		note("member "+string(e.Code), e.Params)
	}
	file := filepath.Join("..", "..", "docs", "problems.md")
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, _, found := strings.Cut(string(have), "\n## Codes")
	if !found {
		t.Fatal("docs/problems.md has no part Codes")
	}
	var b strings.Builder
	b.WriteString(head)
	for _, part := range []struct {
		title  string
		member bool
	}{{"Codes of problems", false}, {"Codes of members", true}} {
		fmt.Fprintf(&b, "\n## %s\n\n| Code | What it means | What helps | Parameters |\n|---|---|---|---|\n", part.title)
		for _, m := range wording.Meanings() {
			if part.member && !m.Member || !part.member && !m.Problem {
				continue
			}
			names := params[map[bool]string{true: "member ", false: ""}[part.member]+string(m.Code)]
			var list []string
			for _, n := range slices.Sorted(maps.Keys(names)) {
				list = append(list, "`"+n+"`")
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.Code, m.What, m.Remedy, strings.Join(list, ", "))
		}
	}
	if b.String() == string(have) {
		return
	}
	if !*update {
		t.Fatal("docs/problems.md does not list the codes as they are: run `go test ./app/wording -update`")
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestBest(t *testing.T) {
	for accept, want := range map[string]wording.Lang{
		"": "en", "de": "en", "en-GB,zh-TW;q=0.5": "en", "zh-TW": "zh-TW", "zh-TW,zh;q=0.9,en-US;q=0.8": "zh-TW", "zh-HK": "zh-TW", "zh-Hant": "zh-TW",
		"fr,zh-TW;q=0.5": "zh-TW", "\x00": "en", ";;;": "en", strings.Repeat("zh-TW,", 1000): "en", "*": "en",
	} {
		if got := wording.Best(accept); got != want {
			t.Errorf("%.40q: got %s, want %s", accept, got, want)
		}
	}
}

func TestTextInBothLanguages(t *testing.T) {
	text := wording.Of("%s not found", wording.Of("Course"))
	if got := text.String(); got != "Course not found" {
		t.Errorf("got %q", got)
	}
	if got := text.In(wording.TraditionalChinese); !chinese(got) || strings.Contains(got, "Course") {
		t.Errorf("got %q", got)
	}
	if got := text.Params(); got["what"] != "Course" {
		t.Errorf("got %v", got)
	}
	within := wording.Of("%s", wording.Errorf("has more than %d decimals", 9))
	if got := fmt.Sprint(within, " ", within.Code(), " ", within.Params()); got != "has more than 9 decimals out_of_range map[most:9]" {
		t.Errorf("got %q", got)
	}
	for said, params := range map[string]string{"must be 5 or more": "map[least:5]", "has 7 characters, at most 5 are possible": "map[count:7 most:5]",
		"nobody has ever said this": "map[]"} {
		text := wording.Recognise(said)
		if got := fmt.Sprint(text.Params()); text.String() != said || got != params {
			t.Errorf("%s: got %q, %s", said, text, got)
		}
	}
}

func TestReword(t *testing.T) {
	for said, want := range map[string]string{
		"":                               "",
		"until a person speaks":          "直到有人發言",
		"until 2026-03-02 08:00 CST":     "直到 2026-03-02 08:00 CST",
		"no person has spoken for 30m0s": "已有 30 分鐘沒有人發言",
		"20m0s of silence, in 2m0s":      "安靜了 20 分鐘，再過 2 分鐘",
		"The provider refuses the call (status 418)": "供應商拒絕了這次呼叫（狀態碼 418）",
		"the agent has no usable API key for openai: the stored key was given for openai at a.example; enter it again": "代理人沒有可用於 openai 的 API 金鑰：已儲存的金鑰屬於位於 a.example 的 openai；請重新輸入",
		"said by somebody else, in the end": "said by somebody else, in the end",
		"chance: must be 5 or more":         "chance：必須大於或等於 5",
		// What others have said may be long, and look like texts in texts without end.
		strings.Repeat("x", 100_000):                        strings.Repeat("x", 100_000),
		strings.Repeat("a: ", 30_000) + "must be 5 or more": strings.Repeat("a：", 5) + strings.Repeat("a: ", 29_995) + "must be 5 or more",
	} {
		if got := wording.Reword(said, wording.TraditionalChinese); got != want {
			t.Errorf("%s: got %q, want %q", said, got, want)
		}
		if got := wording.Reword(said, wording.English); got != said {
			t.Errorf("%s: got %q in English", said, got)
		}
	}
}

// program reads the program and returns its texts, and the places of those that are not
// constant.
func program(t *testing.T) (texts []said, odd []string) {
	t.Helper()
	for _, root := range []string{"app", "store", "web"} {
		top := filepath.Join("..", "..", root)
		err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil || !d.IsDir():
				return err
			case slices.Contains([]string{"apptest", "llmtest", "bench", "chaos", "proctest", "prove", "testdata", "config", "page", "a2a"}, d.Name()):
				return filepath.SkipDir // no person reads their errors in an answer
			}
			files, err := filepath.Glob(filepath.Join(path, "*.go"))
			if err != nil {
				return err
			}
			r := reader{pkg: d.Name(), files: token.NewFileSet(), consts: map[string]ast.Expr{}}
			var parsed []*ast.File
			for _, f := range files {
				if strings.HasSuffix(f, "_test.go") {
					continue
				}
				one, err := parser.ParseFile(r.files, f, nil, parser.SkipObjectResolution)
				if err != nil {
					return err
				}
				parsed = append(parsed, one)
				r.learn(one)
			}
			for _, one := range parsed {
				r.read(one)
			}
			texts, odd = append(texts, r.texts...), append(odd, r.odd...)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return texts, odd
}

// reader reads one package.
type reader struct {
	pkg    string
	files  *token.FileSet
	consts map[string]ast.Expr
	texts  []said
	odd    []string
}

func (r *reader) learn(file *ast.File) {
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			for i, name := range v.Names {
				if i < len(v.Values) {
					r.consts[name.Name] = v.Values[i]
				}
			}
		}
	}
}

func (r *reader) read(file *ast.File) {
	for _, d := range file.Decls {
		within := ""
		if f, ok := d.(*ast.FuncDecl); ok {
			within = f.Name.Name
		}
		ast.Inspect(d, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				r.call(n, within)
			case *ast.CompositeLit:
				r.literal(n, within)
			case *ast.AssignStmt:
				if _, name := nameOf(n.Lhs[0]); name == "Noun" && len(n.Rhs) == 1 {
					r.note(n.Rhs[0], said{}, name, within)
				}
			}
			return true
		})
	}
}

func nameOf(e ast.Expr) (of, name string) {
	switch e := e.(type) {
	case *ast.Ident:
		return "", e.Name
	case *ast.SelectorExpr:
		of, _ := e.X.(*ast.Ident)
		if of == nil {
			return "", e.Sel.Name
		}
		return of.Name, e.Sel.Name
	}
	return "", ""
}

func (r *reader) call(c *ast.CallExpr, within string) {
	of, name := nameOf(c.Fun)
	if of != "wording" {
		of = r.pkg
	}
	at, known := makers[of+"."+name]
	if !known || at >= len(c.Args) {
		return
	}
	code := ""
	if name == "errorf" {
		code = r.code(c.Args[1])
	}
	r.note(c.Args[at], said{code: code, member: slices.Contains(aboutMember, name)}, name, within)
	if name == "memberToChange" {
		r.note(c.Args[at+1], said{}, name, within)
	}
}

func (r *reader) literal(l *ast.CompositeLit, within string) {
	of, name := nameOf(l.Type)
	if l.Type == nil { // an element of a list or a map whose type says what it is
		name = map[bool]string{true: "rule", false: "FieldError"}[has(l, "text")]
		if !has(l, "text") && (!has(l, "Field") || !has(l, "Message")) {
			return
		}
	}
	member := members[name]
	if member == "" || r.pkg == "llm" || of == "llm" || name == "Error" && !has(l, "Kind") && !has(l, "Code") || has(l, "Text") {
		return
	}
	s := said{member: slices.Contains(aboutMember, name)}
	for _, e := range l.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok && fmt.Sprint(kv.Key) == "Code" {
			s.code = r.code(kv.Value)
		}
	}
	for _, e := range l.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok && fmt.Sprint(kv.Key) == member {
			r.note(kv.Value, s, name, within)
		}
	}
}

func has(l *ast.CompositeLit, member string) bool {
	return slices.ContainsFunc(l.Elts, func(e ast.Expr) bool {
		kv, ok := e.(*ast.KeyValueExpr)
		return ok && fmt.Sprint(kv.Key) == member
	})
}

// code is the code that an expression names; "" for one that is made at run time.
func (r *reader) code(e ast.Expr) string {
	if of, name := nameOf(e); of == "wording" {
		for _, m := range wording.Meanings() {
			if strings.EqualFold(strings.ReplaceAll(string(m.Code), "_", ""), name) {
				return string(m.Code)
			}
		}
	}
	texts, _ := r.resolve(e)
	return strings.Join(texts, "")
}

func (r *reader) note(e ast.Expr, s said, maker, within string) {
	s.at = r.files.Position(e.Pos()).String()
	patterns, ok := r.resolve(e)
	if !ok && !r.passes(within) {
		r.odd = append(r.odd, s.at+" ("+maker+" in "+within+")")
	}
	for _, s.pattern = range patterns {
		if s.pattern != "%s" && s.pattern != "%v" && s.pattern != "" {
			r.texts = append(r.texts, s)
		}
	}
}

// passes tells whether a function hands on texts that its callers made.
func (r *reader) passes(function string) bool {
	_, maker := makers[r.pkg+"."+function]
	return maker || slices.Contains([]string{"denial", "denialOfBot", "spend", "In", "wordingOf", "Recognise", "reword", "Bare", "Why", "tooManyOwned", "tooManyPlaced",
		"validationProblem", "fiberFault", "fault", "Resolve", "readForm", "filePart", "flagged", "frameV2", "frameMe", "checkHead", "queueProblem"}, function)
}

// resolve returns the constant texts that an expression can be.
func (r *reader) resolve(e ast.Expr) ([]string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return []string{text}, err == nil
	case *ast.ParenExpr:
		return r.resolve(e.X)
	case *ast.Ident:
		if c, ok := r.consts[e.Name]; ok {
			return r.resolve(c)
		}
	case *ast.BinaryExpr:
		left, ok := r.resolve(e.X)
		right, too := r.resolve(e.Y)
		if ok && too && len(left) == 1 && len(right) == 1 {
			return []string{left[0] + right[0]}, true
		}
	}
	return nil, false
}

// inChinese tells whether a pattern is translated. One of values and signs alone may have
// no Chinese.
func inChinese(pattern, translation string) bool {
	bare := regexp.MustCompile(`%\w`).ReplaceAllString(pattern, "")
	return chinese(translation) || translation != "" && !strings.ContainsFunc(bare, unicode.IsLetter)
}

func chinese(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return unicode.Is(unicode.Han, r) })
}

func blank(s said, values int) wording.Entry {
	e := wording.Entry{Params: make([]string, values)}
	if s.member {
		e.Code = "?"
	}
	return e
}

func entries(t *testing.T) (all map[string]wording.Entry) { read(t, "en.json", &all); return all }
func translations(t *testing.T) (all map[string]string)   { read(t, "zh-TW.json", &all); return all }
func keys[V any](m map[string]V) map[string]bool {
	all := map[string]bool{}
	for k := range m {
		all[k] = true
	}
	return all
}

func read(t *testing.T, file string, into any) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// write writes a file with one entry a line, in the order of the patterns.
func write[V any](t *testing.T, file string, all map[string]V) {
	t.Helper()
	var b bytes.Buffer
	b.WriteString("{\n")
	for i, p := range slices.Sorted(maps.Keys(all)) {
		if i > 0 {
			b.WriteString(",\n")
		}
		b.WriteString("\t" + plainJSON(t, p) + ": " + plainJSON(t, all[p]))
	}
	b.WriteString("\n}\n")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

func plainJSON(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}
