//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// benchStart builds the binary as it is shipped and starts it.
func benchStart(l *lab) error {
	bin, err := l.binary()
	if err != nil {
		return err
	}
	info, err := os.Stat(bin)
	if err != nil {
		return err
	}
	l.table.add(&figure{name: "stripped binary", db: "-", unit: "MiB", got: []float64{float64(info.Size()) / (1 << 20)}, aim: aim{valueAtMost, 40}})
	for _, kind := range l.databases() {
		if err := l.starts(kind, bin); err != nil {
			return err
		}
	}
	return nil
}

// binary builds the program as it is shipped, once.
func (l *lab) binary() (string, error) {
	if l.built != "" {
		return l.built, nil
	}
	bin := filepath.Join(l.dir, "coagent")
	build := exec.CommandContext(l.ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", bin, "github.com/coagent-studio/coagent")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w: %s", err, out)
	}
	l.built = bin
	return bin, nil
}

// environment is that of a program that serves a fresh database of this kind.
func (l *lab) environment(kind string) ([]string, error) {
	env := []string{"PATH=" + os.Getenv("PATH")}
	if kind != onPostgres {
		return env, nil
	}
	l.made++
	url, err := l.server.CreateDatabase(l.ctx, fmt.Sprintf("bench%d", l.made))
	return append(env, "DATABASE_URL="+url, "SECRET_KEY="+secretKey, "COAGENT_DATABASE_AUTO_MIGRATE=true",
		"ENCRYPTION_KEY=MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="), err
}

func (l *lab) starts(kind, bin string) error {
	fresh := &figure{name: "start to ready, first run", db: kind, unit: "s", aim: aim{valueAtMost, 0.3}}
	again := &figure{name: "start to ready, existing data", db: kind, unit: "s", aim: aim{valueAtMost, 0.15}}
	memory := &figure{name: "idle memory", db: kind, unit: "MiB", aim: aim{valueAtMost, 45}}
	for i := range l.rounds {
		dir := filepath.Join(l.dir, fmt.Sprintf("start-%s-%d", kind, i))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		env, err := l.environment(kind)
		if err != nil {
			return err
		}
		first, _, err := l.startOnce(bin, dir, env, 0)
		if err != nil {
			return err
		}
		next, used, err := l.startOnce(bin, dir, env, 2*time.Second)
		if err != nil {
			return err
		}
		fresh.got, again.got = append(fresh.got, first.Seconds()), append(again.got, next.Seconds())
		memory.got, again.cpu = append(memory.got, float64(used.RSS)/(1<<20)), append(again.cpu, used.CPU)
	}
	again.note = "CPU: start, stop and a moment between"
	l.table.add(fresh)
	l.table.add(again)
	l.table.add(memory)
	return nil
}

// startOnce serves a folder until it is ready and has then been idle for a while.
func (l *lab) startOnce(bin, dir string, env []string, idle time.Duration) (ready time.Duration, used usage, err error) {
	addr, err := freeAddr(l.ctx)
	if err != nil {
		return 0, used, err
	}
	cmd := exec.CommandContext(l.ctx, bin, "serve", "--addr", addr)
	cmd.Dir, cmd.Env = dir, env
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, used, err
	}
	err = await(l.ctx, "coagent to be ready", func() bool { return isReady(l.ctx, addr) })
	ready = time.Since(began)
	time.Sleep(idle)
	used.memory = memoryOf(cmd.Process.Pid)
	err = errors.Join(err, cmd.Process.Signal(syscall.SIGTERM), cmd.Wait())
	used.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return ready, used, err
}

func isReady(ctx context.Context, addr string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/readyz", nil)
	if err != nil {
		return false
	}
	res, err := probe.Do(req)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// probe keeps no connections, so it never delays a stop.
var probe = &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

func freeAddr(ctx context.Context) (string, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}
