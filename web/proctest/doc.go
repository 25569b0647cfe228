// Package proctest starts real coagent processes for tests: the binary as it
// ships, on a database of its own, against a model provider in the test's
// process (llmtest), with clients that behave as browsers do.
//
// A [Site] is one installation: a database, its secrets and the processes on
// it. Everything in it is made through commands and the HTTP API, so that a
// test covers the whole wiring. A [Member] is a person with a socket that
// reconnects, resends what was not acknowledged and records what it is told;
// [Site.Check] compares all of that with the stored rows.
//
// It may import store, for reading rows behind the processes' backs, and the
// other packages of test support; nothing of the program imports it. Methods
// that a test calls from its own goroutine end the test when they fail, those
// that return an error may be called from any. Every process ends with the
// test that started it, on Linux also when the test process is killed. Unix
// only.
package proctest
