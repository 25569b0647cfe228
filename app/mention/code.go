package mention

import (
	"regexp"
	"strings"
)

// This file takes out what a line only shows: code and quotes as Markdown
// writes them, and addresses of pages. It goes by lines as people in a chat
// mean them: unlike in a document, what stands below a quote without a mark of
// its own is the answer to it, not more of the quote.

//nolint:gochecknoglobals // patterns
var (
	// A list's mark goes before a block.
	listMark = regexp.MustCompile(`^[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+`)
	fence    = regexp.MustCompile("^[ \t]*(?:(`{3,})[^`]*|(~{3,}).*)$")
	indented = regexp.MustCompile(`^(?: {4}| {0,3}\t)`)
	quote    = regexp.MustCompile(`^ {0,3}>`)

	// An address of a page ends at a blank, a bracket or the punctuation of
	// scripts that put no blank behind it.
	pageAddress = regexp.MustCompile(`(?i)(?:\b[a-z][a-z0-9+.-]*://|(?:[a-z0-9-]+\.)+[a-z]{2,}(?::\d+)?[/?#])` +
		"[^\\s\\p{Z}<>\"`“”「」『』（）【】《》〈〉，。、；：！？…]*")

	backquotes = regexp.MustCompile("`+")
	breaks     = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u2028", "\n", "\u2029", "\n", "\u0085", "\n")
)

// withoutCode is a text without its code, quotes and addresses of pages. A line
// break is in their place, so that nothing grows together.
func withoutCode(text string) string {
	var out, paragraph strings.Builder
	flush := func() {
		out.WriteString(pageAddress.ReplaceAllString(withoutSpans(paragraph.String()), "\n"))
		out.WriteByte('\n')
		paragraph.Reset()
	}
	closing := "" // what ends the fence that is open
	open, inCode, inList := false, false, false
	for _, line := range strings.Split(breaks.Replace(text), "\n") {
		mark := listMark.FindString(line)
		bare := line[len(mark):]
		switch {
		case closing != "":
			if end := strings.Trim(line, " \t"); strings.HasPrefix(end, closing) && strings.Trim(end, closing[:1]) == "" {
				closing = ""
			}
			continue
		case strings.TrimSpace(line) == "":
			open = false
			flush()
			continue
		case fence.MatchString(bare):
			m := fence.FindStringSubmatch(bare)
			closing, open, inCode = m[1]+m[2], false, false
			flush()
			continue
		case quote.MatchString(bare):
			open, inCode = false, false
			flush()
			continue
		case (inCode || !open && !inList && mark == "") && indented.MatchString(line):
			inCode = true
			flush()
			continue
		}
		open, inCode = true, false
		inList = mark != "" || inList && strings.TrimLeft(line, " \t") != line
		paragraph.WriteString(line)
		paragraph.WriteByte('\n')
	}
	flush()
	return out.String()
}

// withoutSpans takes the code out of a paragraph: what stands between two runs
// of as many backquotes.
func withoutSpans(text string) string {
	if !strings.Contains(text, "`") {
		return text
	}
	runs := backquotes.FindAllStringIndex(text, -1)
	var b strings.Builder
	from := 0
	for i := 0; i < len(runs); i++ {
		begin, width := runs[i][0], runs[i][1]-runs[i][0]
		if width == 1 && begin > 0 && text[begin-1] == '\\' {
			continue
		}
		for j := i + 1; j < len(runs); j++ {
			if runs[j][1]-runs[j][0] != width {
				continue
			}
			b.WriteString(text[from:begin])
			b.WriteByte('\n')
			from, i = runs[j][1], j
			break
		}
	}
	b.WriteString(text[from:])
	return b.String()
}
