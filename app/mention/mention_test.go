package mention_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app/mention"
)

// class is the agents of these tests. Their ids are their names, in short.
func class() []mention.Agent {
	return []mention.Agent{
		{ID: "ada", Name: "Ada", Type: "teacher", Teacher: true, Instructor: true},
		{ID: "two", Name: "Ada Two", Type: "teacher", Teacher: true, Instructor: true},
		{ID: "ta", Name: "老師助教", Type: "assistant", Instructor: true},
		{ID: "bob", Name: "Bob", Type: "student"},
		{ID: "ming", Name: "小明", Type: "student"},
		{ID: "jose", Name: "José Ñandú", Type: "peer"},
		{ID: "groß", Name: "Groß", Type: "peer"},
		{ID: "minsu", Name: "민수", Type: "peer"},
		{ID: "minsujeong", Name: "민수정", Type: "peer"},
		{ID: "ram", Name: "राम", Type: "peer"},
		{ID: "kru", Name: "ครู", Type: "peer"},
		{ID: "ivan", Name: "Иван", Type: "peer"},
		{ID: "sara", Name: "سارة", Type: "peer"},
		{ID: "server", Name: "サーバー", Type: "peer"},
		{ID: "dr", Name: "Dr.Smith", Type: "fact-checker"},
		{ID: "emoji", Name: "👩\u200d🏫 Coach", Type: "peer"},
	}
}

// first are the first meant of each call, each once.
func first(calls [][]string) []string {
	var ids []string
	for _, c := range calls {
		if !slices.Contains(ids, c[0]) {
			ids = append(ids, c[0])
		}
	}
	return ids
}

