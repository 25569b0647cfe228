package dump

import (
	"database/sql"
	"errors"
	"io"
	"strings"
	"unicode/utf8"
)

// column is a column of CREATE TABLE.
type column struct{ name, kind string }

// sink takes what a dump has.
type sink interface {
	table(name string, columns []column) error
	// row gets a row whose values belong to these columns.
	row(table string, columns []string, values []sql.NullString) error
}

// parser reads the statements of a dump.
type parser struct {
	*lexer
	to     sink
	tables map[string][]column // as CREATE TABLE says
}

// parse reads a dump to its end. It fails when the dump is not whole.
func parse(r io.Reader, to sink) error {
	p := &parser{lexer: newLexer(r), to: to, tables: map[string][]column{}}
	for {
		t, err := p.next()
		if err == nil && t.kind == end {
			break
		}
		if err == nil {
			err = p.statement(t)
		}
		if errors.Is(err, io.EOF) {
			err = errCut
		}
		if err != nil {
			return err
		}
	}
	switch {
	case len(p.tables) == 0:
		return errors.New("this is no plain dump: it has no CREATE TABLE; make one with pg_dump --format=plain, without --data-only")
	case !p.whole:
		return errCut
	}
	return nil
}

func (p *parser) statement(t token) error {
	switch {
	case t.kind == ';':
		return nil
	case t.is("create"):
		return p.create()
	case t.is("copy"):
		return p.copy()
	case t.is("insert"):
		return p.insert()
	case t.is("set"):
		return p.set()
	}
	return p.skip(t)
}

// skip reads to the end of a statement. The body of a function in SQL (BEGIN ATOMIC) has
// statements of its own.
func (p *parser) skip(t token) (err error) {
	depth, begin := 0, false
	for ; err == nil; t, err = p.next() {
		switch {
		case t.kind == end:
			return errCut
		case t.kind == ';' && depth == 0:
			return nil
		case t.is("atomic") && begin, t.is("case") && depth > 0:
			depth++
		case t.is("end") && depth > 0:
			depth--
		}
		begin = t.is("begin")
	}
	return err
}

// set knows the two settings that change how a dump is read.
func (p *parser) set() error {
	t, err := p.next()
	if err != nil || !t.is("client_encoding") && !t.is("standard_conforming_strings") {
		return errors.Join(err, p.skip(t))
	}
	what := t.text
	if t, err = p.next(); err == nil { // = or TO
		t, err = p.next()
	}
	if err != nil {
		return err
	}
	value := strings.ToLower(t.text)
	if what == "standard_conforming_strings" {
		p.escapes = value == "off"
	} else if value != "utf8" && value != "utf-8" && value != "unicode" {
		return p.fault("the dump is in %q; make it again with pg_dump --encoding=UTF8", t.text)
	}
	return p.skip(t)
}

// ident reads a name that may have a schema before it. ours is false in another schema than
// public.
func (p *parser) ident(t token) (id string, ours bool, next token, err error) {
	id, ours = t.text, true
	if t.kind != word && t.kind != name {
		return "", false, t, p.fault("expected the name of a table")
	}
	if next, err = p.next(); err != nil || next.kind != '.' {
		return id, ours, next, err
	}
	ours = id == "public"
	if t, err = p.next(); err != nil {
		return "", false, t, err
	}
	next, err = p.next()
	return t.text, ours, next, err
}

func (p *parser) create() error {
	t, err := p.next()
	if t.is("unlogged") {
		t, err = p.next()
	}
	if err != nil || !t.is("table") {
		return errors.Join(err, p.skip(t))
	}
	if t, err = p.next(); err != nil {
		return err
	}
	for t.is("if") || t.is("not") || t.is("exists") {
		if t, err = p.next(); err != nil {
			return err
		}
	}
	table, ours, t, err := p.ident(t)
	if err != nil {
		return err
	}
	if t.kind != '(' { // PARTITION OF, AS SELECT
		return p.skip(t)
	}
	columns, err := p.columns()
	if err == nil {
		err = p.skip(token{kind: ')'})
	}
	if err != nil || !ours {
		return err
	}
	if p.tables[table] != nil {
		return p.fault("the table %s is made a second time", table)
	}
	p.tables[table] = columns
	return p.to.table(table, columns)
}

// columns reads what is between the brackets of CREATE TABLE.
func (p *parser) columns() (list []column, err error) {
	for depth, first := 1, true; depth > 0; {
		t, err := p.next()
		if err != nil {
			return nil, err
		}
		switch t.kind {
		case end:
			return nil, errCut
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth == 1 {
				first = true
				continue
			}
		}
		switch {
		case first && t.kind == name, first && t.kind == word && !isConstraint(t.text):
			list = append(list, column{name: t.text})
		case first:
			list = append(list, column{}) // a constraint, which is left out below
		case depth > 0 && len(list[len(list)-1].kind) < 100:
			list[len(list)-1].kind += t.text + " "
		}
		first = false
	}
	kept := list[:0]
	for _, c := range list {
		if c.name != "" {
			kept = append(kept, c)
		}
	}
	if len(kept) > 1600 {
		return nil, p.fault("a table has more than 1600 columns")
	}
	return kept, nil
}

func isConstraint(w string) bool {
	switch w {
	case "constraint", "primary", "unique", "check", "foreign", "exclude", "like":
		return true
	}
	return false
}

// named reads the names in brackets behind the name of a table. Without them they are those
// of CREATE TABLE.
func (p *parser) named(table string, ours bool, t token) (names []string, next token, err error) {
	if t.kind != '(' {
		if ours && p.tables[table] == nil {
			return nil, t, p.fault("rows of %s come without the names of their columns, and no CREATE TABLE is before them; make the dump without --data-only", table)
		}
		for _, c := range p.tables[table] {
			names = append(names, c.name)
		}
		return names, t, nil
	}
	for {
		if t, err = p.next(); err != nil {
			return nil, t, err
		}
		switch t.kind {
		case word, name:
			names = append(names, t.text)
		case ')':
			next, err = p.next()
			return names, next, err
		case end:
			return nil, t, errCut
		}
	}
}

// give hands a row on.
func (p *parser) give(table string, ours bool, columns []string, values []sql.NullString) error {
	if !ours {
		return nil
	}
	if len(values) > len(columns) {
		return p.fault("a row of %s has %d values for %d columns", table, len(values), len(columns))
	}
	for _, v := range values {
		if !utf8.ValidString(v.String) || strings.ContainsRune(v.String, 0) {
			return p.fault("a row of %s has a text that is not UTF-8; make the dump again with pg_dump --encoding=UTF8", table)
		}
	}
	if p.tables[table] == nil {
		list := make([]column, len(columns))
		for i, c := range columns {
			list[i].name = c
		}
		p.tables[table] = list
		if err := p.to.table(table, list); err != nil {
			return err
		}
	}
	return p.to.row(table, columns[:len(values)], values)
}
