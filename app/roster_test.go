package app

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"pgregory.net/rapid"
)

func TestParseRoster(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		list string
		want []rosterLine
	}{
		"Commas":      {"email,full_name,username,role\nann@x.org,Ann,ann,ta\n", []rosterLine{{2, "ann@x.org", "Ann", "ann", "ta"}}},
		"Semicolons":  {"\ufeffE-Mail;Full Name\r\n\r\nann@x.org; \"B; Ann\"\r\n", []rosterLine{{3, "ann@x.org", "B; Ann", "", ""}}},
		"Tabs":        {"role\temail\n\tann@x.org\n", []rosterLine{{2, "ann@x.org", "", "", ""}}},
		"Order":       {"x,username,email\n1,ann,ann@x.org,more\n", []rosterLine{{2, "ann@x.org", "", "ann", ""}}},
		"Short":       {"email,role\nann@x.org\n,,\n , \nben@x.org,student", []rosterLine{{2, "ann@x.org", "", "", ""}, {5, "ben@x.org", "", "", "student"}}},
		"Quoted":      {"email,full_name\nann@x.org,\"two\nlines\"\nben@x.org,5\" tall\n", []rosterLine{{2, "ann@x.org", "two\nlines", "", ""}, {4, "ben@x.org", `5" tall`, "", ""}}},
		"Empty":       {"email\n", nil},
		"OldMac":      {"email,full_name\rann@x.org,Ann\rben@x.org,Ben\r", []rosterLine{{2, "ann@x.org", "Ann", "", ""}, {3, "ben@x.org", "Ben", "", ""}}},
		"Excel":       {"\ufeffsep=;\r\nemail;full_name\r\nann@x.org;A, B\r\n", []rosterLine{{3, "ann@x.org", "A, B", "", ""}}},
		"ExcelQuoted": {"\"sep=|\"\nemail|role\nann@x.org|ta\n", []rosterLine{{3, "ann@x.org", "", "", "ta"}}},
		"OtherMark":   {"email;\"full name, as written, by them, all\";username\nann@x.org;Ann;ann\n", []rosterLine{{2, "ann@x.org", "", "ann", ""}}},
		"UTF16":       {utf16List(false, "email\tfull_name\r\nann@x.org\t王小明\r\n"), []rosterLine{{2, "ann@x.org", "王小明", "", ""}}},
		"UTF16Big":    {utf16List(true, "email,full_name\nann@x.org,😀\n"), []rosterLine{{2, "ann@x.org", "😀", "", ""}}},
		"Chinese":     {"姓名,電子郵件,帳號\n王小明,ming@x.org,ming\n", []rosterLine{{2, "ming@x.org", "王小明", "ming", ""}}},
		"FullWidth":   {"ｅｍａｉｌ,Full\u3000Name\nann@x.org,Ann\n", []rosterLine{{2, "ann@x.org", "Ann", "", ""}}},
		"Trailing":    {"email,full_name" + strings.Repeat(",", 500) + "\nann@x.org,Ann" + strings.Repeat(",", 500) + "\n", []rosterLine{{2, "ann@x.org", "Ann", "", ""}}},
		"NameBeside":  {"name,full_name,email\nA,Ann,ann@x.org\n", []rosterLine{{2, "ann@x.org", "Ann", "", ""}}},
		"Stray":       {"email,full_name\nann@x.org,\"Ann\nben@x.org,Ben\ncat@x.org,\"Cat\"\n", []rosterLine{{3, "ben@x.org", "Ben", "", ""}, {4, "cat@x.org", "Cat", "", ""}}},
		"BlankFirst":  {"\n\nemail\nann@x.org\n", []rosterLine{{4, "ann@x.org", "", "", ""}}},
	} {
		if got, err := parseRoster([]byte(c.list)); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: got %+v, %v, want %+v", name, got, err, c.want)
		}
	}
	for name, c := range map[string]struct {
		list string
		kind Kind
	}{
		"Nothing": {"", KindInvalid}, "NoHeader": {"ann@x.org,Ann\n", KindInvalid}, "Latin1": {"email,full_name\nann@x.org,M\xfcller\n", KindInvalid},
		"TooLarge": {"email\n" + strings.Repeat("x", 1<<20), KindTooLarge}, "TooMany": {"email\n" + strings.Repeat("a@x.org\n", 2001), KindInvalid},
		"Big5": {"email,full_name\nann@x.org,\xa4\xfd\n", KindInvalid}, "Twice": {"email,email\na@x.org,b@x.org\n", KindInvalid},
		"Columns": {"email" + strings.Repeat(",x", 900_000/2) + "\n", KindInvalid}, "Blank": {"\n \n", KindInvalid}, "SepOnly": {"sep=;\n", KindInvalid},
		"UTF16": {"\xff\xfee\x00m\x00", KindInvalid},
	} {
		if _, err := parseRoster([]byte(c.list)); err == nil || KindOf(err) != c.kind {
			t.Errorf("%s: got %v, want %s", name, err, c.kind)
		}
	}
}

