package scaling

import "time"

// Alone is what was measured with one writer who posts as fast as it is answered, and of
// one row of 200 bytes in a transaction by the bare driver, with one connection and with
// many.
type Alone struct {
	Client, Server, Database time.Duration // CPU of one post
	Row, RowDatabase         time.Duration // CPU of one row, with one connection
	RowEach                  time.Duration // from one row to the next
	RowMany, RowManyDatabase time.Duration // CPU of one row, with 32 connections
}

// Costs are what the simulation takes for one post.
type Costs struct {
	Client, Server, Database time.Duration // CPU while nobody is idle
	Reads                    int           // statements before the transaction
	// Wake is what a core spends beside that when it was idle: a process of Go looks for
	// work for a while before it sleeps.
	Wake     time.Duration
	FlushCPU time.Duration // of a flush of the log, however many commits share it
	Flush    time.Duration // the wait for the disk
}

// inTransaction are the statements of the transaction of a post: begin, the post, commit.
const inTransaction = 3

func (c Costs) statements() int { return c.Reads + inTransaction }

// statement is Postgres' CPU of one of them.
func (c Costs) statement() time.Duration { return c.Database / time.Duration(c.statements()) }

// burst is a server's CPU between two waits: for the request, and for each statement.
func (c Costs) burst() time.Duration { return c.Server / time.Duration(c.statements()+1) }

// Costs takes apart what one writer measures.
//
// With many connections nobody is idle and many commits share a flush. So what a row costs
// more with one connection is, for the driver, one wake, and for Postgres, one flush. A
// post pays a wake for each wait, and one flush.
func (a Alone) Costs(reads int) Costs {
	// On a machine that others use, one connection may measure less than many.
	c := Costs{Reads: reads, Wake: max(a.Row-a.RowMany, 0), FlushCPU: max(a.RowDatabase-a.RowManyDatabase, 0)}
	c.Flush = max(a.RowEach-a.Row-a.RowDatabase, 0)
	c.Client = max(a.Client-c.Wake, 0)
	c.Server = max(a.Server-time.Duration(c.statements()+1)*c.Wake, 0)
	c.Database = max(a.Database-c.FlushCPU, 0)
	return c
}
