package search_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/coagent-studio/coagent/app/search"
	"github.com/coagent-studio/coagent/store/words"
)

func parse(t testing.TB, text string) (*search.Query, error) {
	t.Helper()
	taipei, err := time.LoadLocation("Asia/Taipei")
	if err != nil {
		t.Fatal(err)
	}
	return search.Parse(text, taipei, time.Date(2026, 3, 5, 20, 0, 0, 0, time.UTC))
}

// form writes a query so that a test can compare it.
func form(q *search.Query) string {
	var parts []string
	phrases := func(sign string, all []words.Phrase) {
		for _, p := range all {
			parts = append(parts, sign+p.TSQuery())
		}
	}
	phrases("", q.Phrases)
	phrases("-", q.Without)
	for name, all := range map[string][]search.Person{"from": q.From, "-from": q.NotFrom} {
		for _, p := range all {
			parts = append(parts, fmt.Sprintf("%s:%+v", name, p))
		}
	}
	for _, l := range []struct {
		name string
		all  []string
	}{{"in", q.In}, {"-in", q.NotIn}, {"has", q.Has}, {"-has", q.HasNot}} {
		if len(l.all) > 0 {
			parts = append(parts, l.name+":"+strings.Join(l.all, ","))
		}
	}
	for _, d := range []time.Time{q.Since, q.Until} {
		if !d.IsZero() {
			parts = append(parts, d.Format("2006-01-02T15:04"))
		}
	}
	return strings.Join(parts, " ")
}

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Hello wor":                       "'hello' 'wor' | '<wor'",
		"Hello wor ":                      "'hello' 'wor'",
		`"second law" of`:                 "'second' <1> 'law' 'of' | '<of'",
		`“second law”`:                    "'second' <1> 'law'",
		`"second la`:                      "'second' 'la' | '<la'",
		"heat -cold -\"warm tea\"":        "'heat' -'cold' -'warm' <1> 'tea'",
		"a - b":                           "'a' 'b'",
		"力學":                              "'力學'",
		"see https://example.org/a now ":  "'see' 'https' <1> 'example' <1> 'org' <1> 'a' 'now'",
		"at 10:30 ":                       "'at' '10' <1> '30'",
		"from:me x ":                      "'x' from:{ID: Me:true Agent:false Bot:false Name:}",
		"from:@Ada":                       "from:{ID: Me:false Agent:false Bot:false Name:Ada}",
		`FROM:"Ada Lovelace"`:             "from:{ID: Me:false Agent:false Bot:false Name:Ada Lovelace}",
		"-from:agent y ":                  "'y' -from:{ID: Me:false Agent:true Bot:false Name:}",
		`in:"Group 1" -in:Lab has:LINK`:   "in:Group 1 -in:Lab has:link",
		"after:2026-03-01 before:2026-04": "2026-02-28T16:00 2026-03-31T16:00",
		"after:yesterday":                 "2026-03-04T16:00", // it is the 6th in Taipei
		"before:today":                    "2026-03-05T16:00",
		"after:2026-03-01T00:00:00Z":      "2026-03-01T00:00",
	} {
		q, err := parse(t, text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := form(q); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"":                             "has no word to look for",
		"!!! ... -":                    "has no word to look for",
		"has:cake":                     "has:cake is not known; possible are link, mention, reply, file",
		"from: x":                      "from: needs a value",
		"from:@!":                      "from: needs a value",
		"before:soon":                  "before:soon is no date",
		"after:0000-01-01":             "is no date",
		"after:99999-01-01":            "is no date",
		"-before:2026-01-01":           "is not possible",
		strings.Repeat("x", 501):       "has 501 characters, at most 500",
		strings.Repeat("x ", 21):       "has 21 words, phrases and operators, at most 20",
		strings.Repeat("字", 101):       "has more than 100 words",
		strings.Repeat("a:b ", 10_000): "at most 500",
	} {
		if _, err := parse(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: got %v, want %q", text, err, want)
		}
	}
}

func marked(excerpt string, marks []search.Mark) string {
	units := utf16.Encode([]rune(excerpt))
	for i := len(marks) - 1; i >= 0; i-- {
		m := marks[i]
		units = append(units[:m.To:m.To], append(utf16.Encode([]rune("]")), units[m.To:]...)...)
		units = append(units[:m.From:m.From], append(utf16.Encode([]rune("[")), units[m.From:]...)...)
	}
	return string(utf16.Decode(units))
}

func TestExcerpt(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ looked, text, want string }{
		{"heat ", "Heat, and more\n\n heat!", "[Heat], and more [heat]!"},
		{"cafe", "Im CAFÉS am Café", "Im [CAFÉS] am [Café]"},
		{"力學", "🙂 熱力學第二定律", "🙂 熱[力學]第二定律"},
		{`"second law"`, "The <b>second\n law</b> of", "The <b>[second law]</b> of"},
		{"nothing ", "a  b", "a b"},
		{"<script> ", "<script>alert(1)</script>", "<[script]>alert(1)</[script]>"},
		{"word", strings.Repeat("long text ", 50) + "a word here" + strings.Repeat(" more", 100),
			"… text long text long text long text long text long text a [word] here" + strings.Repeat(" more", 26) + " m…"},
	} {
		q, err := parse(t, tc.looked)
		if err != nil {
			t.Fatal(err)
		}
		excerpt, marks := q.Excerpt(tc.text)
		if got := marked(excerpt, marks); got != tc.want {
			t.Errorf("%q: got %q, want %q", tc.looked, got, tc.want)
		}
	}
}

func TestScore(t *testing.T) {
	t.Parallel()
	q, err := parse(t, "heat engine")
	if err != nil {
		t.Fatal(err)
	}
	worse := 1e9
	for _, text := range []string{
		"heat engine, engine",
		"heat engine",
		"heat engines",
		"the heat is on, and far away there is an engine",
		"the heat is on, " + strings.Repeat("and so on and on ", 40) + "engine",
		"nothing",
	} {
		score := q.Score(text)
		if score >= worse {
			t.Errorf("%.40q: %f is not below %f", text, score, worse)
		}
		worse = score
	}
}

func FuzzQuery(f *testing.F) {
	for _, s := range []string{"a b", `"`, `-"`, "from:", `from:"x`, "before:2026", "has:link -x", "\x00", "\xff", "“”", "in:\u200b", "--a"} {
		f.Add(s, "some text 你好 e\u0301")
	}
	f.Fuzz(func(t *testing.T, looked, text string) {
		q, err := parse(t, looked)
		if err != nil {
			return
		}
		excerpt, marks := q.Excerpt(text)
		units, last := len(utf16.Encode([]rune(excerpt))), 0
		for _, m := range marks {
			if m.From < last || m.To < m.From || m.To > units {
				t.Fatalf("%q in %q: the mark %v is not in %q", looked, text, m, excerpt)
			}
			last = m.To
		}
		if q.Score(text) < 0 {
			t.Fatalf("%q in %q: a score below 0", looked, text)
		}
	})
}