func TestCalled(t *testing.T) {
	t.Parallel()
	names := mention.Of(class())
	for line, want := range map[string]string{
		// How it is typed.
		"＠老師助教":                          "ta",
		"﹫Bob":                           "bob",
		"＠Ｂｏｂ":                           "bob",
		"@BOB @bOb":                      "bob",
		"@Ada\u00a0Two":                  "two",
		"@Ada\u3000Two":                  "two",
		"@ada \t\u2009 two":              "two",
		"@Ada\nTwo":                      "ada",
		"@A\u200bd\u00ada\ufeff":         "ada",
		"@\u2060Bob":                     "bob",
		"\u202e@Bob\u202c":               "bob",
		"@Jose\u0301 N\u0303andu\u0301!": "jose",
		"@JOSÉ ÑANDÚ":                    "jose",
		"@jose nandu":                    "",
		"@GROSS":                         "groß",
		"@groß":                          "groß",
		"@GROẞ":                          "groß",
		"@ИВАН, привет":                  "ivan",
		"@ｻｰﾊﾞｰさん":                       "server",
		"@👩🏫 coach":                      "emoji",
		"@👩\u200d🏫\ufe0f Coach":          "emoji",
		// Where a name ends.
		"@Ada@Bob":            "ada bob",
		"@Ada＠Bob@小明":         "ada bob ming",
		"@@@Bob":              "bob",
		"@Ada/@Bob":           "ada bob",
		"@Ada/Bob":            "ada",
		"@Adaさんと":             "ada",
		"@AdaさんAAA":           "ada",
		"@Ada先生":              "ada",
		"@Ada님":               "ada",
		"@민수야":                "minsu",
		"@민수정이가":              "minsujeong",
		"@小明同學":               "ming",
		"@小明2":                "ming",
		"@Bob2":               "",
		"@Bob２":               "",
		"@Bobby":              "",
		"@Bob_":               "",
		"@Bob\u0334":          "",
		"@Bobと@小明":            "bob ming",
		"@BobИван":            "bob",
		"@Bobك":               "bob",
		"@राम को":             "ram",
		"@रामा":               "",
		"@ครูครับ":            "kru",
		"@سارة؟":              "sara",
		"@サーバー":               "server",
		"@サーバーー":              "",
		"@Bob's":              "bob",
		"@Bob.":               "bob",
		"@Bob.Thanks":         "bob",
		"@Bob:hello":          "bob",
		"@Bob, see a.example": "bob",
		"請問@Bob你好":            "bob",
		"請問@Dr.Smith 好":       "dr",
		"선생님@Bob":             "bob",
		"привет@Bob":          "",
		"éva@Bob":             "",
		"E\u0301@Bob":         "",
		"a1@Bob":              "",
		"x_@Bob":              "",
		"(@Bob)":              "bob",
		"“@Bob”":              "bob",
		"😀@Bob😀":              "bob",
		"@ Bob":               "",
		"@":                   "",
		// Types, and the word for a teacher.
		"@teacher":            "ada",
		"@Teacher和@assistant": "ada ta",
		"@fact-checker?":      "dr",
		"老師":                  "ada",
		"請問老師這是什麼":            "ada",
		"老\u200b師":            "ada",
		"\uf934師":             "ada",
		"@老師請問":               "ada",
		"@老師助教請問":             "ta",
		"@老師助教 老師":            "ta ada",
		// Addresses.
		"https://medium.com/@teacher/x":    "",
		"看https://medium.com/@teacher/x":   "",
		"HTTPS://MEDIUM.COM/@Bob":          "",
		"https://a.example/x?u=@Bob#@Ada":  "",
		"https://zh.wikipedia.org/wiki/老師": "",
		"https://a.example/@Bob，@Ada 對嗎":   "ada",
		"<https://a.example/@Bob> @Ada":    "ada",
		"[x](https://a.example/@Bob) @Ada": "ada",
		"medium.com/@teacher/x":            "",
		"medium.com/@Bob":                  "",
		"www.a.example:8080/@Bob":          "",
		"a.example?u=@Bob":                 "",
		"//cdn/@Bob":                       "",
		"./src/@Bob":                       "",
		"~/@Bob":                           "",
		"node_modules/@teacher/core":       "",
		"ssh://git@teacher/repo":           "",
		"git@teacher.example:repo.git":     "",
		"npm i @teacher/core":              "",
		"import '@bob/ui-kit'":             "",
		"@Bob/_x":                          "",
		"@Bob/你好":                          "bob",
		"Sue/@Bob":                         "bob",
		"mail sue@teacher.example":         "",
		"寫信到sue@bob.example謝謝":             "",
		"寄給王@teacher.example":              "",
		"寄給王＠teacher.example":              "",
		"信箱是老師@bob.example":                "",
		"sue@老師.tw":                        "",
		"sue.@bob.example, a+@bob.example": "",
		"mailto:sue@bob":                   "",
		"@Bob@social.example":              "",
		"@Bob:chat.example":                "",
		"sue@bob.example, @Bob":            "bob",
		// Code.
		"`@Bob`":                       "",
		"`npm i @teacher/core` @Ada":   "ada",
		"``a ` @Bob`` @Ada":            "ada",
		"` @Bob":                       "bob",
		"\\`@Bob`":                     "bob",
		"`老師`":                         "",
		"```\n@Bob\n```":               "",
		"```js\n@Bob\n```\n@Ada":       "ada",
		"```@Bob```":                   "",
		"```\n@Bob":                    "",
		"````\n```\n@Bob\n````\n@Ada":  "ada",
		"~~~\n@Bob\n~~~\n@Ada":         "ada",
		"~~~\n```\n~~~\n@Ada":          "ada",
		"```\r\n@Bob\r\n```\r\n@Ada":   "ada",
		"```\r@Bob\r```\r@Ada":         "ada",
		"- ```\n  @Bob\n  ```\n- @Ada": "ada",
		"    @Bob":                     "",
		"\t@Bob":                       "",
		"look:\n\n    @Bob\n\n    @小明\n\n@Ada": "ada",
		"look:\n    @Bob":                      "bob",
		"- one\n    - @Bob":                    "bob",
		"- one\n\n    @Bob":                    "bob",
		"\u3000\u3000@Bob":                     "bob",
		"`a\n\nb` @Bob":                        "bob",
		"`a\n@Bob` @Ada":                       "ada",
		// Quotes.
		"> @teacher":          "",
		">@Bob\n@Ada":         "ada",
		"> a\n> @Bob\n\n@Ada": "ada",
		"   > @Bob":           "",
		">> @Bob":             "",
		"- > @Bob":            "",
		"1 > 0 @Bob":          "bob",
		"> ```\n@Ada":         "ada",
		"> 老師\r\n好":           "",
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			if got := strings.Join(first(names.In(line)), " "); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			if want != "" && !mention.May(line) {
				t.Error("May says that it calls nobody")
			}
		})
	}
}

