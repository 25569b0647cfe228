package app

import (
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"regexp"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/coagent-studio/coagent/app/mention"
	"github.com/coagent-studio/coagent/app/wording"
)

// The limits of a class list. Each is checked before the work that it limits.
const (
	maxRosterBytes   = 1 << 20
	maxRosterLines   = 2000
	maxRosterColumns = 100
	maxRosterLine    = 8 << 10 // bytes of one line
)

// rosterLine is one person of a class list. A member is "" if it was left out.
type rosterLine struct {
	number                          int // line number in the file, from 1
	email, fullName, username, role string
}

// rosterRow is one line of a class list: a person, or the reason why it cannot be read.
// If a cell has line breaks, the row ends with the line last.
type rosterRow struct {
	rosterLine
	last  int
	fault wording.Text

	withEmails bool // the list has a column of addresses
}

// readRoster reads a class list: CSV (RFC 4180) with a header that names the columns
// email, full_name, username and role. One of the first three is required.
//
// It accepts what spreadsheets write: UTF-8 or UTF-16, any line ends, semicolons or tabs
// instead of commas, and a line "sep=;" before the header. Every line that is not empty
// becomes a row, and a damaged line does not affect the lines around it.
func readRoster(data []byte) ([]rosterRow, error) {
	text, err := rosterText(data)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text), "\n")
	at, comma := 0, rune(0)
	if m := sepLine.FindStringSubmatch(lines[0]); m != nil {
		at, comma = 1, []rune(m[1])[0]
	}
	for at < len(lines) && strings.TrimSpace(lines[at]) == "" {
		at++
	}
	if at == len(lines) {
		return nil, noHeader()
	}
	if comma == 0 {
		comma = delimiter(lines[at])
	}
	columns, err := rosterColumns(lines[at], comma)
	if err != nil {
		return nil, err
	}
	var rows []rosterRow
	for at++; at < len(lines); at++ {
		row, empty := rosterRecord(lines, &at, comma, columns)
		if empty {
			continue
		}
		if len(rows) == maxRosterLines {
			return nil, invalid("file", "has more than %d people, send it in parts", maxRosterLines)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// sepLine matches the line that tells Excel which character separates the columns.
var sepLine = regexp.MustCompile(`(?i)^"?sep=([,;\t|])"?[,;\t|]*[ \t]*$`)

// rosterText is the text of a file in UTF-8, or in UTF-16 as spreadsheets save "Unicode
// text". UTF-16 is known by its byte order mark, or because every second byte of the
// header is zero.
func rosterText(data []byte) (string, error) {
	if len(data) > maxRosterBytes {
		return "", errorf(KindTooLarge, wording.TooLarge, "The list has %d bytes, at most %d are possible", len(data), maxRosterBytes)
	}
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}), len(data) > 3 && data[0] != 0 && data[1] == 0 && data[3] == 0:
		order = binary.LittleEndian
	case bytes.HasPrefix(data, []byte{0xfe, 0xff}), len(data) > 3 && data[0] == 0 && data[1] != 0 && data[2] == 0:
		order = binary.BigEndian
	}
	if order != nil {
		if len(data)%2 != 0 {
			return "", invalid("file", "ends in the middle of a character of UTF-16, save the list again")
		}
		units := make([]uint16, len(data)/2)
		for i := range units {
			units[i] = order.Uint16(data[2*i:])
		}
		data = []byte(string(utf16.Decode(units)))
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if utf8.Valid(data) {
		return string(data), nil
	}
	line := 1
	for len(data) > 0 {
		r, n := utf8.DecodeRune(data)
		if r == utf8.RuneError && n == 1 {
			break
		}
		if r == '\n' {
			line++
		}
		data = data[n:]
	}
	return "", invalid("file", "is neither UTF-8 nor UTF-16 from line %d on (Big5, GBK or Latin-1, perhaps): save the list as CSV UTF-8", line)
}

// delimiter is the most frequent of the three usual delimiters in a header, outside of
// quotation marks.
func delimiter(header string) rune {
	count, quoted := map[rune]int{}, false
	for _, r := range header {
		if r == '"' {
			quoted = !quoted
		} else if !quoted {
			count[r]++
		}
	}
	best := ','
	for _, c := range ";\t" {
		if count[c] > count[best] {
			best = c
		}
	}
	return best
}

// rosterNames has the names that schools give each column.
//
//nolint:gochecknoglobals // a table
var rosterNames = map[string][]string{
	"email": {"email", "mail", "emailaddress", "mailaddress", "電子郵件", "电子邮件", "電子郵件地址", "电子邮件地址", "電子信箱", "電郵", "电邮", "信箱", "邮箱",
		"メール", "メールアドレス", "이메일"},
	"full_name": {"fullname", "name", "姓名", "全名", "名字", "學生姓名", "学生姓名", "氏名", "名前", "이름", "성명"},
	"username":  {"username", "login", "使用者名稱", "使用者名称", "帳號", "账号", "帐号", "用户名", "用戶名", "ユーザー名", "사용자이름"},
	"role":      {"role", "角色", "身分", "身份", "職稱", "役割", "역할"},
}

