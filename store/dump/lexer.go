package dump

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxValue limits one value of a dump, so that a broken file cannot take all memory.
const maxValue = 256 << 20

// endMark is in the last comment of every dump that pg_dump has finished.
const endMark = "PostgreSQL database dump complete"

// The kinds of tokens. A sign such as "(" is its own kind.
const (
	end    = 0
	word   = 'w' // a word in lower case
	name   = 'q' // an identifier in quotes
	text   = 's' // a string, decoded
	number = 'n'
)

type token struct {
	kind byte
	text string
}

// is tells whether the token is a word.
func (t token) is(w string) bool { return t.kind == word && t.text == w }

// lexer splits SQL into tokens. It skips blanks, comments and lines that begin with a
// backslash: those are commands of psql.
type lexer struct {
	r         *bufio.Reader
	line      int
	lineStart bool
	escapes   bool // standard_conforming_strings is off: a backslash escapes in every string
	whole     bool // endMark was seen
	buf       []byte
}

func newLexer(r io.Reader) *lexer {
	return &lexer{r: bufio.NewReaderSize(r, 1<<20), line: 1, lineStart: true}
}

// errCut says that a dump ends too early.
var errCut = errors.New("the dump ends in the middle, so it was cut: make it again, and copy all of it")

func (l *lexer) fault(format string, args ...any) error {
	return fmt.Errorf("line %d of the dump: %w", l.line, fmt.Errorf(format, args...))
}

func (l *lexer) byte() (byte, error) {
	c, err := l.r.ReadByte()
	if err != nil {
		return 0, err
	}
	l.lineStart = c == '\n'
	if c == '\n' {
		l.line++
	}
	return c, nil
}

func (l *lexer) peek(n int) string {
	b, _ := l.r.Peek(n)
	return string(b)
}

// within is byte where the dump must not end.
func (l *lexer) within() (byte, error) {
	c, err := l.byte()
	if errors.Is(err, io.EOF) {
		return 0, errCut
	}
	return c, err
}

func (l *lexer) add(c byte) error {
	if len(l.buf) >= maxValue {
		return l.fault("a value has more than %d MiB", maxValue>>20)
	}
	l.buf = append(l.buf, c)
	return nil
}

// next returns the next token, of kind end behind the last one.
func (l *lexer) next() (token, error) {
	for {
		first := l.lineStart
		c, err := l.byte()
		switch {
		case errors.Is(err, io.EOF):
			return token{}, nil
		case err != nil:
			return token{}, err
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f':
			if first && c != '\n' {
				l.lineStart = true // a blank before a command of psql
			}
			continue
		case c == '\\' && first:
			_, err = l.restOfLine()
		case c == '-' && l.peek(1) == "-":
			err = l.comment()
		case c == '/' && l.peek(1) == "*":
			err = l.block()
		default:
			return l.token(c)
		}
		if err != nil {
			return token{}, err
		}
	}
}

func (l *lexer) comment() error {
	rest, err := l.restOfLine()
	l.whole = l.whole || strings.Contains(rest, endMark)
	return err
}

// restOfLine reads to the end of the line. Of a long line it returns the beginning.
func (l *lexer) restOfLine() (string, error) {
	l.buf = l.buf[:0]
	for {
		c, err := l.byte()
		if errors.Is(err, io.EOF) || err == nil && c == '\n' {
			return string(l.buf), nil
		}
		if err != nil {
			return "", err
		}
		if len(l.buf) < 1000 {
			l.buf = append(l.buf, c)
		}
	}
}

// block skips a comment in /* */, which may hold others.
func (l *lexer) block() error {
	for depth, last := 0, byte('/'); ; {
		c, err := l.within()
		if err != nil {
			return err
		}
		switch {
		case last == '/' && c == '*':
			depth, c = depth+1, 0
		case last == '*' && c == '/':
			depth, c = depth-1, 0
		}
		if last = c; depth == 0 {
			return nil
		}
	}
}

func (l *lexer) token(c byte) (token, error) {
	switch {
	case c == '\'':
		return l.text(l.escapes)
	case c == '"':
		return l.quoted('"', name, false)
	case c == '$':
		return l.dollar()
	case (c == 'E' || c == 'e') && l.peek(1) == "'":
		_, _ = l.byte()
		return l.text(true)
	case letter(c):
		return l.run(c, word, func(c byte) bool { return letter(c) || digit(c) || c == '$' })
	case digit(c) || c == '.' && len(l.peek(1)) > 0 && digit(l.peek(1)[0]):
		return l.run(c, number, func(c byte) bool { return digit(c) || c == '.' || c == 'e' || c == 'E' })
	}
	return token{kind: c}, nil
}

func letter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// run reads a word or a number.
func (l *lexer) run(c byte, kind byte, more func(byte) bool) (token, error) {
	l.buf = append(l.buf[:0], c)
	for {
		ahead := l.peek(1)
		if ahead == "" || !more(ahead[0]) {
			break
		}
		c, err := l.byte()
		if err != nil {
			return token{}, err
		}
		if err := l.add(c); err != nil {
			return token{}, err
		}
	}
	if kind == number {
		return token{number, string(l.buf)}, nil
	}
	return token{word, strings.ToLower(string(l.buf))}, nil
}

func (l *lexer) text(escapes bool) (token, error) { return l.quoted('\'', text, escapes) }

// quoted reads to the closing quote; two quotes stand for one.
func (l *lexer) quoted(quote, kind byte, escapes bool) (token, error) {
	l.buf = l.buf[:0]
	for {
		c, err := l.within()
		if err != nil {
			return token{}, err
		}
		switch {
		case c == quote && l.peek(1) == string(quote):
			_, err = l.byte()
		case c == quote:
			return token{kind, string(l.buf)}, nil
		case c == '\\' && escapes:
			if c, err = l.within(); err == nil {
				err = l.escape(c, true)
			}
			if err != nil {
				return token{}, err
			}
			continue
		}
		if err == nil {
			err = l.add(c)
		}
		if err != nil {
			return token{}, err
		}
	}
}

// dollar reads $tag$ ... $tag$. A $ that begins no tag is a sign.
func (l *lexer) dollar() (token, error) {
	tag := "$"
	for ahead := l.peek(64); len(tag) <= len(ahead); {
		c := ahead[len(tag)-1]
		tag += string(c)
		if c == '$' {
			break
		}
		if !letter(c) && !digit(c) {
			return token{kind: '$'}, nil
		}
	}
	if len(tag) < 2 || tag[len(tag)-1] != '$' {
		return token{kind: '$'}, nil
	}
	for range len(tag) - 1 {
		if _, err := l.byte(); err != nil {
			return token{}, err
		}
	}
	l.buf = l.buf[:0]
	for {
		c, err := l.within()
		if err != nil {
			return token{}, err
		}
		if err := l.add(c); err != nil {
			return token{}, err
		}
		if c == '$' && len(l.buf) >= len(tag) && string(l.buf[len(l.buf)-len(tag):]) == tag {
			return token{text, string(l.buf[:len(l.buf)-len(tag)])}, nil
		}
	}
}
