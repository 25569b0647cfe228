// Package scaling reckons what one Postgres carries: how many posts a second, how many
// lessons, and what is full first. docs/scaling.md shows its tables.
//
// It is a simulation of queues. Its inputs are costs that `make bench` measures with one
// writer ([Measured]); what it reckons for many writers on the same machine is held
// against what was measured with many. It imports nothing of ours.
package scaling
