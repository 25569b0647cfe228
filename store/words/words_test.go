package words_test

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/coagent-studio/coagent/store/words"
)

func texts(all []words.Word) (texts []string) {
	for _, w := range all {
		texts = append(texts, w.Text)
	}
	return texts
}

func TestSplit(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                "",
		" \t\n.,-!?\"'()":                 "",
		"Hello, World":                    "hello world",
		"don't user@Example.com C++ 3.14": "don t user example com c 3 14",
		"Café cafe\u0301 CAFE":            "cafe cafe cafe",
		"ＡＢＣ ﬁne Ⅷ ½":                     "abc fine viii 1 2",
		"Straße STRASSE ẞ":                "strasse strasse ss",
		"ΣΊΣΥΦΟΣ σίσυφος":                 "σισυφοσ σισυφοσ",
		"co\u00adagent zero\u200bwidth":   "coagent zerowidth",
		"你好世界":                            "你 好 世 界",
		"用Go寫agent":                       "用 go 寫 agent",
		"がガｶﾞ":                            "が ガ ガ",
		"한국어 \u1112\u1161\u11ab":          "한 국 어 한",
		"👍🏽 👍 👩‍👩‍👧 🇹🇼":                   "👍 👍 👩 👩 👧 🇹 🇼",
		"ผู้":                             "ผ ู ้",
		"हिन्दी":                          "हिन्दी",
		"a\x00b \x7fc":                    "ab c",
		"bad\xffbytes":                    "bad bytes",
		"snake_case kebab-case":           "snake case kebab case",
		strings.Repeat("x", 100):          strings.Repeat("x", 64),
	} {
		if got := strings.Join(texts(words.Split(text)), " "); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	for _, w := range words.Split("é 你 x") {
		if w.From >= w.To || w.To > len("é 你 x") {
			t.Errorf("%+v is no part of the text", w)
		}
	}
}

func TestPhrases(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		looked  string
		typing  bool
		fts, ts string
	}{
		{"Hello", false, `words : "hello"`, `'hello'`},
		{"hel", true, `{words starts} : "hel"`, `'hel' | '<hel'`},
		{"h", true, `words : "h"`, `'h'`},
		{"thermodyn", true, `words : "thermodyn" *`, `'thermodyn':*`},
		{"don't", false, `words : "don t"`, `'don' <1> 't'`},
		{"你", true, `words : "你"`, `'你'`},
		{"你好", true, `pairs : "你好"`, `'你好'`},
		{"你好世界", false, `pairs : "你好 好世 世界"`, `'你好' <1> '好世' <1> '世界'`},
		{"go你好x", true, `pairs : "你好" AND words : "go 你 好 x"`, `'go' <1> '你好' <2> 'x'`},
		{"你go", true, `words : "你" & {words starts} : "go"`, `'你' & 'go' | '<go'`},
		{"!", true, "", ""},
	} {
		phrases := []words.Phrase{words.PhraseOf(tc.looked)}
		if tc.typing {
			phrases = words.Typed(tc.looked)
		}
		var fts, ts []string
		for _, p := range phrases {
			fts, ts = append(fts, p.FTS5()), append(ts, p.TSQuery())
		}
		if got := strings.Join(fts, " & "); got != tc.fts {
			t.Errorf("%q: got %s, want %s", tc.looked, got, tc.fts)
		}
		if got := strings.Join(ts, " & "); got != tc.ts {
			t.Errorf("%q: got %s, want %s", tc.looked, got, tc.ts)
		}
	}
	if got := words.StreamOf("你好 x 好世 好, Tea tear"); got != (words.Stream{Words: "你 好 x 好 世 好 tea tear", Starts: "te tea", Pairs: "你好 _ 好世 世好"}) {
		t.Errorf("got %+v", got)
	}
	if got, want := words.VectorOf("Hi you 你好", "/kperson"), "'hi':1 'you':2 '你':3 '你好':3 '好':4 '<yo' '/kperson'"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	text := words.Split("Well, hello world; hello, WORD and hello")
	if n := len(words.PhraseOf("hello word").Find(text)); n != 1 {
		t.Errorf("a phrase is there once, not %d times", n)
	}
	if n := len(words.Typed("wor")[0].Find(text)); n != 2 {
		t.Errorf("the beginning of a word is there twice, not %d times", n)
	}
}

