package telemetry

import (
	"context"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Sockets are a hub's own counters since the start, and what is open now.
type Sockets struct {
	Open, Rooms int
	Frames      int64 // frames written
	Slow, Dead  int64 // connections closed because they were slow or silent
	Resyncs     int64
	SignalsLost int64 // signals (typing, presence, streamed text) that other nodes missed
}

// Standing is what the database knows of the whole installation.
type Standing struct {
	Jobs map[string]int // by state
	// Backup is the age of the newest whole backup, BackupFailure the time since one failed
	// last; nil where there is none.
	Backup, BackupFailure *time.Duration
}

const (
	// standingAge is how long a Standing is told again, however many scrape.
	standingAge = 10 * time.Second
	// queryTimeout bounds each question of a scrape to the database.
	queryTimeout = 2 * time.Second
	// scrapesAtOnce bounds concurrent scrapes, so that a faulty scraper does not
	// overload the database.
	scrapesAtOnce = 2
)

// Handler serves the counters in the text format of Prometheus.
func (t *Telemetry) Handler() http.Handler {
	return promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{MaxRequestsInFlight: scrapesAtOnce, Timeout: 3 * queryTimeout})
}

func (t *Telemetry) register(o Options) error {
	all := append(t.counted.all(), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if o.Sockets != nil {
		all = append(all, socketCollector(o.Sockets))
	}
	if o.QueueAges != nil {
		all = append(all, queueCollector(o.QueueAges))
	}
	if o.Standing != nil {
		all = append(all, standingCollector(o.Standing))
	}
	all = append(all, buildCollector(o.Version))
	for _, c := range all {
		if err := t.registry.Register(c); err != nil {
			return err
		}
	}
	return nil
}

func described(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("coagent_"+name, help, labels, nil)
}

// asked is a collector that gets its values at each scrape.
type asked struct {
	descs   []*prometheus.Desc
	collect func(func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string))
}

// Describe sends the descriptions of what Collect may send.
func (a asked) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range a.descs {
		ch <- d
	}
}

// Collect gets the current values and sends them.
func (a asked) Collect(ch chan<- prometheus.Metric) {
	a.collect(func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, value, labels...)
	})
}

func socketCollector(sockets func() Sockets) prometheus.Collector {
	const gauge, count = prometheus.GaugeValue, prometheus.CounterValue
	open := described("sockets_open", "Sockets that are open now.")
	rooms := described("rooms_open", "Rooms with an open socket on this node.")
	frames := described("socket_frames_total", "Frames written to sockets.")
	dropped := described("sockets_dropped_total", "Sockets closed because they could not keep up (slow) or gave no sign of life (dead).", "reason")
	resyncs := described("socket_resyncs_total", "Sockets that had to load the history again.")
	lost := described("signals_lost_total", "Signals to other nodes that were not sent: typing, presence, text as it streams.")
	return asked{[]*prometheus.Desc{open, rooms, frames, dropped, resyncs, lost},
		func(give func(*prometheus.Desc, prometheus.ValueType, float64, ...string)) {
			s := sockets()
			give(open, gauge, float64(s.Open))
			give(rooms, gauge, float64(s.Rooms))
			give(frames, count, float64(s.Frames))
			give(dropped, count, float64(s.Slow), "slow")
			give(dropped, count, float64(s.Dead), "dead")
			give(resyncs, count, float64(s.Resyncs))
			give(lost, count, float64(s.SignalsLost))
		}}
}

func buildCollector(version string) prometheus.Collector {
	info := described("build_info", "Always 1; the version of the program, and of the Go that built it.", "version", "goversion")
	return asked{[]*prometheus.Desc{info}, func(give func(*prometheus.Desc, prometheus.ValueType, float64, ...string)) {
		give(info, prometheus.GaugeValue, 1, version, runtime.Version())
	}}
}

// standingCollector gives nothing while the database does not answer, so that an old number
// is not taken for a new one.
func standingCollector(standing func(context.Context) (Standing, error)) prometheus.Collector {
	jobs := described("jobs", "Jobs in the queue by their state, on all nodes; 10000 stands for that or more.", "state")
	backup := described("backup_age_seconds", "Age of the newest whole backup that the program made by itself or when it was asked; missing when there is none.")
	failure := described("backup_failure_age_seconds", "Time since such a backup failed last; missing when none did.")
	var mu sync.Mutex
	var last Standing
	var found time.Time
	return asked{[]*prometheus.Desc{jobs, backup, failure}, func(give func(*prometheus.Desc, prometheus.ValueType, float64, ...string)) {
		mu.Lock()
		defer mu.Unlock()
		if found.IsZero() || time.Since(found) >= standingAge {
			ctx, cancel := context.WithTimeout(context.Background(), queryTimeout)
			defer cancel()
			now, err := standing(ctx)
			if err != nil {
				return
			}
			last, found = now, time.Now()
		}
		for state, n := range last.Jobs {
			give(jobs, prometheus.GaugeValue, float64(n), state)
		}
		since := time.Since(found)
		if last.Backup != nil {
			give(backup, prometheus.GaugeValue, (*last.Backup + since).Seconds())
		}
		if last.BackupFailure != nil {
			give(failure, prometheus.GaugeValue, (*last.BackupFailure + since).Seconds())
		}
	}}
}

func queueCollector(ages func(context.Context) (map[string]time.Duration, error)) prometheus.Collector {
	age := described("queue_age_seconds", "Time since the next job of a queue was due; 0 when none waits.", "queue")
	up := described("database_up", "Whether the database answered this scrape.")
	return asked{[]*prometheus.Desc{age, up}, func(give func(*prometheus.Desc, prometheus.ValueType, float64, ...string)) {
		ctx, cancel := context.WithTimeout(context.Background(), queryTimeout)
		defer cancel()
		found, err := ages(ctx)
		if err != nil {
			give(up, prometheus.GaugeValue, 0)
			return
		}
		give(up, prometheus.GaugeValue, 1)
		for queue, a := range found {
			give(age, prometheus.GaugeValue, a.Seconds(), queue)
		}
	}}
}
