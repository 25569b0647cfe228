package llmtest_test

import (
	"testing"

	"github.com/coagent-studio/coagent/app/llm/llmtest"
)

// What a request begins with counts as repeated when an earlier one of its
// model began with it, the last or any other.
func TestRepeated(t *testing.T) {
	t.Parallel()
	s := llmtest.New(t)
	ask := func(model, text string) {
		post(t, s.URL+"/v1/chat/completions", `{"model":"`+model+`","stream":true,"messages":[{"role":"system","content":"Teach."},{"role":"user","content":"`+text+`"}]}`)
	}
	repeats := func(want int) {
		t.Helper()
		if got, _ := s.Repeated(); got != want {
			t.Errorf("got %d bytes, want %d", got, want)
		}
	}
	head := len("m\n\nTeach.\n\nuser\n")
	ask("m", "abcdef")
	repeats(0)
	ask("m", "abcdefgh")
	repeats(head + 6)
	ask("m", "x")
	repeats(head + 6 + head)
	ask("m", "abcdefghi")
	repeats(head + 6 + head + head + 8)
	ask("another", "abcdef")
	repeats(head + 6 + head + head + 8)
	if _, all := s.Repeated(); all != 4*head+len("abcdef"+"abcdefgh"+"x"+"abcdefghi")+len("another\n\nTeach.\n\nuser\nabcdef") {
		t.Errorf("got %d bytes in all", all)
	}
}
