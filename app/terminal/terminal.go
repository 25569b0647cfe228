// Package terminal is what commands need of the terminal in which they run: passwords that
// nobody sees, and how far a long command is. It imports nothing of ours.
package terminal

import (
	"os"

	"golang.org/x/term"
)

// Is tells whether a file is a terminal.
func Is(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
