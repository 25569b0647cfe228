package llm

import (
	"fmt"
	"strings"
	"testing"
)

func TestToolCallFragments(t *testing.T) {
	t.Parallel()
	one, two := 0, 1
	type fragment struct {
		index         *int
		id, name, arg string
	}
	cases := map[string]struct {
		in   []fragment
		want string
	}{
		"numbered and interleaved": {[]fragment{{&one, "a", "f", ""}, {&two, "b", "g", ""}, {&one, "", "", `{"x"`}, {&two, "", "", `{}`}, {&one, "", "", `:1}`}}, `a f {"x":1};b g {}`},
		"without numbers":          {[]fragment{{nil, "a", "f", `{"x"`}, {nil, "", "", `:1}`}, {nil, "b", "g", `{}`}}, `a f {"x":1};b g {}`},
		"without numbers and IDs":  {[]fragment{{nil, "", "f", `{}`}, {nil, "", "g", `{}`}}, `call_1_f f {};call_2_g g {}`},
		"all with number 0":        {[]fragment{{&one, "a", "f", `{}`}, {&one, "b", "g", `{}`}}, `a f {};b g {}`},
		"ID repeated":              {[]fragment{{&one, "a", "f", `{`}, {&one, "a", "", `}`}}, `a f {}`},
		"no arguments":             {[]fragment{{&one, "a", "f", ""}}, `a f {}`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var calls toolCalls
			for _, f := range c.in {
				calls.add(f.index, f.id, f.name, f.arg)
			}
			got := calls.take()
			if err := checkToolCalls(got); err != nil {
				t.Fatal(err)
			}
			var out []string
			for _, call := range got {
				out = append(out, fmt.Sprintf("%s %s %s", call.ID, call.Name, call.Arguments))
			}
			if joined := strings.Join(out, ";"); joined != c.want {
				t.Errorf("got %s, want %s", joined, c.want)
			}
		})
	}
}

func TestDropNULs(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{"a":"x\u0000y"}`:  `{"a":"xy"}`,
		`{"a":"x\\u0000y"}`: `{"a":"x\\u0000y"}`,
		`{"a":"\\\u0000"}`:  `{"a":"\\"}`,
		`{"a":"\n\u0001"}`:  `{"a":"\n\u0001"}`,
	} {
		if got := string(dropNULs([]byte(in))); got != want {
			t.Errorf("got %s from %s, want %s", got, in, want)
		}
	}
}

func TestSanitise(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"a\x00b\nc\x1b[31m":                     "a b c [31m",
		"key sk-secret-12345 is wrong":          "key *** is wrong",
		"key sk-secret****45 is wrong":          "key *** is wrong",
		"\xff ok":                               "\uFFFD ok",
		strings.Repeat("x", 300):                strings.Repeat("x", 199) + "…",
		strings.Repeat("é", 9999) + "sk-secret": strings.Repeat("é", 199) + "…",
	} {
		if got := sanitise(in, "sk-secret-12345"); got != want {
			t.Errorf("got %q from %.40q, want %q", got, in, want)
		}
	}
}

func TestBreakersAreBounded(t *testing.T) {
	t.Parallel()
	b := newBreakers(Breaker{Failures: 5, Cooldown: 1})
	p := &provider{name: "openai"}
	for i := range 3 * maxBreakers {
		done, err := b.allow(p, fmt.Sprint("key", i))
		if err != nil {
			t.Fatal(err)
		}
		done(nil)
	}
	if got := len(b.all); got > maxBreakers {
		t.Errorf("got %d breakers, want at most %d", got, maxBreakers)
	}
}