func TestMeant(t *testing.T) {
	t.Parallel()
	names := mention.Of([]mention.Agent{
		{ID: "critic", Name: "Critic", Type: "critic", Instructor: true},
		{ID: "eve", Name: "Eve", Type: "teacher", Teacher: true, Instructor: true},
		{ID: "teacher", Name: "Ｔeacher", Type: "student"},
		{ID: "nobody", Name: "\u200b"},
	})
	for line, want := range map[string][]string{
		"@teacher": {"teacher", "eve"},
		"@STUDENT": {"teacher"},
		"老師":       {"eve", "critic"},
		"@":        nil,
	} {
		calls := names.In(line)
		if want == nil && len(calls) == 0 {
			continue
		}
		if len(calls) != 1 || !slices.Equal(calls[0], want) {
			t.Errorf("%q: got %v, want %v", line, calls, want)
		}
	}
	if calls := mention.Of(nil).In("@teacher 老師"); calls != nil {
		t.Errorf("nobody is there: got %v", calls)
	}
}

func FuzzCalled(f *testing.F) {
	for _, s := range []string{"@Ada Two", "＠老師助教", "> @Bob\n`@Bob`", "https://a.example/@Bob", "王@bob.example", "```\n@Bob", "    @Bob", "@Ada@Bob/x"} {
		f.Add(s)
	}
	names := mention.Of(class())
	f.Fuzz(func(t *testing.T, line string) {
		calls := names.In(line)
		if len(calls) > 0 && !mention.May(line) {
			t.Errorf("%q calls, and May says that it does not", line)
		}
		if folded := mention.Fold(line); mention.Fold(folded) != folded {
			t.Errorf("%q folds to %q, and that to %q", line, folded, mention.Fold(folded))
		}
		flat := strings.NewReplacer("`", "", "\n", " ", "\r", " ", "\u2028", " ", "\u2029", " ", "\u0085", " ").Replace(line)
		for _, shown := range []string{"`" + flat + "`", "> " + flat, "```\n" + flat + "\n```", "    " + flat, "https://a.example/" + strings.Join(strings.Fields(flat), "")} {
			if strings.HasSuffix(shown, "\\`") || strings.HasPrefix(shown, "https") && strings.ContainsAny(shown, "<>\"“”「」『』（）【】《》〈〉，。、；：！？…") {
				continue
			}
			if strings.TrimSpace(flat) != "" && len(names.In(shown)) > 0 {
				t.Errorf("%q calls %v", shown, names.In(shown))
			}
		}
	})
}

// A line of the greatest length is read in the time of its length: each of
// these took minutes by any rule that goes back and forth.
func TestLongLines(t *testing.T) {
	t.Parallel()
	names := mention.Of(class())
	for _, part := range []string{"@", "/@Bob", "@Bob", "`", "`` ` ", "王@a.", "@Bob@a-", "https://a/@", "a.a/@", "> @Bob\n", "```\n", "e\u0301", "\u200b@"} {
		t.Run(part, func(t *testing.T) {
			t.Parallel()
			names.In(strings.Repeat(part, 1<<16/len(part)))
		})
	}
}
