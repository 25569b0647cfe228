// Package ui holds the studio, the web client of coagent, as it was built from the sources
// beside it: Vue and TypeScript, in src. `make ui` builds it into dist, each text compressed
// with brotli, and writes a sum of its sources into SOURCES. A test compares that sum, so that what
// is embedded is what the sources say; Go alone builds everything.
//
// Invariants: no inline script and no outside address, so that [Policy] holds. Files below
// assets/ are named by their content and never change. The package imports embed and
// io/fs, and nothing of ours.
package ui

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Files are the files of the studio by the paths of their addresses. Those that end in .br
// are compressed and are served under the name without it.
func Files() fs.FS {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // the path is a constant
	}
	return files
}

// Policy is the Content-Security-Policy under which the studio works. Formulas and diagrams
// place their parts by style attributes; style sheets are files.
const Policy = "default-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self' data: blob:; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
