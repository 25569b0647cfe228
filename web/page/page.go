// Package page holds the one plain page that coagent serves until the studio
// comes: sign-in, the list of rooms, one room with streamed answers, and the
// first-run set-up form.
//
// It is static files and nothing else: no build step, no framework, no outside
// address. Invariants: no inline script or style, so that [Policy] holds; text
// from people and agents enters the document as text nodes only. The page finds
// its files below /studio (/studio/app.js, /studio/style.css ...), where they
// are in no other client's way; index.html itself answers /, /studio,
// /setup and /reset, and tells them apart by the path.
// The package imports embed and nothing of ours.
package page

import "embed"

// Files are the files of the page, by name, without a folder.
//
//go:embed index.html *.js style.css favicon.svg
var Files embed.FS

// Policy is the Content-Security-Policy under which the page is written to
// work; 'self' in connect-src covers the socket of the same origin (CSP level 3).
const Policy = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
