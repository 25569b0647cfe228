package app

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/coagent-studio/coagent/app/mention"
)

const (
	// maxFileName is how many bytes the name of a file may have. File systems take 255, and
	// a browser adds a number to a name that is there.
	maxFileName = 200
	// maxFileExtension is how many of them are kept of the end after the last dot.
	maxFileExtension = 20
	namelessFile     = "file"
)

// fileName makes a name safe to show and to save: no folders, no characters that nobody
// sees or that change the direction of writing ("gpj.exe" would look like "exe.jpg"), and
// nothing that a system reads as a device or a pattern. It never fails: people do not choose
// the names of their files with a server in mind.
func fileName(name string) string {
	name = norm.NFC.String(strings.ToValidUTF8(name, "_"))
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	runes := []rune(name)
	marks := 0
	var b strings.Builder
	for i, r := range runes {
		if marks++; !unicode.In(r, unicode.Mn, unicode.Me) {
			marks = 0
		}
		switch {
		case unicode.IsSpace(r):
			b.WriteByte(' ')
		case strings.ContainsRune(`<>:"|?*`, r), unicode.In(r, unicode.Co, unicode.Cs), r == unicode.ReplacementChar, r == '\u2800':
			b.WriteByte('_')
		case unicode.In(r, unicode.Cc, unicode.Bidi_Control), mention.Invisible(r) && !joins(runes, i), marks > maxMarks:
		default:
			b.WriteRune(r)
		}
	}
	name = strings.TrimRight(strings.Join(strings.Fields(b.String()), " "), ". ")
	base, _, _ := strings.Cut(name, ".")
	if reserved(strings.TrimSpace(base)) {
		name = "_" + name
	}
	if strings.Trim(name, ". ") == "" {
		return namelessFile
	}
	return shortName(name)
}

// reserved tells whether Windows takes a name for a device, whatever follows its dot.
func reserved(base string) bool {
	switch base = strings.ToUpper(base); base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	digit, is := strings.CutPrefix(base, "COM")
	if !is {
		digit, is = strings.CutPrefix(base, "LPT")
	}
	return is && utf8.RuneCountInString(digit) == 1 && strings.ContainsAny(digit, "0123456789¹²³")
}

// shortName shortens a name before its extension, and never inside a character.
func shortName(name string) string {
	if len(name) <= maxFileName {
		return name
	}
	extension := path.Ext(name)
	if len(extension) > maxFileExtension {
		extension = ""
	}
	end := maxFileName - len(extension)
	for !utf8.RuneStart(name[end]) {
		end--
	}
	return strings.TrimRight(name[:end], ". ") + extension
}
