package mention

import (
	"regexp"
	"strings"
)

// This file removes what a message only shows: code and quotes in Markdown, and
// addresses of pages. It works line by line, as people write in a chat. In a Markdown
// document, an unmarked line below a quote still belongs to the quote; here it is the
// answer to the quote.

//nolint:gochecknoglobals // patterns
var (
	// The mark of a list may stand before a block.
	listMark = regexp.MustCompile(`^[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+`)
	fence    = regexp.MustCompile("^[ \t]*(?:(`{3,})[^`]*|(~{3,}).*)$")
	indented = regexp.MustCompile(`^(?: {4}| {0,3}\t)`)
	quote    = regexp.MustCompile(`^ {0,3}>`)

	// A page's address ends at a blank, at a bracket, or at punctuation of scripts that
	// write no blank after it.
	pageAddress = regexp.MustCompile(`(?i)(?:\b[a-z][a-z0-9+.-]*://|(?:[a-z0-9-]+\.)+[a-z]{2,}(?::\d+)?[/?#])` +
		"[^\\s\\p{Z}<>\"`“”「」『』（）【】《》〈〉，。、；：！？…]*")

	backquotes = regexp.MustCompile("`+")
	breaks     = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u2028", "\n", "\u2029", "\n", "\u0085", "\n")
)

// withoutCode returns a text without its code, quotes and addresses of pages. A line
// break replaces each of them, so that the text before and after does not join.
func withoutCode(text string) string {
	var out, paragraph strings.Builder
	flush := func() {
		out.WriteString(pageAddress.ReplaceAllString(withoutSpans(paragraph.String()), "\n"))
		out.WriteByte('\n')
		paragraph.Reset()
	}
	closing := "" // what closes the open fence
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

// withoutSpans removes the code from a paragraph. Code stands between two runs of the
// same number of backquotes.
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
