package legacy

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// The kinds of findings.
const (
	leftOut = "left out" // the row does not come
	changed = "changed"  // it comes, and not as it was
	decide  = "decide"   // it comes, and somebody should look at it
)

// Finding is what the report says of one row. It never has a secret.
type Finding struct {
	Kind  string `json:"finding"`
	Table string `json:"table"`
	ID    string `json:"id,omitempty"`
	Why   string `json:"why"`
}

// Count is a line of the table at the end.
type Count struct {
	Table   string         `json:"table"`
	Read    int64          `json:"read"`
	Came    int64          `json:"written"`
	LeftOut int64          `json:"left_out"`
	Reasons map[string]int `json:"reasons,omitempty"`
}

// report collects what becomes of the rows.
type report struct {
	counts map[string]*Count
	order  []string
	shown  int
	kinds  map[string]int
	lines  io.Writer // for people; nil shows nothing
	file   io.Writer // JSON lines; nil writes none
	err    error     // the first of the file
}

// maxShown is how many findings are shown to people. The file has all of them.
const maxShown = 500

func newReport(lines, file io.Writer) *report {
	return &report{counts: map[string]*Count{}, kinds: map[string]int{}, lines: lines, file: file}
}

func (r *report) of(table string) *Count {
	c := r.counts[table]
	if c == nil {
		c = &Count{Table: table, Reasons: map[string]int{}}
		r.counts[table] = c
		r.order = append(r.order, table)
	}
	return c
}

// read counts a row.
func (r *report) read(table string) { r.of(table).Read++ }

// came counts a row that comes.
func (r *report) came(table string) { r.of(table).Came++ }

// leave says that a row does not come.
func (r *report) leave(table, id, why string, args ...any) {
	c := r.of(table)
	c.LeftOut++
	text := fmt.Sprintf(why, args...)
	if strings.HasPrefix(why, "%") {
		why = text
	}
	c.Reasons[reasonOf(why)]++
	r.say(Finding{leftOut, table, id, text})
}

// reasonOf is the part of a reason that many rows share: the text without its values.
func reasonOf(why string) string {
	head, _, _ := strings.Cut(why, ":")
	head, _, _ = strings.Cut(head, " %")
	return head
}

func (r *report) change(table, id, why string, args ...any) {
	r.say(Finding{changed, table, id, fmt.Sprintf(why, args...)})
}

func (r *report) decide(table, id, why string, args ...any) {
	r.say(Finding{decide, table, id, fmt.Sprintf(why, args...)})
}

func (r *report) say(f Finding) {
	r.kinds[f.Kind]++
	r.write(f)
	if r.lines == nil {
		return
	}
	switch r.shown++; {
	case r.shown <= maxShown:
		at := f.Table
		if f.ID != "" {
			at += " " + f.ID
		}
		fmt.Fprintf(r.lines, "%-9s %s: %s\n", f.Kind, at, f.Why)
	case r.shown == maxShown+1:
		fmt.Fprintln(r.lines, "... and more: --report FILE takes all of them")
	}
}

func (r *report) write(v any) {
	if r.file == nil || r.err != nil {
		return
	}
	enc := json.NewEncoder(r.file)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		r.err = fmt.Errorf("write the report: %w", err)
	}
}

// Counts lists the table at the end.
func (r *report) list() []Count {
	list := make([]Count, len(r.order))
	for i, table := range r.order {
		list[i] = *r.counts[table]
	}
	return list
}

// print writes the table at the end.
func print(w io.Writer, counts []Count) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "table\tread\twritten\tleft out\twhy")
	for _, c := range counts {
		var why []string
		for _, reason := range slices.Sorted(maps.Keys(c.Reasons)) {
			why = append(why, fmt.Sprintf("%d %s", c.Reasons[reason], reason))
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%s\n", c.Table, c.Read, c.Came, c.LeftOut, strings.Join(why, "; "))
	}
	return t.Flush()
}
