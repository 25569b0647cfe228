package app

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/store"
)

func TestObject(t *testing.T) {
	t.Parallel()
	nested := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	for name, c := range map[string]struct{ raw, want string }{
		"KeepsTheOrder":       {`{"zeta":1,"alpha":{"b":2,"a":1}}`, `{"zeta":1,"alpha":{"b":2,"a":1}}`},
		"DropsBlanks":         {" { \"a\" : [ 1 , 2 ] }\n", `{"a":[1,2]}`},
		"KeepsNumbers":        {`{"n":1e400,"m":1.10,"k":12345678901234567890}`, `{"n":1e400,"m":1.10,"k":12345678901234567890}`},
		"KeepsText":           {`{"a":"<&>\u00e9é"}`, `{"a":"<&>\u00e9é"}`},
		"AbsentIsTheFallback": {"", "fallback"},
		"NullIsTheFallback":   {" null ", "fallback"},
		"DeepestPossible":     {nested(maxDepth), nested(maxDepth)},
		"LongestPossible":     {`{"a":"` + strings.Repeat("x", maxJSON-8) + `"}`, `{"a":"` + strings.Repeat("x", maxJSON-8) + `"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := object("settings", json.RawMessage(c.raw), "fallback")
			if err != nil || got != store.JSON(c.want) {
				t.Errorf("got %.80s, %v, want %.80s", got, err, c.want)
			}
		})
	}
	for name, raw := range map[string]string{
		"Array": `[]`, "Text": `"{}"`, "Broken": `{"a":`, "Twice": `{}{}`, "NUL": `{"a":"\u0000"}`, "NULInKey": `{"\u0000":1}`,
		"RawNUL": "{\"a\":\"\x00\"}", "TooDeep": nested(maxDepth + 1), "TooLong": `{"a":"` + strings.Repeat("x", maxJSON) + `"}`,
		"NoUTF8": "{\"a\":\"\xff\"}", "MuchTooDeep": nested(20_000),
	} {
		t.Run("Refuses"+name, func(t *testing.T) {
			t.Parallel()
			if got, err := object("settings", json.RawMessage(raw), "fallback"); KindOf(err) != KindInvalid {
				t.Errorf("got %.80s, %v, want an invalid error", got, err)
			}
		})
	}
}

func TestOpt(t *testing.T) {
	t.Parallel()
	type body struct {
		Name Opt[string]
	}
	for raw, want := range map[string]Opt[string]{
		`{}`:            {},
		`{"Name":null}`: {Sent: true, Null: true},
		`{"Name":""}`:   {Sent: true},
		`{"Name":"x"}`:  Some("x"),
	} {
		var b body
		if err := json.Unmarshal([]byte(raw), &b); err != nil || b.Name != want {
			t.Errorf("%s: got %+v, %v, want %+v", raw, b.Name, err, want)
		}
	}
	var b body
	if err := json.Unmarshal([]byte(`{"Name":1}`), &b); err == nil {
		t.Error("a number as a text: got no error")
	}
}

func TestEmail(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"ada@example.org", "  ada@example.org ", "ä@例え.jp"} {
		got, want := in, strings.TrimSpace(in)
		if err := email("email", &got); err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", "ada", "@example.org", "ada@", "Ada <ada@example.org>", "a@b@c", "a b@c", "a\x00@b.c", "a@b\nc", strings.Repeat("a", 251) + "@b.c", "\xff@b.c"} {
		if err := email("email", &in); KindOf(err) != KindInvalid {
			t.Errorf("%q: got %v, want an invalid error", in, err)
		}
	}
}

func TestUsername(t *testing.T) {
	t.Parallel()
	blank, at, long, nul, good := " \t", "ada@example.org", strings.Repeat("x", 65), "a\x00", " 小明 "
	for _, v := range []*string{nil, &blank} {
		if got, err := username("username", v); got != nil || err != nil {
			t.Errorf("got %v, %v, want none", got, err)
		}
	}
	for _, v := range []*string{&at, &long, &nul} {
		if _, err := username("username", v); KindOf(err) != KindInvalid {
			t.Errorf("%q: got %v, want an invalid error", *v, err)
		}
	}
	if got, err := username("username", &good); err != nil || *got != "小明" {
		t.Errorf("got %v, %v, want it without blanks", got, err)
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   string
		n    int
		want string
	}{{"abc", 3, "abc"}, {"abcd", 3, "abc"}, {"aé", 2, "a"}, {"a\x00b", 9, "ab"}, {"a\xffb", 9, "ab"}, {"老師", 4, "老"}} {
		if got := store.Cut(c.in, c.n); got != c.want {
			t.Errorf("cut(%q, %d): got %q, want %q", c.in, c.n, got, c.want)
		}
	}
}

func TestFirstOf(t *testing.T) {
	t.Parallel()
	if err := firstOf(nil); err != nil {
		t.Errorf("of nothing: got %v", err)
	}
	s := RoomSettings{Name: Some(" "), AIMode: Some("loud"), AIFrequency: Some(1.5)}
	err := s.apply(&store.Room{})
	var e *Error
	if !errors.As(err, &e) || e.Kind != KindInvalid || len(e.Fields) != 3 {
		t.Fatalf("got %v, want one error about three members", err)
	}
	for i, want := range []string{"body.name", "body.ai_mode", "body.ai_frequency"} {
		if e.Fields[i].Field != want {
			t.Errorf("member %d: got %s, want %s", i, e.Fields[i].Field, want)
		}
	}
}
