package dump

import (
	"database/sql"
	"errors"
	"io"
	"strings"
)

// copy reads COPY table (columns) FROM stdin; and its lines.
func (p *parser) copy() error {
	t, err := p.next()
	if err != nil {
		return err
	}
	table, ours, t, err := p.ident(t)
	if err != nil {
		return err
	}
	columns, t, err := p.named(table, ours, t)
	if err != nil {
		return err
	}
	stdin := false
	for ; err == nil && t.kind != ';'; t, err = p.next() {
		switch {
		case t.kind == end:
			return errCut
		case t.is("csv"), t.is("binary"):
			return p.fault("COPY in the format %s cannot be read; make the dump with pg_dump --format=plain", t.text)
		}
		stdin = stdin || t.is("stdin")
	}
	if err != nil || !stdin {
		return err
	}
	if _, err := p.restOfLine(); err != nil {
		return err
	}
	return p.lines(table, ours, columns)
}

// lines reads the rows of a COPY up to the line \. alone.
func (p *parser) lines(table string, ours bool, columns []string) error {
	values := make([]sql.NullString, 0, len(columns))
	for {
		if ahead := p.peek(2); ahead == `\.` {
			if after := p.peek(3); len(after) < 3 || after[2] == '\n' || after[2] == '\r' {
				_, err := p.restOfLine()
				return err
			}
		}
		var last bool
		values = values[:0]
		for !last {
			v, ended, err := p.field()
			if err != nil {
				return err
			}
			values, last = append(values, v), ended
			if len(values) > 1600 {
				return p.fault("a row of %s has more than 1600 values", table)
			}
		}
		if err := p.give(table, ours, columns, values); err != nil {
			return err
		}
	}
}

// field reads one value of a line of COPY. ended says that the line ends with it.
func (p *parser) field() (v sql.NullString, ended bool, err error) {
	p.buf = p.buf[:0]
	null := false
	for {
		c, err := p.within()
		switch {
		case err != nil:
			return v, false, err
		case c == '\t' || c == '\n':
			if c == '\n' && len(p.buf) > 0 && p.buf[len(p.buf)-1] == '\r' && !null { // a file that went through Windows
				p.buf = p.buf[:len(p.buf)-1]
			}
			return sql.NullString{String: string(p.buf), Valid: !null}, c == '\n', nil
		case c == '\\':
			if c, err = p.within(); err != nil {
				return v, false, err
			}
			if c == 'N' && len(p.buf) == 0 {
				null = true
				continue
			}
			err = p.escape(c, false)
		case null && c == '\r':
		default:
			err = p.add(c)
		}
		if err != nil {
			return v, false, err
		}
	}
}

// insert reads INSERT INTO table (columns) VALUES (...), (...);
func (p *parser) insert() error {
	t, err := p.next()
	if err != nil || !t.is("into") {
		return errors.Join(err, p.skip(t))
	}
	if t, err = p.next(); err != nil {
		return err
	}
	table, ours, t, err := p.ident(t)
	if err != nil {
		return err
	}
	columns, t, err := p.named(table, ours, t)
	for err == nil && !t.is("values") {
		if t.kind == end || t.kind == ';' {
			return p.fault("an INSERT into %s has no VALUES", table)
		}
		t, err = p.next() // OVERRIDING SYSTEM VALUE
	}
	var values []sql.NullString
	for err == nil {
		if t, err = p.next(); err != nil {
			return err
		}
		switch t.kind {
		case '(':
			if values, err = p.values(values[:0]); err == nil {
				err = p.give(table, ours, columns, values)
			}
		case ',':
		case end:
			return errCut
		default: // ; or ON CONFLICT DO NOTHING
			return p.skip(t)
		}
	}
	return err
}

// values reads one row of VALUES behind its opening bracket.
func (p *parser) values(values []sql.NullString) ([]sql.NullString, error) {
	for {
		v, next, err := p.value()
		if err != nil {
			return nil, err
		}
		values = append(values, v)
		switch next.kind {
		case ')':
			return values, nil
		case ',':
		case end:
			return nil, errCut
		default:
			return nil, p.fault("a value is followed by %q, which this reader does not know", next.text+string(rune(next.kind)))
		}
	}
}

// value reads a literal, with its cast, and the token behind it.
func (p *parser) value() (v sql.NullString, next token, err error) {
	t, err := p.next()
	sign := ""
	if err == nil && (t.kind == '-' || t.kind == '+') {
		sign = strings.TrimPrefix(string(rune(t.kind)), "+")
		t, err = p.next()
	}
	if err != nil {
		return v, t, err
	}
	switch {
	case t.kind == text, t.kind == number:
		v = sql.NullString{String: sign + t.text, Valid: true}
	case t.is("true"), t.is("false"):
		v = sql.NullString{String: t.text, Valid: true}
	case t.is("null"), t.is("default"):
	case t.kind == end:
		return v, t, errCut
	default:
		return v, t, p.fault("%q is a value that this reader does not know", t.text+string(rune(t.kind)))
	}
	if next, err = p.next(); err != nil || next.kind != ':' {
		return v, next, notEOF(err)
	}
	for depth := 0; ; { // ::timestamp with time zone, ::varchar(20)
		if next, err = p.next(); err != nil {
			return v, next, err
		}
		switch {
		case next.kind == '(':
			depth++
		case next.kind == ')' && depth > 0:
			depth--
		case next.kind == ')', next.kind == ',' && depth == 0, next.kind == end:
			return v, next, nil
		}
	}
}

func notEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return errCut
	}
	return err
}