// The spans cover all of the time once, the newest first.
func TestSpans(t *testing.T) {
	t.Parallel()
	now := words.PosOf(time.Date(2026, 11, 29, 20, 0, 0, 0, time.UTC))
	for _, ago := range []time.Duration{0, time.Minute, time.Hour, 20 * time.Hour, 10 * 24 * time.Hour, 300 * 24 * time.Hour, 5 * 365 * 24 * time.Hour, 30 * 365 * 24 * time.Hour} {
		pos := now - int64(ago/time.Millisecond)<<4
		own := words.Spans(pos)
		n := 0
		spans := words.SpansBefore(0, now+1)
		for i, s := range spans {
			if i > 0 && s.Until >= spans[i-1].Until {
				t.Fatalf("%+v comes behind %+v", s, spans[i-1])
			}
			mine := func(mark string) bool { return slices.Contains(own, mark) }
			if pos < s.Until && (len(s.Marks) == 0 || slices.ContainsFunc(s.Marks, mine)) {
				n++
			}
		}
		if n != 1 || len(spans) > 7 {
			t.Errorf("%s ago: %d of %d spans have it, want one of 7 at most", ago, n, len(spans))
		}
	}
	if got := words.SpansBefore(5, 5); got != nil {
		t.Errorf("nothing: got %v", got)
	}
	if got := words.SpansBefore(now-1000, now); len(got) == 0 || len(got) > 2 {
		t.Errorf("a short time: got %v", got)
	}
}

func TestFacts(t *testing.T) {
	t.Parallel()
	got := words.FactsText(words.About{RoomID: "AB-1", CourseID: "c-2", SenderID: "d-3", Text: "see HTTPS://example.org", Mentions: true})
	if want := "cc2 hlink hmention kperson rab1 ud3"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	got = words.FactsText(words.About{RoomID: "1", AgentID: "2", AgentName: "Ada the Tutor", Agent: true, Text: "http:// is no link, nor ftp://x or http://"})
	if want := "a2 kagent nada nthe ntutor r1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzSplit(f *testing.F) {
	for _, s := range []string{"", "hello", "你好 a", "e\u0301\u0301\u0301", "\xff\xfe", "'\\:*&|!<->", "\u0344\u1d15e", "ﷺ", "\U0001f3fd", "가\u11a8", "ǅ", "ŉ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all := words.Split(text)
		from := 0
		for _, w := range all {
			if w.From < from || w.To <= w.From || w.To > len(text) {
				t.Fatalf("%q: %+v is behind %d or no part of it", text, w, from)
			}
			from = w.From
			if w.Text == "" || !utf8.ValidString(w.Text) || strings.ContainsAny(w.Text, " '\"\\_*():") {
				t.Fatalf("%q: the word %q", text, w.Text)
			}
			// A word is found by what is stored of it.
			if again := words.Split(w.Text); len(again) != 1 && !w.Single && utf8.RuneCountInString(w.Text) < 64 {
				t.Fatalf("%q: the word %q is split again: %q", text, w.Text, texts(again))
			}
		}
		s := words.StreamOf(text)
		if n := len(strings.Fields(s.Words)); n != len(all) {
			t.Fatalf("%q: %d words are stored, not %d", text, n, len(all))
		}
		_ = words.VectorOf(text, "/x")
		for _, p := range words.Typed(text) {
			if len(p.Find(all)) == 0 {
				t.Fatalf("%q is not found in itself", text)
			}
		}
	})
}
