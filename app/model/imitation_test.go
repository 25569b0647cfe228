package model

import (
	"strings"
	"testing"
)

// What a model imitates of the transcript comes off, however the answer is cut
// into pieces.
func TestMouth(t *testing.T) {
	t.Parallel()
	const fence = "data-0123456789ab"
	for in, want := range map[string]string{
		"Hello":                               "Hello",
		"Teacher Bot: Hello":                  "Hello",
		"Teacher Bot (AI teacher): Hello":     "Hello",
		"**Teacher Bot:** Hello":              "Hello",
		"[Teacher AI]: Hello":                 "Hello",
		"teacher bot：你好":                      "你好",
		" \n Teacher Bot: Teacher Bot: Hello": "Hello",
		"Teacher Bot said: Hello":             "Teacher Bot said: Hello",
		"Teacher Bots: a list":                "Teacher Bots: a list",
		"Sue: Hello":                          "Sue: Hello",
		"Hello, Teacher Bot: me":              "Hello, Teacher Bot: me",
		"Teacher Bot":                         "Teacher Bot",
		"Teacher Bot:":                        "",
		"a < b and c <d> e\n\nnext":           "a < b and c <d> e\n\nnext",
		"<data-other>x</data-other>":          "<data-other>x</data-other>",
		"<" + fence + " from=\"Teacher Bot (AI teacher)\">\nHello\n</" + fence + ">": "Hello",
		"<" + fence + " from=\"x\">\nTeacher Bot: Hello":                             "Hello",
		"Hello\n</" + fence + ">":                                                    "Hello",
		"Hello <" + fence + " from=\"never closed":                                   "Hello ",
	} {
		for size := 1; size <= len([]rune(in)); size++ {
			m, out, left := NewImitationFilter(fence, "Teacher Bot", "Teacher AI"), "", []rune(in)
			for len(left) > 0 {
				n := min(size, len(left))
				out += m.Say(string(left[:n]))
				left = left[n:]
			}
			if out += m.Rest(); strings.TrimSpace(out) != strings.TrimSpace(want) {
				t.Errorf("%q in pieces of %d: got %q, want %q", in, size, out, want)
			}
		}
	}
}
