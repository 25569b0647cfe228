package app

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/coagent-studio/coagent/store"
)

// maxNamedUnreadable is how many unreadable values of a column are named. All are counted.
const maxNamedUnreadable = 1000

// KeyColumn says how the values of one encrypted column are encrypted.
type KeyColumn struct {
	Name  string `json:"name"`  // table and column
	Holds string `json:"holds"` // in English
	// Total counts all values; each counts under one of ByKey, or as unreadable.
	Total int `json:"total"`
	// ByKey counts the values by the key that made them, in the order of the configuration.
	// The first key is the one that encrypts.
	ByKey []int `json:"by_key"`
	// Rewritten counts what a rotation has encrypted anew.
	Rewritten int `json:"rewritten"`
	// Unreadable counts what none of the keys can read, and UnreadableIDs names the rows.
	Unreadable    int      `json:"unreadable"`
	UnreadableIDs []string `json:"unreadable_ids"`
}

// Older counts the values that another key than the first has made.
func (c *KeyColumn) Older() (n int) {
	for _, of := range c.ByKey[1:] {
		n += of
	}
	return n
}

// read counts a value.
func (c *KeyColumn) read(v store.EncryptedValue, key int, err error) {
	c.Total++
	if err == nil {
		c.ByKey[key]++
		return
	}
	if c.Unreadable++; len(c.UnreadableIDs) < maxNamedUnreadable {
		c.UnreadableIDs = append(c.UnreadableIDs, strings.Join(v.Key, " "))
	}
}

// KeyReport says how all encrypted values are encrypted.
type KeyReport struct {
	Keys    int         `json:"keys"` // how many are configured
	Columns []KeyColumn `json:"columns"`
}

// Older counts the values that need a rotation.
func (r *KeyReport) Older() (n int) {
	for i := range r.Columns {
		n += r.Columns[i].Older()
	}
	return n
}

// Unreadable counts the values that no key can read.
func (r *KeyReport) Unreadable() (n int) {
	for i := range r.Columns {
		n += r.Columns[i].Unreadable
	}
	return n
}

// Rewritten counts what a rotation has encrypted anew.
func (r *KeyReport) Rewritten() (n int) {
	for i := range r.Columns {
		n += r.Columns[i].Rewritten
	}
	return n
}

// ErrUnreadable says that there are values which no key can read. A command ends with it
// after its report, so that its exit code tells.
type ErrUnreadable struct{ Count int }

func (e *ErrUnreadable) Error() string {
	return fmt.Sprintf("%d stored values cannot be read with any of the keys. They stay as they are: put the missing key back "+
		"into auth.encryption_keys, behind the others, or enter these secrets again", e.Count)
}

// Text is the report for a person. rotated says that it is the end of a rotation.
func (r *KeyReport) Text(rotated bool) string {
	table := &strings.Builder{}
	if rotated {
		table.WriteString("values\trewritten\talready new\tunreadable\tcolumn\n")
	} else {
		table.WriteString("values\twith the first key\twith older keys\tunreadable\tcolumn\n")
	}
	names := &strings.Builder{}
	for i := range r.Columns {
		c := &r.Columns[i]
		second, third := c.ByKey[0], c.Older()
		if rotated {
			second, third = c.Rewritten, c.ByKey[0]-c.Rewritten
		}
		fmt.Fprintf(table, "%d\t%d\t%d\t%d\t%s: %s\n", c.Total, second, third, c.Unreadable, c.Name, c.Holds)
		for _, id := range c.UnreadableIDs {
			fmt.Fprintf(names, "unreadable: %s of %s\n", c.Name, id)
		}
		if more := c.Unreadable - len(c.UnreadableIDs); more > 0 {
			fmt.Fprintf(names, "unreadable: %s of %d more rows\n", c.Name, more)
		}
	}
	return aligned(table.String()) + names.String() + r.conclusion()
}

// aligned puts the cells of a table, with tabs between them, under each other.
func aligned(table string) string {
	out := &strings.Builder{} // writing to it never fails
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = w.Write([]byte(table))
	_ = w.Flush()
	return out.String()
}

// conclusion says what can be done now.
func (r *KeyReport) conclusion() string {
	switch older := r.Older(); {
	case older > 0:
		return fmt.Sprintf("%d values are encrypted with older keys: run coagent keys rotate\n", older)
	case r.Keys > 1 && r.Unreadable() == 0:
		return "Everything is encrypted with the first key: the others can be taken out of auth.encryption_keys.\n"
	}
	return "Everything that can be read is encrypted with the first key.\n"
}
