// Package telemetry tells what the program does: it counts (Prometheus),
// follows one piece of work across processes (OpenTelemetry), and puts the ids
// of that work on its log lines.
//
// It is a leaf: it imports the standard library and the two libraries behind
// it, and nothing of this program. Its methods are named after what happened;
// each that begins something returns the context to go on with and a function
// to call, once, when it is over.
//
// Invariants:
//   - Nothing is kept in variables of a package, ours or a library's: two
//     programs in one process (as in tests) do not mix.
//   - Labels are bounded: route templates, known methods, words of the program
//     and the names of configured providers; never what a client sent.
//   - Spans and log lines get ids, never text, names or keys.
//   - A trace begins here; a client's traceparent is not believed.
//   - Without an endpoint no span is made. What a trace context from another
//     process says still goes along with jobs.
//   - Nothing here fails or delays the work that it tells about.
package telemetry
