package store

import "strings"

// Cut shortens s to at most n bytes, without cutting a character in two, and removes
// what cannot be stored: NUL, and bytes that are no UTF-8.
func Cut(s string, n int) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "")
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}

// OneLine removes line breaks from s.
func OneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
