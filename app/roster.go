package app

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// The bounds of a class list.
const (
	maxRosterBytes = 1 << 20
	maxRosterLines = 2000
)

// rosterLine is one person of a class list; empty members were left out.
type rosterLine struct {
	number                          int // in the file, from 1
	email, fullName, username, role string
}

// parseRoster reads a class list: CSV (RFC 4180) with a header that names the
// columns email, full_name, username and role, of which email is needed. As
// spreadsheets write it: a byte order mark, and semicolons or tabs as well as
// commas. Lines without anything in them are passed over.
func parseRoster(data []byte) ([]rosterLine, error) {
	if len(data) > maxRosterBytes {
		return nil, errorf(KindTooLarge, "too_large", "The list has %d bytes, at most %d are possible", len(data), maxRosterBytes)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !utf8.Valid(data) {
		return nil, invalid("file", "is not UTF-8 text, save the list as CSV UTF-8")
	}
	r := csv.NewReader(bytes.NewReader(data))
	r.Comma, r.FieldsPerRecord, r.LazyQuotes = delimiter(data), -1, true
	r.TrimLeadingSpace = r.Comma != '\t' // which is a space, too
	columns, err := rosterColumns(r)
	if err != nil {
		return nil, err
	}
	var lines []rosterLine
	for {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		var bad *csv.ParseError
		if errors.As(err, &bad) {
			return nil, invalid("file", "line %d cannot be read: %s", bad.Line, bad.Err.Error())
		}
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(fields, func(f string) bool { return strings.TrimSpace(f) != "" }) {
			continue
		}
		if len(lines) == maxRosterLines {
			return nil, invalid("file", "has more than %d people, send it in parts", maxRosterLines)
		}
		l := rosterLine{}
		l.number, _ = r.FieldPos(0)
		for name, to := range map[string]*string{"email": &l.email, "full_name": &l.fullName, "username": &l.username, "role": &l.role} {
			if at, ok := columns[name]; ok && at < len(fields) {
				*to = strings.TrimSpace(fields[at])
			}
		}
		lines = append(lines, l)
	}
}

// delimiter is the one of the usual three that the header has most of.
func delimiter(data []byte) rune {
	header, _, _ := bytes.Cut(data, []byte("\n"))
	best := ','
	for _, c := range ";\t" {
		if bytes.Count(header, []byte(string(c))) > bytes.Count(header, []byte(string(best))) {
			best = c
		}
	}
	return best
}

// rosterColumns reads the header: where each column is.
func rosterColumns(r *csv.Reader) (map[string]int, error) {
	header, err := r.Read()
	if err != nil {
		return nil, invalid("file", "begin with a line that names the columns: email, full_name, username, role")
	}
	columns := map[string]int{}
	for i, name := range header {
		name = strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(strings.TrimSpace(name)))
		if name == "e_mail" {
			name = "email"
		}
		if _, twice := columns[name]; !twice {
			columns[name] = i
		}
	}
	if _, ok := columns["email"]; !ok {
		return nil, invalid("file", "begin with a line that names the columns: email, full_name, username, role")
	}
	return columns, nil
}
