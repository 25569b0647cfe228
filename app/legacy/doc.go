// Package legacy moves a school over from the existing system that is written in Python: it
// reads that system's Postgres by package store/dump and fills a database of ours.
//
// An import has two passes over the source. The first one plans: it judges every row, says
// in the report what becomes of it, and keeps the rows of all small tables in memory. A dry
// run ends there. The second one writes the plan in batches. What is long, such as messages,
// is read from the source again, in its order, a few rows at a time.
//
// Invariants:
//   - The plan depends only on the source, the settings and the time at which the import
//     began, which is stored. So it is the same after a kill.
//   - Each batch commits with the place that it ends at. So no row is written twice.
//   - The database is marked as unfinished from before its first table until the last batch.
//   - An id is kept. So links and references in texts stay right.
//   - Nothing starts because of an import: no job, no event, no decision of an agent.
//   - No secret is stored or printed in clear.
//
// It stands above package app, whose rules judge what comes, beside package web.
package legacy