// FuzzCSV: whatever is sent as a class list, it is refused with a reason or
// read within its bounds.
func FuzzCSV(f *testing.F) {
	for _, seed := range []string{"email,full_name,username,role\nann@x.org,Ann,ann,ta\n", "\ufeffemail;role\r\na@x.org;\"student\"\r\n", "email\n\"", "email\n\"a\"b,c\n",
		"email\temail\n\t\n", "\x00", "email\n=cmd()|x\n", ",,,\n", "email,\"\n", "email\n" + strings.Repeat(",", 100)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, list []byte) {
		lines, err := parseRoster(list)
		if err != nil {
			if KindOf(err) == KindInternal {
				t.Fatal(err)
			}
			return
		}
		if len(lines) > maxRosterLines {
			t.Fatalf("got %d lines", len(lines))
		}
		last := 0
		for _, l := range lines {
			if l.number <= last || l.email+l.fullName+l.username+l.role == "" && !strings.ContainsAny(string(list), ",;\t") {
				t.Fatalf("got %+v after line %d", l, last)
			}
			last = l.number
		}
	})
}

// utf16List is a list in UTF-16 with its mark.
func utf16List(big bool, text string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune("\ufeff" + text)) {
		if big {
			b = append(b, byte(u>>8), byte(u))
		} else {
			b = append(b, byte(u), byte(u>>8))
		}
	}
	return string(b)
}

// Lines in, lines reported: whatever happens to a class list, each line with
// something in it is a person or has its reason, and a person whose line was
// left alone is there.
func TestDamagedRoster(t *testing.T) {
	t.Parallel()
	damage := []string{"\"", "\"\"", ",", ";", "\t", "'", "\u201c", "\u200b", "\\", "\"x", "x\"", "=", "@", " "}
	rapid.Check(t, func(t *rapid.T) {
		comma := rapid.SampledFrom([]string{",", ";", "\t"}).Draw(t, "comma")
		end := rapid.SampledFrom([]string{"\n", "\r\n", "\r"}).Draw(t, "end")
		lines := []string{strings.Join([]string{"email", "full_name", "username"}, comma)}
		hit := map[int]bool{}
		for i := range rapid.IntRange(1, 12).Draw(t, "people") {
			name := rapid.SampledFrom([]string{"Ann", "\"Lee" + comma + " Ann\"", "王小明", "O'Brien", "\"Ann \"\"A\"\" Lee\"", ""}).Draw(t, "name")
			line := []rune(fmt.Sprintf("p%d@x.org%s%s%su%d", i, comma, name, comma, i))
			for range rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(t, "times") {
				hit[i] = true
				at := rapid.IntRange(0, len(line)).Draw(t, "at")
				line = slices.Insert(line, at, []rune(rapid.SampledFrom(damage).Draw(t, "damage"))...)
			}
			lines = append(lines, string(line))
		}
		rows, err := readRoster([]byte(strings.Join(lines, end)))
		if err != nil {
			t.Fatal(err)
		}
		told := map[int]rosterRow{}
		for _, r := range rows {
			for n := r.number; n <= r.last; n++ {
				told[n] = r
			}
		}
		for i := range lines[1:] {
			r, ok := told[i+2]
			if !ok {
				t.Fatalf("line %d %q is in no row: %+v", i+2, lines[i+1], rows)
			}
			if want := fmt.Sprintf("p%d@x.org", i); !hit[i] && (r.fault.Pattern != "" || r.email != want) {
				t.Fatalf("line %d %q was left alone, and is %+v", i+2, lines[i+1], r)
			}
		}
	})
}

// A line that cannot be read says so, and what bounds there are.
func TestRosterFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ line, want string }{
		"Quote":   {`ann@x.org,"Ann`, "quotation mark"},
		"Within":  {`ann@x.org,"An"n"`, "quotation mark"},
		"Columns": {"ann@x.org" + strings.Repeat(",x", 200), "more than 100 columns"},
		"Long":    {"ann@x.org," + strings.Repeat("x", 10_000), "at most 8192"},
	} {
		rows, err := readRoster([]byte("email,full_name\n" + c.line + "\nben@x.org,Ben\n"))
		if err != nil || len(rows) != 2 || !strings.Contains(rows[0].fault.String(), c.want) || rows[1].email != "ben@x.org" {
			t.Errorf("%s: got %+v, %v", name, rows, err)
		}
	}
}

// parseRoster are the people of a class list, without the lines that cannot be
// read.
func parseRoster(data []byte) ([]rosterLine, error) {
	rows, err := readRoster(data)
	var people []rosterLine
	for _, r := range rows {
		if r.fault.Pattern == "" {
			people = append(people, r.rosterLine)
		}
	}
	return people, err
}
