package emoji

import (
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"
)

func TestOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"👍": "👍", "👍🏽": "👍🏽", "❤": "❤️", "❤️": "❤️", "🇹🇼": "🇹🇼", "1️⃣": "1️⃣", "1⃣": "1️⃣", "👩‍🔬": "👩‍🔬", "🏳‍🌈": "🏳️‍🌈", "👨‍👩‍👧‍👦": "👨‍👩‍👧‍👦",
		"": "", "a": "", "1": "", "👍👍": "", " 👍": "", "👍 ": "", "\u200d": "", "\ufe0f": "", "🇹": "", "👍‍👎": "", "<b>": "", "👍\x00": "",
		"\xff": "", strings.Repeat("\ufe0f", 1000) + "👍": "",
	} {
		if got, ok := Of(text); got != want || ok != (want != "") {
			t.Errorf("%q: got %q, %v, want %q", text, got, ok, want)
		}
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	all := strings.Split(strings.TrimSpace(list), "\n")
	if len(all) < 3900 || len(known()) != len(all) {
		t.Errorf("%d lines, %d emoji", len(all), len(known()))
	}
	for _, e := range all {
		if len(e) > maxBytes || !norm.NFC.IsNormalString(e) {
			t.Errorf("%q has %d bytes", e, len(e))
		}
	}
}
