//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

const (
	restFor = 10 * time.Minute
	// restSmall is for -size small. The figure is of ten minutes all the same.
	restSmall = time.Minute
	// restAfter is how long a program has been ready before the time begins.
	restAfter = 20 * time.Second
)

// resting is a program that nobody uses.
type resting struct {
	kind  string
	cmd   *exec.Cmd
	begin time.Time
	cpu   time.Duration // until then
}

// beginRest starts a program on each database, for which the other benches need not wait.
func (l *lab) beginRest() error {
	if runtime.GOOS != "linux" {
		return errors.New("CPU and memory of another process are read on Linux alone")
	}
	bin, err := l.binary()
	if err != nil {
		return err
	}
	for _, kind := range l.databases() {
		env, err := l.environment(kind)
		if err != nil {
			return err
		}
		addr, err := freeAddr(l.ctx)
		if err != nil {
			return err
		}
		dir := filepath.Join(l.dir, "rest-"+kind)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		cmd := exec.CommandContext(l.ctx, bin, "serve", "--addr", addr)
		cmd.Dir, cmd.Env = dir, env
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // as in spawn
		if err := cmd.Start(); err != nil {
			return err
		}
		r := &resting{kind: kind, cmd: cmd}
		l.resting = append(l.resting, r)
		if err := await(l.ctx, "coagent to be ready", func() bool { return isReady(l.ctx, addr) }); err != nil {
			return err
		}
	}
	if err := l.pause(restAfter); err != nil {
		return err
	}
	for _, r := range l.resting {
		r.begin, r.cpu = time.Now(), cpuOf(r.cmd.Process.Pid)
	}
	return nil
}

// pause waits, or returns why the lab ends.
func (l *lab) pause(d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-l.ctx.Done():
		return l.ctx.Err()
	}
}

// benchRest measures what the program uses while nobody uses it.
func benchRest(l *lab) error {
	for _, r := range l.resting {
		if err := l.pause(l.restFor - time.Since(r.begin)); err != nil {
			return err
		}
		used, rested := cpuOf(r.cmd.Process.Pid)-r.cpu, time.Since(r.begin)
		m := memoryOf(r.cmd.Process.Pid)
		share := float64(used) / float64(rested)
		l.table.add(&figure{name: "rest: CPU of ten minutes", db: r.kind, unit: "s", got: []float64{share * restFor.Seconds()},
			aim: aim{valueAtMost, 0.003 * restFor.Seconds()}, note: fmt.Sprintf("%.2f %% of a core, over %s", share*100, rested.Round(time.Second))})
		l.table.add(&figure{name: "rest: resident memory", db: r.kind, unit: "MiB", got: []float64{float64(m.RSS) / (1 << 20)}, aim: aim{valueAtMost, 50}})
		l.table.add(&figure{name: "rest: anonymous memory", db: r.kind, unit: "MiB", got: []float64{float64(m.Anon) / (1 << 20)}, aim: aim{valueAtMost, 25}})
	}
	return nil
}

// endRest ends the programs.
func (l *lab) endRest() (err error) {
	for _, r := range l.resting {
		err = errors.Join(err, r.cmd.Process.Signal(syscall.SIGTERM), r.cmd.Wait())
	}
	return err
}
