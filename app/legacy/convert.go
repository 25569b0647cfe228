package legacy

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/dump"
)

// row is a row of the old system.
type row struct {
	dump.Row
	p     *plan
	table string
}

// id returns a uuid in the form in which we store it, "" when the value is none.
func (r row) id(column string) string {
	id, err := uuid.Parse(r.Text(column))
	if err != nil {
		return ""
	}
	return id.String()
}

// own is the id of the row, as the report names it.
func (r row) own() string {
	if id := r.id("id"); id != "" {
		return id
	}
	return r.Text("id")
}

// optional returns a text, nil for NULL.
func (r row) optional(column string) *string {
	if r.Null(column) {
		return nil
	}
	text := r.Text(column)
	return &text
}

// filled is optional where a blank text says nothing.
func (r row) filled(column string) *string {
	if strings.TrimSpace(r.Text(column)) == "" {
		return nil
	}
	return r.optional(column)
}

func (r row) flag(column string) bool {
	text := strings.ToLower(r.Text(column))
	return text == "t" || text == "true"
}

func (r row) whole(column string) int {
	n, err := strconv.Atoi(r.Text(column))
	if err != nil {
		return 0
	}
	return n
}

// layouts are how Postgres writes times. One without a zone is in UTC.
var layouts = []string{"2006-01-02 15:04:05.999999", "2006-01-02 15:04:05.999999-07", "2006-01-02 15:04:05.999999-07:00"}

func timeOf(text string) (time.Time, bool) {
	for _, layout := range layouts {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC(), true
		}
	}
	return time.Time{}, false
}

// when returns a time. Where there is none it is the beginning of the import.
func (r row) when(column string) time.Time {
	at, ok := timeOf(r.Text(column))
	if !ok {
		return r.p.now
	}
	return at
}

// json returns a JSON value, "" for NULL and for null.
func (r row) json(column string) store.JSON {
	text := strings.TrimSpace(r.Text(column))
	if text == "" || text == "null" || !json.Valid([]byte(text)) {
		return ""
	}
	return store.JSON(text)
}

// object is json for a column that must hold an object, list for one with a list.
func (r row) object(column string) store.JSON { return begins(r.json(column), '{', "{}") }

func (r row) list(column string) store.JSON { return begins(r.json(column), '[', "[]") }

func begins(text store.JSON, with byte, fallback store.JSON) store.JSON {
	if text == "" || text[0] != with {
		return fallback
	}
	return text
}

// titled is a title, which ours must have.
func (r row) titled(column string) string {
	text := strings.TrimSpace(r.Text(column))
	if text == "" {
		r.p.report.change(r.table, r.own(), "has no %s, and is called %s", column, untitled)
		return untitled
	}
	return text
}

const untitled = "(untitled)"

// madeOf is the id of a row that has none of its own in the old system. It is the same at
// each run.
func madeOf(parts ...string) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("coagent:import-legacy:"+strings.Join(parts, ":"))).String()
}

// timedID is madeOf for lists that are ordered by ids that begin with their time (v7).
func timedID(at time.Time, parts ...string) string {
	id := uuid.NewSHA1(uuid.NameSpaceURL, []byte(strings.Join(parts, ":")))
	ms := at.UnixMilli()
	for i := range 6 {
		id[i] = byte(ms >> (8 * (5 - i)))
	}
	id[6] = id[6]&0x0f | 0x70
	return id.String()
}
