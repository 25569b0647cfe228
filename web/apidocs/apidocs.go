// Package apidocs holds the two pages that show the description of the API to
// people: Swagger UI and Redoc, as their makers built them, compressed with
// brotli.
//
// pack.sh fetches and packs the pinned releases. Invariants: no inline script
// and no outside address, so that [Policy] holds; a test compares what is
// embedded with the sums of the releases. The package imports embed and
// nothing of ours.
package apidocs

import "embed"

// Files are the files of the pages by name, without a folder; those that end
// in .br are compressed and are served under the name without it.
//
//go:embed *.html docs.js redoc.js *.br
var Files embed.FS

// Policy is the Content-Security-Policy under which both pages work: Redoc
// writes style sheets and searches in a worker made of a blob, Swagger UI has
// pictures in its style sheet.
const Policy = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; worker-src 'self' blob:; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