// rosterColumns reads the header and returns the position of each column.
func rosterColumns(header string, comma rune) (map[string]int, error) {
	cells, fault := splitLine(header, comma)
	if fault.Pattern != "" {
		return nil, invalid("file", "the header %s", fault)
	}
	columns, rank := map[string]int{}, map[string]int{}
	for i, cell := range cells {
		cell = strings.NewReplacer(" ", "", "-", "", "_", "", ".", "").Replace(mention.Fold(cell))
		for column, names := range rosterNames {
			r := slices.Index(names, cell)
			if r < 0 {
				continue
			}
			if was, twice := rank[column]; twice && was == r {
				return nil, invalid("file", "has two columns %s, take one of them out", column)
			} else if !twice || r < was {
				columns[column], rank[column] = i, r
			}
		}
	}
	for _, who := range []string{"email", "username", "full_name"} {
		if _, ok := columns[who]; ok {
			return columns, nil
		}
	}
	return nil, noHeader()
}

func noHeader() error {
	return invalid("file", "begin with a line that names the columns: email, full_name, username, role; one of the first three is enough")
}

// splitLine splits a line into its cells, or says why it cannot.
func splitLine(line string, comma rune) (cells []string, fault wording.Text) {
	line = strings.TrimRight(line, string(comma)+" ")
	switch {
	case len(line) > maxRosterLine:
		return nil, wording.Of("has %d bytes, at most %d are possible", len(line), maxRosterLine)
	case strings.Count(line, string(comma)) >= maxRosterColumns:
		return nil, wording.Of("has more than %d columns", maxRosterColumns)
	}
	r := csv.NewReader(strings.NewReader(line))
	r.Comma, r.FieldsPerRecord = comma, -1
	r.TrimLeadingSpace = comma != '\t' // a tab is also a space
	cells, err := r.Read()
	if errors.Is(err, csv.ErrBareQuote) && !beginsQuoted.MatchString(line) {
		r = csv.NewReader(strings.NewReader(line)) // for example 5" tall
		r.Comma, r.FieldsPerRecord, r.LazyQuotes, r.TrimLeadingSpace = comma, -1, true, comma != '\t'
		cells, err = r.Read()
	}
	if line != "" && err != nil {
		return nil, wording.Of("has a quotation mark (\") that nothing closes, or one within a quoted cell: take it out, or write it twice")
	}
	return cells, wording.Text{}
}

// beginsQuoted matches the begin of a cell that starts with a quotation mark.
var beginsQuoted = regexp.MustCompile(`(?:^|[,;\t|])[ ]*"`)

// rosterRecord reads the line at and the lines that follow it within one cell, and moves
// at behind them. empty is true if there is nothing in it.
func rosterRecord(lines []string, at *int, comma rune, columns map[string]int) (row rosterRow, empty bool) {
	row = rosterRow{rosterLine: rosterLine{number: *at + 1}, last: *at + 1}
	cells, fault := splitLine(lines[*at], comma)
	_, row.withEmails = columns["email"]
	if fault.Pattern != "" && row.withEmails { // without addresses nobody can tell whether the next line is a person
		if whole, n := brokenCell(lines[*at:], comma); n > 1 {
			cells, fault = whole, wording.Text{}
			*at += n - 1
			row.last = *at + 1
		}
	}
	row.fault = fault
	for name, to := range map[string]*string{"email": &row.email, "full_name": &row.fullName, "username": &row.username, "role": &row.role} {
		if at, ok := columns[name]; ok && at < len(cells) {
			*to = strings.TrimSpace(cells[at])
		}
	}
	return row, row.fault.Pattern == "" && !slices.ContainsFunc(cells, func(f string) bool { return strings.TrimSpace(f) != "" })
}

// maxCellLines is how many lines one cell may have.
const maxCellLines = 5

// brokenCell reads a record with a quoted cell that has line breaks. It refuses a record
// if a following line may be a person's: otherwise a stray quotation mark would swallow
// people. n is the number of its lines, 0 if there is no such record.
func brokenCell(lines []string, comma rune) (cells []string, n int) {
	for n = 2; n <= min(maxCellLines, len(lines)); n++ {
		if next := lines[n-1]; strings.ContainsAny(next, "@＠") || strings.TrimSpace(next) == "" {
			return nil, 0
		}
		if cells, fault := splitLine(strings.Join(lines[:n], "\n"), comma); fault.Pattern == "" {
			return cells, n
		}
	}
	return nil, 0
}
