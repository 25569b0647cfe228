package dump

import (
	"strconv"
	"unicode/utf8"
)

// escape adds what a backslash and c stand for, in a string with escapes and in a block of
// COPY. Only strings know \u and \U.
func (l *lexer) escape(c byte, inString bool) error {
	switch c {
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'v':
		if !inString {
			c = '\v'
		}
	case 'x':
		return l.code("x", 2, 16)
	case 'u', 'U':
		if inString {
			digits := 4
			if c == 'U' {
				digits = 8
			}
			return l.letter(digits)
		}
	case '0', '1', '2', '3', '4', '5', '6', '7':
		return l.code(string(c), 3, 8)
	}
	return l.add(c)
}

// code reads the digits of a byte behind what was read of it.
func (l *lexer) code(read string, most, base int) error {
	digits := read
	if base == 16 {
		digits, most = "", 2
	}
	for len(digits) < most {
		ahead := l.peek(1)
		if ahead == "" {
			break
		}
		if _, err := strconv.ParseUint(ahead, base, 8); err != nil {
			break
		}
		_, _ = l.byte()
		digits += ahead
	}
	if digits == "" {
		return l.add(read[0])
	}
	n, err := strconv.ParseUint(digits, base, 16)
	if err != nil {
		return err
	}
	return l.add(byte(n))
}

// letter reads the digits of a character.
func (l *lexer) letter(digits int) error {
	code, err := strconv.ParseUint(l.peek(digits), 16, 32)
	if err != nil || !utf8.ValidRune(rune(code)) {
		return l.fault("%q is no character", l.peek(digits))
	}
	for range digits {
		_, _ = l.byte()
	}
	for _, c := range []byte(string(rune(code))) {
		if err := l.add(c); err != nil {
			return err
		}
	}
	return nil
}
