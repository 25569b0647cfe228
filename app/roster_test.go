package app

import (
	"slices"
	"strings"
	"testing"
)

func TestParseRoster(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		list string
		want []rosterLine
	}{
		"Commas":     {"email,full_name,username,role\nann@x.org,Ann,ann,ta\n", []rosterLine{{2, "ann@x.org", "Ann", "ann", "ta"}}},
		"Semicolons": {"\ufeffE-Mail;Full Name\r\n\r\nann@x.org; \"B; Ann\"\r\n", []rosterLine{{3, "ann@x.org", "B; Ann", "", ""}}},
		"Tabs":       {"role\temail\n\tann@x.org\n", []rosterLine{{2, "ann@x.org", "", "", ""}}},
		"Order":      {"x,username,email\n1,ann,ann@x.org,more\n", []rosterLine{{2, "ann@x.org", "", "ann", ""}}},
		"Short":      {"email,role\nann@x.org\n,,\n , \nben@x.org,student", []rosterLine{{2, "ann@x.org", "", "", ""}, {5, "ben@x.org", "", "", "student"}}},
		"Quoted":     {"email,full_name\nann@x.org,\"two\nlines\"\nben@x.org,5\" tall\n", []rosterLine{{2, "ann@x.org", "two\nlines", "", ""}, {4, "ben@x.org", `5" tall`, "", ""}}},
		"Empty":      {"email\n", nil},
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
