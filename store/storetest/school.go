package storetest

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/coagent-studio/coagent/store"
)

// Size is how large a School is.
type Size struct{ People, Messages int }

// School fills an empty SQLite database with a school that has rows in every table that a
// backup has, those of later migrations too: it reads from the schema what rows may hold.
func School(tb testing.TB, db *store.DB, size Size) {
	tb.Helper()
	ctx := tb.Context()
	lines, err := db.Schema(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	snap, err := db.Snapshot(ctx, true)
	if err != nil {
		tb.Fatal(err)
	}
	tables := snap.Tables
	if err := snap.Close(ctx); err != nil {
		tb.Fatal(err)
	}
	s := &school{tb: tb, size: size, about: map[string]string{}, key: map[string]string{}, has: map[string]bool{}}
	for _, l := range lines {
		table, what, _ := strings.Cut(l, ": ")
		if m := columnLine.FindStringSubmatch(what); m != nil {
			s.about[table+"."+m[1]] = m[2]
			if strings.Contains(m[2], "PRIMARY KEY") {
				s.key[table] = m[1]
			}
		}
	}
	for _, t := range tables {
		s.has[t.Name] = true
	}
	fill, err := db.BeginFill(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	for _, t := range tables {
		s.fill(fill, &t)
	}
	if err := fill.Whole(ctx); err != nil {
		tb.Fatal(err)
	}
}

var (
	columnLine = regexp.MustCompile(`^column \d+ (\w+) (.*)`)
	references = regexp.MustCompile(`REFERENCES (\w+)\(`)
	oneOf      = regexp.MustCompile(`\b(\w+) IN\(('[^)]*')\)`)
)

type school struct {
	tb    testing.TB
	size  Size
	about map[string]string // the definition of a column, by table.column
	key   map[string]string // the one column that is a table's key
	has   map[string]bool
}

// rows is how many rows a table has.
func (s *school) rows(table string) int {
	n := s.size.People/10 + 2
	switch table {
	case "users", "room_members", "course_members", "room_marks", "avatars", "user_keys":
		n = s.size.People
	case "messages", "events":
		n = s.size.Messages
	case "agent_turns", "usage", "audit_log":
		n = s.size.Messages/10 + 2
	}
	// Where the key is a reference there is one row for each of the others at most.
	if m := references.FindStringSubmatch(s.about[table+"."+s.key[table]]); m != nil {
		n = min(n, s.rows(m[1]))
	}
	return n
}

func (s *school) fill(fill *store.Fill, t *store.BackupTable) {
	s.tb.Helper()
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = c.Name
	}
	var part [][]any
	total := s.rows(t.Name)
	for n := range total {
		part = append(part, s.row(t, n))
		if len(part) == 2000 || n == total-1 {
			if err := fill.Rows(s.tb.Context(), t.Name, names, part); err != nil {
				s.tb.Fatal(err)
			}
			part = part[:0]
		}
	}
}

func (s *school) row(t *store.BackupTable, n int) []any {
	row, parents := make([]any, len(t.Columns)), 0
	spread := 1 // so that pairs of references are not there twice
	for i, c := range t.Columns {
		about := s.about[t.Name+"."+c.Name]
		if v, special := s.special(t.Name+"."+c.Name, n); special {
			row[i] = v
			continue
		}
		if m := references.FindStringSubmatch(about); m != nil {
			if !s.has[m[1]] {
				continue
			}
			of := s.rows(m[1])
			if m[1] == t.Name && n == 0 {
				continue // the first has none before it
			}
			row[i] = idOf(m[1], n/spread%of)
			if parents++; parents == 1 {
				spread = of
			}
			continue
		}
		row[i] = s.value(t.Name, c, about, n)
	}
	return row
}

// special are the values that a condition over several columns asks for, and those that make
// it a school.
func (s *school) special(column string, n int) (any, bool) {
	thread := n < s.rows("threads")/2
	switch column {
	case "users.bot_course_id", "outside_messages.step_id", "messages.deleted_at", "messages.hidden_at":
		return nil, true
	case "users.kind":
		return "person", true
	case "rooms.thread_id":
		if thread {
			return idOf("threads", n), true
		}
		return nil, true
	case "rooms.course_id":
		if thread {
			return nil, true
		}
		return idOf("courses", n%s.rows("courses")), true
	case "blobs.storage":
		return "database", true
	case "messages.content":
		return fmt.Sprintf("Message %d: what the %d. finch eats, and why. 為什麼? \"quoted\"\n\ttwo lines, <b>&</b> 🐦", n, n%97), true
	}
	return nil, false
}

var (
	schoolBegan = time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	schoolIDs   = uuid.MustParse("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
)

func idOf(table string, n int) string {
	return uuid.NewSHA1(schoolIDs, fmt.Appendf(nil, "%s/%d", table, n)).String()
}

func (s *school) value(table string, c store.BackupColumn, about string, n int) any {
	optional := !strings.Contains(about, "NOT NULL") && !strings.Contains(about, "PRIMARY KEY")
	if optional && n%3 == 2 {
		return nil
	}
	switch c.Kind {
	case "int":
		if c.Name == "context_window" {
			n %= 1000
		}
		return int64(n + 1)
	case "float":
		return float64(n%5) / 5
	case "bool":
		return n%2 == 0
	case "time":
		return schoolBegan.Add(time.Duration(n)*time.Minute + time.Duration(n%1_000_000)*time.Microsecond)
	case "bytes":
		return []byte{byte(n), 0, 255, byte(n >> 8)}
	}
	if c.Name == "id" && s.key[table] == "id" {
		return idOf(table, n)
	}
	for _, m := range oneOf.FindAllStringSubmatch(about, -1) {
		if words := strings.Split(m[2], ","); m[1] == c.Name {
			if c.Name == "state" {
				n = len(words) - 1 // a state that is over: of the others there may be one alone
			}
			return strings.Trim(words[n%len(words)], " '")
		}
	}
	// A text that is JSON too: the schema of SQLite does not tell which columns want that.
	return fmt.Sprintf(`{"z":%d, "%s": "é 中文 𝄞 \n"}`, n, c.Name)
}
