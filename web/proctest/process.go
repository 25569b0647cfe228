//go:build unix

package proctest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// readyTimeout bounds the start of a process; a busy machine is slow.
const readyTimeout = 60 * time.Second

// Process is one `coagent serve` or `coagent worker`. A test can end it and start it
// again. Its methods may be called from any goroutine.
type Process struct {
	Name string
	URL  string // only of a serve; the same after a restart

	bin  string
	args []string
	env  []string
	dir  string
	log  logBuffer

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{} // closed when cmd has ended
}

// logBuffer keeps what a process writes.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write appends to the log.
func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Log returns everything that the process has written, over all its restarts.
func (p *Process) Log() string { return p.log.String() }

// PID returns the process id, 0 when the process is not running.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

// portTaken is part of a serve's message when another has its port: another process that
// searched for a free one, or an outgoing connection of the machine.
const portTaken = "address already in use"

// portPatience is how long to wait for such a port.
const portPatience = 5 * time.Second

// Start starts the process and returns how long it took to be ready.
func (p *Process) Start(ctx context.Context) (time.Duration, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for first := time.Now(); ; {
		took, err := p.start(ctx)
		if err == nil || !strings.Contains(err.Error(), portTaken) || time.Since(first) > portPatience {
			return took, err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (p *Process) start(ctx context.Context) (time.Duration, error) {
	from, began := len(p.log.String()), time.Now()
	if err := p.launch(); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if err := p.awaitReady(ctx, from); err != nil {
		_ = p.signal(syscall.SIGKILL)
		<-p.done
		p.cmd = nil
		return 0, err
	}
	return time.Since(began), nil
}

// Launch starts the process and does not wait for anything.
func (p *Process) Launch() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.launch()
}

func (p *Process) launch() error {
	if p.cmd != nil {
		return fmt.Errorf("%s runs already", p.Name)
	}
	cmd := exec.Command(p.bin, p.args...)
	cmd.Dir, cmd.Env = p.dir, p.env
	cmd.Stdout, cmd.Stderr = &p.log, &p.log
	if err := start(cmd); err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = cmd.Wait() // the result is in cmd.ProcessState
	}()
	p.cmd, p.done = cmd, done
	return nil
}

// awaitReady polls until the process says that it is ready, or ends.
func (p *Process) awaitReady(ctx context.Context, from int) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-p.done:
			return fmt.Errorf("%s ended while it started: %s", p.Name, tail(p.Log()[from:]))
		case <-ctx.Done():
			return fmt.Errorf("%s was not ready in time: %s", p.Name, tail(p.Log()[from:]))
		case <-tick.C:
		}
		if p.URL == "" {
			if strings.Contains(p.Log()[from:], "worker ready") {
				return nil
			}
		} else if Ready(ctx, p.URL) {
			return nil
		}
	}
}

// Ready tells whether a server is ready.
func Ready(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz", nil)
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

// signal sends a signal to the process, if it runs. The caller holds mu.
func (p *Process) signal(sig syscall.Signal) error {
	if p.cmd == nil {
		return os.ErrProcessDone
	}
	err := p.cmd.Process.Signal(sig)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// Kill9 ends the process without a warning and waits until it is gone.
func (p *Process) Kill9() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return nil
	}
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.done
	p.cmd = nil
	return nil
}

// Restart kills the process and starts it again on the same address.
func (p *Process) Restart(ctx context.Context) error {
	if err := p.Kill9(); err != nil {
		return err
	}
	_, err := p.Start(ctx)
	return err
}

// Term asks the process to end, and returns its exit code and how long that took. After
// patience it kills the process, which is an error.
func (p *Process) Term(patience time.Duration) (code int, took time.Duration, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return 0, 0, os.ErrProcessDone
	}
	began := time.Now()
	if err := p.signal(syscall.SIGTERM); err != nil {
		return 0, 0, err
	}
	select {
	case <-p.done:
	case <-time.After(patience):
		err = fmt.Errorf("%s did not end within %s", p.Name, patience)
		_ = p.signal(syscall.SIGKILL)
		<-p.done
	}
	code = p.cmd.ProcessState.ExitCode()
	p.cmd = nil
	return code, time.Since(began), err
}

// tail returns the end of a log.
func tail(log string) string {
	log = strings.TrimSpace(log)
	return log[max(0, len(log)-3000):]
}
