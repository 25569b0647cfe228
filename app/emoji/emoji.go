// Package emoji knows the emoji that Unicode recommends for interchange (RGI), as fully
// qualified sequences. It is a leaf.
//
// emoji.txt has them in the order of their code points, one a line: version 17.0 of Unicode's
// emoji-test.txt.
package emoji

import (
	_ "embed"
	"strings"
	"sync"
)

//go:embed emoji.txt
var list string

const (
	// maxBytes is more than the longest emoji has.
	maxBytes = 64
	// variation asks for the picture of a character that also has a plain form.
	variation = "\ufe0f"
)

// known are all emoji by their text without variation selectors, which keyboards send or
// leave out.
var known = sync.OnceValue(func() map[string]string {
	all := make(map[string]string, strings.Count(list, "\n"))
	for line := range strings.Lines(list) {
		line = strings.TrimSuffix(line, "\n")
		all[strings.ReplaceAll(line, variation, "")] = line
	}
	return all
})

// Of returns the one emoji that a text is, as Unicode recommends to write it. ok is false
// for any other text.
func Of(text string) (emoji string, ok bool) {
	if len(text) > maxBytes {
		return "", false
	}
	emoji, ok = known()[strings.ReplaceAll(text, variation, "")]
	return emoji, ok
}
