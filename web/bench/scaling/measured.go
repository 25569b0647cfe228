package scaling

import "time"

const us = time.Microsecond

// Measured is what `make bench` measured on a machine of two cores, which Postgres, the
// program and the writers shared, while others worked there too. To renew it, copy what
// `make bench ARGS="-only posts"` prints.
func Measured() Alone {
	return Alone{
		Client: 223 * us, Server: 1478 * us, Database: 1113 * us,
		Row: 168 * us, RowDatabase: 260 * us, RowEach: 1180 * us,
		RowMany: 77 * us, RowManyDatabase: 154 * us,
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
		{"1 writer", School{1, 1}, 1, 348.9, 1.03},
		{"8 writers", School{8, 8}, 1, 694.6, 0.47},
		{"32 writers", School{32, 32}, 1, 842.4, 0.61},
		{"32 writers, two nodes", School{32, 32}, 2, 746.2, 0.74},
		{"32 writers in one room", School{32, 1}, 1, 364.8, 0.81},
	}
}

// Within is the factor that the simulation has to come near by.
const Within = 1.5

// Reckon simulates it on a machine of so many cores.
func (c Check) Reckon(a Alone, cores int) float64 {
	cost := a.Costs(Reads)
	return Reckon(cost, Site{Nodes: c.Nodes, Cores: cores, Together: true, Others: c.Others, Flush: cost.Flush, Pool: Pool}, c.School).Rate
}
