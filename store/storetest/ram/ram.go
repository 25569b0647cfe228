// Package ram finds a folder in memory for files that tests throw away. A disk is
// busy for most of a second with the thousand files of one Postgres database.
package ram

import "os"

// Dir returns the folder for [os.MkdirTemp] to make temporary folders in. It is a folder
// in memory where the machine has one with enough room. Otherwise, or where TMPDIR names
// a folder, it is empty, which means the usual one.
func Dir() string {
	if os.Getenv("TMPDIR") != "" {
		return ""
	}
	return find()
}
