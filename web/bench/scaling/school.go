package scaling

import (
	"cmp"
	"slices"
	"time"
)

// Site is where the program runs.
type Site struct {
	Nodes     int // processes that serve
	NodeCores int // of each
	Cores     int // of Postgres
	// Together says that all of it, and the writers too, share Cores, as where it is measured.
	Together bool
	Others   float64       // cores that others keep busy there, who are not of this
	Network  time.Duration // from a node to Postgres and back
	Flush    time.Duration // of the log to Postgres' disk
	Pool     int           // connections of a node, the setting database.pool
}

// School is who writes. Each writer posts as soon as the post before is stored.
type School struct{ Writers, Rooms int }

// Reckoned is what a simulation shows.
type Reckoned struct {
	Rate     float64 // posts in a second
	P50, P99 time.Duration
	Used     []Use // the fullest first
}

// Use is how full something is, between 0 and 1.
type Use struct {
	What  string
	Share float64
}

// The names of what may be full.
const (
	OfNodes    = "cores of the nodes"
	OfPostgres = "cores of Postgres"
	OfFlush    = "flush of the log"
	OfPool     = "connections"
	OfRoom     = "row of a room"
)

// posting is one simulation.
type posting struct {
	*simulation
	cost Costs
	site Site

	clients  *station
	nodes    []*station
	pools    []*station
	database *station
	disk     *disk
	rooms    []*station

	took      []time.Duration
	measuring bool
}

// The time that is simulated, and how much of it comes before the measurement.
const (
	simulated = 3 * time.Second
	warmUp    = time.Second / 2
)

// Reckon simulates posts.
func Reckon(cost Costs, site Site, school School) Reckoned {
	p := newPosting(cost, site, school)
	for i := range school.Writers {
		p.write(i)
	}
	p.until(warmUp)
	p.measuring = true
	for _, c := range p.stations() {
		c.clear()
	}
	p.disk.busy = 0
	p.until(simulated)
	return p.result()
}

func newPosting(cost Costs, site Site, school School) *posting {
	p := &posting{simulation: newSimulation(), cost: cost, site: site}
	of := func(name string, size int) *station { return &station{sim: p.simulation, name: name, size: size} }
	p.database = of(OfPostgres, site.Cores)
	p.database.others = site.Others / max(float64(site.Cores)-site.Others, 0.1)
	// Elsewhere the writers have machines of their own.
	p.clients = of("", school.Writers)
	if site.Together {
		p.clients = p.database
	}
	for range site.Nodes {
		node := p.database
		if !site.Together {
			node = of(OfNodes, site.NodeCores)
		}
		p.nodes, p.pools = append(p.nodes, node), append(p.pools, of(OfPool, site.Pool))
	}
	p.disk = &disk{sim: p.simulation, cores: p.database, cpu: cost.FlushCPU, wait: site.Flush}
	for range school.Rooms {
		p.rooms = append(p.rooms, of(OfRoom, 1))
	}
	return p
}

// write lets a writer post, again and again.
//
// A request comes to the node. The node reads what it must know, begins, stores the post
// in one statement, which locks the row of its room, and commits. The lock is held until
// the log is on the disk.
func (p *posting) write(i int) {
	began := p.now
	node, pool, room := p.nodes[i%len(p.nodes)], p.pools[i%len(p.pools)], p.rooms[i%len(p.rooms)]
	c := p.cost
	p.clients.work(c.Client, c.Wake, func() {
		node.work(c.burst(), c.Wake, func() {
			p.asks(node, c.Reads, func() {
				pool.take(func(bool) {
					connected := p.now
					p.ask(node, func() {
						p.locked(room, func(unlock func()) {
							p.ask(node, func() {
								p.commit(node, unlock, func() {
									pool.free(p.now - connected)
									if p.measuring {
										p.took = append(p.took, p.now-began)
									}
									p.write(i)
								})
							})
						})
					})
				})
			})
		})
	})
}

// locked holds the row of a room until unlock.
func (p *posting) locked(room *station, then func(unlock func())) {
	room.take(func(idle bool) {
		from := p.now
		locked := func() { then(func() { room.free(p.now - from) }) }
		if idle {
			locked()
			return
		}
		// Who has waited finds another row than before, and Postgres begins anew with it.
		p.database.work(p.cost.statement(), 0, locked)
	})
}

// ask sends a statement to Postgres, and works on the answer.
func (p *posting) ask(node *station, then func()) {
	p.after(p.site.Network, func() {
		p.database.work(p.cost.statement(), 0, func() { node.work(p.cost.burst(), p.cost.Wake, then) })
	})
}

func (p *posting) asks(node *station, n int, then func()) {
	if n == 0 {
		then()
		return
	}
	p.ask(node, func() { p.asks(node, n-1, then) })
}

// commit ends the transaction.
func (p *posting) commit(node *station, unlock, then func()) {
	p.after(p.site.Network, func() {
		p.database.work(p.cost.statement(), 0, func() {
			p.disk.flush(func() {
				unlock()
				node.work(p.cost.burst(), p.cost.Wake, then)
			})
		})
	})
}

func (p *posting) stations() []*station {
	all := append([]*station{p.database}, p.pools...)
	if !p.site.Together {
		all = append(all, p.nodes...)
	}
	return append(all, p.rooms...)
}

func (p *posting) result() Reckoned {
	span := simulated - warmUp
	r := Reckoned{Rate: float64(len(p.took)) / span.Seconds(), P50: quantile(p.took, 0.5), P99: quantile(p.took, 0.99)}
	busy, size := map[string]time.Duration{}, map[string]float64{}
	for _, c := range p.stations() {
		if c.name == OfRoom && !c.waited {
			continue // it is locked for a while by each post, and nobody minds
		}
		busy[c.name] += c.busy
		size[c.name] += float64(c.size)
	}
	busy[OfFlush], size[OfFlush] = p.disk.busy, 1
	size[OfPostgres] -= p.site.Others
	for _, what := range []string{OfNodes, OfPostgres, OfRoom, OfPool, OfFlush} {
		if size[what] > 0 {
			r.Used = append(r.Used, Use{what, min(1, float64(busy[what])/float64(span)/size[what])})
		}
	}
	slices.SortStableFunc(r.Used, func(a, b Use) int { return cmp.Compare(b.Share, a.Share) })
	return r
}

// full is the share from which on more of something would let more through.
const full = 0.85

// First is what is full first. Connections are held while a post waits for anything else,
// so they count when nothing else is full.
func (r Reckoned) First() string {
	for _, u := range r.Used {
		if u.What != OfPool && u.What != OfFlush && u.Share >= full {
			return u.What
		}
	}
	return r.Used[0].What
}

func (r Reckoned) use(what string) float64 {
	for _, u := range r.Used {
		if u.What == what {
			return u.Share
		}
	}
	return 0
}
