package llm

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/coagent-studio/coagent/app/wording"
)

// maxModelName bounds the name of a model, in bytes.
const maxModelName = 200

// CleanModel removes what is often copied along with a model's name, and refuses a name
// that no provider could know. Any printable name in any script is allowed. The error
// is written for the person who typed the name.
func CleanModel(name string) (string, error) {
	name = bare(name)
	switch {
	case name == "":
		return "", wording.Errorf("name a model")
	case len(name) > maxModelName:
		return "", wording.Errorf("a model's name has at most 200 bytes")
	case strings.ContainsFunc(name, func(r rune) bool { return r == utf8.RuneError || unicode.IsSpace(r) || !unicode.IsPrint(r) }):
		return "", wording.Errorf("a model's name has no blanks and no invisible characters inside")
	case strings.Contains(name, "://"):
		return "", wording.Errorf("this is an address, not the name of a model")
	}
	return name, nil
}

// keyHead matches what may stand before a copied key: the name of a header, or of a
// variable in a shell or a settings file.
var keyHead = regexp.MustCompile(`(?i)^(?:(?:export|set)\s+)?(?:[a-z][a-z0-9_-]*(?:key|token|authorization)|authorization)\s*[:=]\s*|^bearer\s+`)

// CleanKey removes what is often copied along with a key, such as blanks, quotes and
// "Bearer", and refuses a key that no provider takes. The error never holds the key.
func CleanKey(key string) (string, error) {
	for before := ""; before != key; {
		before = key
		key = bare(key)
		key = strings.TrimPrefix(key, keyHead.FindString(key))
	}
	switch {
	case key == "", strings.EqualFold(key, "bearer"):
		return "", wording.Errorf("there is no key")
	case !printable(key):
		return "", wording.Errorf("the key has characters that no key has: copy it anew, whole and alone")
	case strings.Contains(key, "://"):
		return "", wording.Errorf("this is an address, not a key")
	case strings.Contains(key, "***"), strings.Contains(key, "..."):
		return "", wording.Errorf("this is a key with its middle hidden: copy it where it is shown whole")
	}
	return key, nil
}

// bare returns a text without the blanks, invisible characters and quotes around it.
func bare(text string) string {
	return strings.TrimFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r) && r != utf8.RuneError || strings.ContainsRune("\"'`“”‘’", r)
	})
}
