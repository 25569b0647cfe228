package scaling

import (
	"container/heap"
	"math/rand/v2"
	"slices"
	"time"
)

// simulation runs events in the order of their times. It knows no other time.
type simulation struct {
	now    time.Duration
	count  int
	queue  events
	chance *rand.Rand
}

type event struct {
	at    time.Duration
	count int // of equal times the first comes first
	do    func()
}

type events []event

// Len, Less, Swap, Push and Pop are for container/heap.
func (e events) Len() int { return len(e) }

// Less orders by time.
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].count < e[j].count
}

// Swap exchanges two.
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }

// Push adds one at the end.
func (e *events) Push(x any) { *e = append(*e, x.(event)) }

// Pop removes the last.
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

func newSimulation() *simulation { return &simulation{chance: rand.New(rand.NewPCG(1, 2))} }

func (s *simulation) after(d time.Duration, do func()) {
	s.count++
	heap.Push(&s.queue, event{s.now + d, s.count, do})
}

// until runs what happens up to a moment.
func (s *simulation) until(end time.Duration) {
	for len(s.queue) > 0 && s.queue[0].at <= end {
		e := heap.Pop(&s.queue).(event)
		s.now = e.at
		e.do()
	}
	s.now = end
}

// about returns a duration within a half of the mean, so that the writers do not march in
// step.
func (s *simulation) about(mean time.Duration) time.Duration {
	return time.Duration(float64(mean) * (0.5 + s.chance.Float64()))
}

// station is something of which there is a number: cores, connections, the right to write
// a row. Whoever finds none free waits in line.
type station struct {
	sim   *simulation
	name  string
	size  int
	taken int
	line  []func()
	// others is how long others have a core, for each moment of work on it. The system
	// lets whoever has slept go first, so they come after it.
	others float64
	// Since clear: how long they were taken, all of them together, and whether somebody
	// had to wait.
	busy   time.Duration
	waited bool
}

// clear begins to measure.
func (c *station) clear() { c.busy, c.waited = 0, false }

// take calls then when there is one free; idle tells whether there was one at once.
func (c *station) take(then func(idle bool)) {
	if c.taken < c.size {
		c.taken++
		then(true)
		return
	}
	c.waited = true
	c.line = append(c.line, func() { then(false) })
}

// free gives one back, which was used for so long.
func (c *station) free(used time.Duration) {
	c.busy += used
	if len(c.line) == 0 {
		c.taken--
		return
	}
	next := c.line[0]
	c.line = c.line[1:]
	next()
}

// work takes one for a while. Waking it from idleness costs more.
func (c *station) work(cost, wake time.Duration, then func()) {
	c.take(func(idle bool) {
		used := c.sim.about(cost)
		if idle {
			used += wake
		}
		c.sim.after(used, func() {
			c.busy += used
			c.sim.after(time.Duration(float64(used)*c.others), func() { c.free(0) })
			then()
		})
	})
}

// disk flushes the log. All who wait when a flush begins share it.
type disk struct {
	sim     *simulation
	cores   *station
	cpu     time.Duration // of a flush
	wait    time.Duration // for the disk
	running bool
	line    []func()
	busy    time.Duration
}

func (d *disk) flush(then func()) {
	d.line = append(d.line, then)
	if !d.running {
		d.begin()
	}
}

func (d *disk) begin() {
	d.running = true
	began := d.sim.now
	d.cores.work(d.cpu, 0, func() {
		// Whoever came while the flush waited for a core has written to the log too.
		shared := d.line
		d.line = nil
		d.sim.after(d.sim.about(d.wait), func() {
			d.busy += d.sim.now - began
			d.running = false
			if len(d.line) > 0 {
				d.begin()
			}
			for _, then := range shared {
				then()
			}
		})
	})
}

// quantile returns the value below which the share q of all lies.
func quantile(all []time.Duration, q float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[int(q*float64(len(sorted)-1))]
}
