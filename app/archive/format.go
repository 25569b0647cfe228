// Package archive is the form of a backup: one file with all rows of a school and the
// contents of its files, which is written, read and checked as a stream.
//
// It is a leaf and knows io alone: where rows come from, and where they go, others say. An
// archive is a tar inside zstd with these entries, in this order:
//
//	manifest.json              what this is: Manifest
//	rows/TABLE/000001.jsonl    rows of a table, each a JSON array on a line of its own
//	files/ID/000001            content of a file in pieces
//	files/ID/end.json          how long the file is, and its SHA-256
//	end.json                   what must have been there: End
//
// # Invariants
//
//   - Without its last entry an archive is cut, and is refused.
//   - Each entry carries the SHA-256 of its content in its header.
//   - Equal rows are equal lines, whichever database they come from.
//   - Writing and reading hold one entry in memory, and never more than MaxEntry. An entry
//     that is longer than PartBytes is one row.
//   - No name in an archive is ever used as a path.
package archive

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/bits"
	"regexp"
	"time"
)

// Format is the version of the form that this program writes. It reads every version up to
// this one.
const Format = 1

const (
	// PartBytes is how long the entries become, but those with one row that is longer.
	PartBytes = 4 << 20
	// MaxEntry bounds an entry, and so a row.
	MaxEntry = 256 << 20

	manifestName = "manifest.json"
	endName      = "end.json"
	// sumRecord is the SHA-256 of an entry's content, in its PAX header. GNU tar takes it for
	// an extended attribute and says nothing.
	sumRecord = "SCHILY.xattr.user.coagent.sha256"
)

// Kind is what a column holds.
type Kind string

// The kinds of columns. JSON values are Text: their text is kept as it is.
const (
	Text  Kind = "text"
	Int   Kind = "int"
	Float Kind = "float"
	Bool  Kind = "bool"
	Time  Kind = "time"
	Bytes Kind = "bytes"
)

// Column is a column of a table.
type Column struct {
	Name string `json:"name"`
	Kind Kind   `json:"kind"`
}

// Table is a table whose rows are in an archive.
type Table struct {
	Name    string   `json:"name"`
	Columns []Column `json:"columns"`
}

// LeftOut is what an archive does not have, and why. Missed says that people notice: it does
// not come again by itself.
type LeftOut struct {
	What   string `json:"what"`
	Why    string `json:"why"`
	Missed bool   `json:"missed,omitempty"`
}

// Manifest says what an archive has.
type Manifest struct {
	Format   int       `json:"format"`
	Program  string    `json:"program"`  // the version that wrote it
	Database string    `json:"database"` // sqlite or postgres
	Made     time.Time `json:"made"`     // when the snapshot was taken
	Schema   []string  `json:"schema"`   // the migrations that made the tables, in order
	WithKeys bool      `json:"with_keys"`
	// Canary is a known word, encrypted with the keys that the encrypted columns need. It is
	// there only with keys.
	Canary  string    `json:"canary,omitempty"`
	Tables  []Table   `json:"tables"`
	LeftOut []LeftOut `json:"left_out"`
}

// TableSum says what an archive has of a table. SHA256 is the sum, modulo 2^256, of the
// hashes of all lines: the order of the rows does not matter.
type TableSum struct {
	Name   string `json:"name"`
	Rows   int64  `json:"rows"`
	Parts  int    `json:"parts"`
	SHA256 string `json:"sha256"`
}

// FileSum says what an archive has of files. SHA256 is the sum of the hashes of each file's
// id and hash.
type FileSum struct {
	Files  int64  `json:"files"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// End is the last entry of an archive.
type End struct {
	Tables []TableSum `json:"tables"`
	Files  FileSum    `json:"files"`
	// Gone are files whose content was not where it should lie, some of them.
	Gone []string `json:"gone,omitempty"`
}

// Rows is how many rows there are in all tables.
func (e *End) Rows() (n int64) {
	for _, t := range e.Tables {
		n += t.Rows
	}
	return n
}

// Table returns what there is of a table.
func (e *End) Table(name string) TableSum {
	for _, t := range e.Tables {
		if t.Name == name {
			return t
		}
	}
	return TableSum{Name: name, SHA256: (&Sum{}).String()}
}

// fileEnd ends the pieces of a file.
type fileEnd struct {
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Sum adds up hashes modulo 2^256.
type Sum [4]uint64

// Add adds the hash of a row or a file.
func (s *Sum) Add(hash [32]byte) {
	var carry uint64
	for i := range s {
		var word uint64
		for _, b := range hash[i*8 : i*8+8] {
			word = word<<8 | uint64(b)
		}
		s[i], carry = bits.Add64(s[i], word, carry)
	}
}

// String is the sum in hexadecimal.
func (s *Sum) String() string {
	var b [32]byte
	for i, word := range s {
		for j := range 8 {
			b[i*8+j] = byte(word >> (56 - 8*j))
		}
	}
	return hex.EncodeToString(b[:])
}

var (
	// ErrNewer says that an archive has a form that only a newer program reads.
	ErrNewer = errors.New("the archive was written by a newer version of coagent")
	// ErrTooLong says that a row is longer than an archive can hold.
	ErrTooLong = errors.New("a row is too long for an archive")
)

// Damage says where an archive is not as it was written.
type Damage struct {
	Entry string // the file inside the archive
	At    int64  // the place in what is unpacked
	Read  int64  // how much of the archive itself was read until then
	Err   error
}

// Error names the entry and both places.
func (d *Damage) Error() string {
	entry := d.Entry
	if entry == "" {
		entry = "its beginning"
	}
	return fmt.Sprintf("the archive is damaged at %s (byte %d of what is unpacked, before byte %d of the archive): %v", entry, d.At, d.Read, d.Err)
}

// Unwrap returns what was wrong there.
func (d *Damage) Unwrap() error { return d.Err }

var (
	tableName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)
	fileID    = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)
)

// check refuses a manifest that this program cannot read.
func (m *Manifest) check() error {
	switch {
	case m.Format < 1:
		return errors.New("its manifest names no version of the form")
	case m.Format > Format:
		return fmt.Errorf("%w: form %d, and this one reads up to %d", ErrNewer, m.Format, Format)
	case len(m.Schema) == 0 || len(m.Tables) == 0:
		return errors.New("its manifest names no tables or no schema")
	}
	seen := map[string]bool{}
	for _, t := range m.Tables {
		if !tableName.MatchString(t.Name) || seen[t.Name] || len(t.Columns) == 0 {
			return fmt.Errorf("its manifest names a table %q that cannot be", t.Name)
		}
		seen[t.Name] = true
		columns := map[string]bool{}
		for _, c := range t.Columns {
			if !tableName.MatchString(c.Name) || columns[c.Name] || !c.Kind.known() {
				return fmt.Errorf("its manifest names a column %q of %s that cannot be", c.Name, t.Name)
			}
			columns[c.Name] = true
		}
	}
	return nil
}

func (k Kind) known() bool {
	switch k {
	case Text, Int, Float, Bool, Time, Bytes:
		return true
	}
	return false
}
