//go:build unix

package postgres

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// owner is the user of the server's processes. nil means the user of this process.
type owner struct{ cred *syscall.Credential }

// findOwner picks another user when we are root, because Postgres refuses root.
func findOwner() (*owner, error) {
	if os.Geteuid() != 0 {
		return &owner{}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
		gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(errUID, errGID); err != nil {
			return nil, err
		}
		return &owner{cred: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
	}
	return nil, errors.New("postgres: running as root, and no user postgres or nobody to run the server as")
}

func (o *owner) chown(paths ...string) error {
	if o.cred == nil {
		return nil
	}
	for _, path := range paths {
		if err := os.Chown(path, int(o.cred.Uid), int(o.cred.Gid)); err != nil {
			return err
		}
	}
	return nil
}

// reach returns a folder of the binaries that the owner can read. Downloaded binaries are
// in root's cache, which others cannot read, so they are copied to home.
func (o *owner) reach(bin, home string) (string, error) {
	cache, _ := os.UserCacheDir() // without one, nothing was downloaded into it
	if o.cred == nil || cache == "" || !strings.HasPrefix(bin, cache+string(filepath.Separator)) {
		return bin, nil
	}
	to := filepath.Join(home, "postgres")
	if err := os.CopyFS(to, os.DirFS(filepath.Dir(bin))); err != nil {
		return "", err
	}
	return filepath.Join(to, filepath.Base(bin)), nil
}

// attr puts a child in its own process group. There a terminal's Ctrl-C does not reach
// it: the server must outlive the tests that end because of it.
func (o *owner) attr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: o.cred}
}

// process is a running postmaster.
type process struct {
	pid  int
	done chan struct{} // closed when it has ended
}

func (s *Server) launch(name string, args []string) (*process, error) {
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(name, args...)
	cmd.Dir = s.home
	// Do not use our own output: go test would wait until the server closes it.
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = s.owner.attr()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{pid: cmd.Process.Pid, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		_ = cmd.Wait() // how it ended is in its log
		// Keep the Server alive although a caller may drop it. Collecting it would close
		// the guard's input, which ends the server in the middle of the tests.
		runtime.KeepAlive(s)
	}()
	return p, nil
}

// shutdown asks the postmaster to end. It wakes a stopped postmaster so that it can end.
func (p *process) shutdown(mode Mode) error {
	sig, ok := map[Mode]syscall.Signal{
		Smart: syscall.SIGTERM, Fast: syscall.SIGINT, Immediate: syscall.SIGQUIT,
	}[mode]
	if !ok {
		return fmt.Errorf("postgres: unknown shutdown mode %q", mode)
	}
	if err := p.signalAll(syscall.SIGCONT); err != nil {
		return err
	}
	return p.kill(p.pid, sig)
}

// signalAll signals the postmaster first, so that it forks no child that would be missed.
// Then it signals the children: each is its own process group.
func (p *process) signalAll(sig os.Signal) error {
	s, ok := sig.(syscall.Signal)
	if !ok {
		return fmt.Errorf("postgres: not a Unix signal: %v", sig)
	}
	if err := p.kill(p.pid, s); err != nil {
		return err
	}
	children, err := childrenOf(p.pid)
	if err != nil {
		return err
	}
	for _, pid := range children {
		if err := p.kill(pid, s); err != nil {
			return err
		}
	}
	return nil
}

// kill signals a process of the server; one that is already gone is no error.
func (p *process) kill(pid int, sig syscall.Signal) error {
	select {
	case <-p.done:
		return nil
	default:
	}
	if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

// Processes returns the ids of the server's processes, the postmaster's first; none while
// it is stopped.
func (s *Server) Processes() ([]int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return nil, nil
	}
	children, err := childrenOf(s.proc.pid)
	return append([]int{s.proc.pid}, children...), err
}

// childrenOf lists the direct children of a process.
func childrenOf(parent int) ([]int, error) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is well formed
	if len(stats) == 0 {
		return childrenByPS(parent)
	}
	var pids []int
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended since
		}
		// proc(5): pid (name) state ppid ...; the name may hold anything.
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if len(fields) > 1 && fields[1] == strconv.Itoa(parent) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			if err != nil {
				return nil, err
			}
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// childrenByPS is childrenOf for systems without /proc.
func childrenByPS(parent int) ([]int, error) {
	out, err := exec.Command("ps", "-A", "-o", "pid=,ppid=").Output()
	if err != nil {
		return nil, fmt.Errorf("postgres: ps: %w", err)
	}
	var pids []int
	for line := range strings.Lines(string(out)) {
		var pid, ppid int
		if _, err := fmt.Sscan(line, &pid, &ppid); err == nil && ppid == parent {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// guardScript waits until its input ends, which the kernel does however our process ends.
// Then it ends the server of the cluster $2 and removes the folder $1. A parent-death
// signal would depend on the thread that started the server, exists only on Linux, and
// would leave the folder behind.
const guardScript = `
read -r _
pid=$(head -n 1 "$2/postmaster.pid" 2>/dev/null)
if [ -n "$pid" ]; then
	kill -CONT "$pid"; kill -QUIT "$pid"
	n=0
	while kill -0 "$pid" && [ $n -lt 100 ]; do n=$((n+1)); sleep 0.1; done
fi
rm -rf "$1"
`

// guard is the shell process that outlives us and cleans up.
type guard struct {
	cmd   *exec.Cmd
	input io.WriteCloser
}

func startGuard(home, data string) (*guard, error) {
	cmd := exec.Command("/bin/sh", "-c", guardScript, "guard", home, data)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, input.Close())
	}
	return &guard{cmd: cmd, input: input}, nil
}

// end lets the guard clean up and waits for it.
func (g *guard) end() error {
	return errors.Join(g.input.Close(), g.cmd.Wait())
}
