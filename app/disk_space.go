package app

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"syscall"
	"time"

	"github.com/coagent-studio/coagent/app/blob"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/doctor"
	"github.com/coagent-studio/coagent/app/wording"
)

const (
	// spaceAge is how long a look at the disks holds, so that probes cost nothing.
	spaceAge = 5 * time.Second
	// A disk is full with less than the smaller of fullBytes and a fullShare-th of it. It has
	// room again with more than roomTimes that, so that a server does not come and go.
	fullBytes = 64 << 20
	fullShare = 50
	roomTimes = 2
	// probeBytes are written to find what the free space does not tell: a quota, a limit of
	// the process, a disk that has become read-only.
	probeBytes = 128 << 10
)

// DiskSpace is what is left on the disk of a path, and its size, in bytes; 0, 0 where
// that is not known.
type DiskSpace func(path string) (free, total uint64, err error)

// diskPlace is a folder without which this process cannot store what people send.
type diskPlace struct {
	setting, path string
	full          bool
}

// diskGuard knows whether the disks to which this process writes take more. It looks only
// when it is asked. A disk that does not come back holds up one look for ever, and no
// caller.
type diskGuard struct {
	now   clock
	log   *slog.Logger
	space DiskSpace

	mu      sync.Mutex
	places  []diskPlace
	looked  time.Time     // when the last look ended
	err     error         // what it found
	looking chan struct{} // closed when the look that runs ends; nil when none runs
}

// newDiskGuard guards the folders of an installation: that of the SQLite database, that of
// the files, and that of uploads if it is configured. The disk of a Postgres server is not
// for this process to know.
func newDiskGuard(cfg *config.Config, postgres bool, now clock, log *slog.Logger, space DiskSpace) *diskGuard {
	g := &diskGuard{now: now, log: log, space: space}
	if space == nil {
		g.space = doctor.Space
	}
	if !postgres {
		g.places = append(g.places, diskPlace{setting: "data_dir", path: cfg.DataDir})
	}
	if cfg.Files.Storage == inFolder {
		g.places = append(g.places, diskPlace{setting: "files.dir", path: cfg.FilesDir()})
	}
	if cfg.Files.TempDir != "" {
		g.places = append(g.places, diskPlace{setting: "files.temp_dir", path: cfg.UploadsDir()})
	}
	return g
}

// check returns nil while all disks take more; otherwise an error of KindUnavailable that
// names the setting of the folder.
func (g *diskGuard) check(ctx context.Context) error {
	g.mu.Lock()
	if !g.looked.IsZero() && g.now().Sub(g.looked) < spaceAge {
		defer g.mu.Unlock()
		return g.err
	}
	if g.looking == nil {
		g.looking = make(chan struct{})
		go g.look()
	}
	looking := g.looking
	g.mu.Unlock()
	select {
	case <-looking:
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.err
	case <-ctx.Done():
		e := errorf(KindUnavailable, wording.FilesUnavailable, "A disk to which the server writes does not answer")
		e.Err = ctx.Err()
		return e
	}
}

// look looks at every disk. Only one runs at a time, so places are its own.
func (g *diskGuard) look() {
	var found error
	for i := range g.places {
		p := &g.places[i]
		was := p.full
		err := g.lookAt(p)
		if found == nil {
			found = err
		}
		switch p.full = err != nil; {
		case p.full && !was:
			g.log.Error("the server is not ready: a disk takes no more", "setting", p.setting, "path", p.path, "err", errors.Unwrap(err))
		case was && !p.full:
			g.log.Info("the disk takes more again", "setting", p.setting, "path", p.path)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.err, g.looked = found, g.now()
	close(g.looking)
	g.looking = nil
}

// errLittleSpace is the cause when the bound is met before the disk itself refuses.
var errLittleSpace = errors.New("almost no space is left")

func (g *diskGuard) lookAt(p *diskPlace) error {
	free, total, err := g.space(p.path)
	if err == nil && total > 0 {
		bound := min(fullBytes, total/fullShare)
		if p.full {
			bound *= roomTimes
		}
		if free < bound {
			err = errLittleSpace
		}
	}
	if err == nil {
		err = writeProbe(p.path)
	}
	if err == nil {
		return nil
	}
	e := errorf(KindUnavailable, wording.FilesUnavailable, "Nothing can be written to the folder of %s", p.setting)
	if errors.Is(err, errLittleSpace) || blob.Full(err) || errors.Is(err, syscall.EFBIG) {
		e = errorf(KindUnavailable, wording.StorageFull, "The disk of %s is full: reading goes on, and nothing more is stored", p.setting)
	}
	e.Err = err
	return e
}

// writeProbe writes a little into a folder, and leaves nothing there.
func writeProbe(folder string) error {
	file, done, err := blob.Spool(folder)
	if err != nil {
		return err
	}
	defer done()
	_, err = file.Write(make([]byte, probeBytes))
	return err
}
