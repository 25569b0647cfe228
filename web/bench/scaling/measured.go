package scaling

import "time"

const us = time.Microsecond

// Measured is what `make bench` measured on a machine of two cores, which Postgres, the
// program and the writers shared. To renew it, copy what `go run ./web/bench -only
// posts,turn,fanout` prints.
func Measured() Alone {
	return Alone{
		Client: 160 * us, Server: 869 * us, Database: 718 * us,
		Row: 111 * us, RowDatabase: 182 * us, RowEach: 1298 * us,
		RowMany: 64 * us, RowManyDatabase: 121 * us,
	}
}

// Cores are those of the machine that measured.
const Cores = 2

// Reads are the statements before the transaction of a post, on average: of who reads its
// room, and of the limits.
const Reads = 2

// Pool is the default of database.pool.
const Pool = 20

// Check is a figure that was measured, and that the simulation has to come near to.
type Check struct {
	What   string
	School School
	Nodes  int
	Rate   float64 // measured, posts a second
	Others float64 // cores that others kept busy meanwhile
}

// Checks are of the same run as Measured.
func Checks() []Check {
	return []Check{
		{"1 writer", School{1, 1}, 1, 471, 1.1},
		{"8 writers", School{8, 8}, 1, 903, 0.7},
		{"32 writers", School{32, 32}, 1, 903, 0.7},
		{"32 writers, two nodes", School{32, 32}, 2, 797, 0.6},
		{"32 writers in one room", School{32, 1}, 1, 358, 0.7},
	}
}

// Within is the factor that the simulation has to come near by.
const Within = 1.5

// Reckon simulates it on a machine of so many cores.
func (c Check) Reckon(a Alone, cores int) float64 {
	cost := a.Costs(Reads)
	return Reckon(cost, Site{Nodes: c.Nodes, Cores: cores, Together: true, Others: c.Others, Flush: cost.Flush, Pool: Pool}, c.School).Rate
}
