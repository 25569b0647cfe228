// Package telemetry reports what the program does. It counts (Prometheus), follows one
// piece of work across processes (OpenTelemetry), and adds the ids of that work to its
// log lines.
//
// It is a leaf: it imports the standard library, the libraries of Prometheus and
// OpenTelemetry and one for the log's file, and nothing of this program. Its methods are named after what
// happened. A method that begins something returns the context to continue with, and a
// function to call once when it is over.
//
// Invariants:
//   - No state is kept in package variables, neither ours nor a library's. So two
//     programs in one process, as in tests, do not mix.
//   - Labels are bounded: route templates, known methods, words of the program and the
//     names of configured providers. A label is never text that a client sent.
//   - Spans and log lines get ids, never text, names or keys.
//   - A trace begins here. A client's traceparent is ignored.
//   - Without an endpoint no span is made. A trace context from another process is
//     still passed on with jobs.
//   - Nothing here makes the work that it reports fail or wait.
package telemetry
