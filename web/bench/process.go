//go:build unix

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"sync"
	"syscall"
	"time"
)

// childArg, followed by a role, makes this binary a process under test.
const childArg = "child"

// process is a child in one role. It gets orders as JSON on its standard input, answers
// on its standard output, and ends with its input.
type process struct {
	addr string // where it listens

	mu  sync.Mutex
	cmd *exec.Cmd
	end io.Closer
	to  *json.Encoder
	of  *json.Decoder
}

type order struct {
	Op   string
	Args json.RawMessage
}

type answer struct {
	Error  string
	Result json.RawMessage
}

// spawn starts a process in a role.
func (l *lab) spawn(role string, args any) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(l.ctx, self, childArg, role)
	cmd.Stderr = os.Stderr
	// A signal at the terminal is for the parent, which ends its children.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, end: in, to: json.NewEncoder(in), of: json.NewDecoder(out)}
	if err := p.call("start", args, &p.addr); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	if l.profile != "" {
		if err := os.MkdirAll(l.profile, 0o755); err != nil {
			return nil, errors.Join(err, p.stop())
		}
		file, err := filepath.Abs(filepath.Join(l.profile, fmt.Sprintf("%s-%d.pprof", role, cmd.Process.Pid)))
		if err = errors.Join(err, p.call("profile", file, nil)); err != nil {
			return nil, errors.Join(err, p.stop())
		}
	}
	return p, nil
}

// call sends an order and reads the answer into result unless result is nil.
func (p *process) call(op string, args, result any) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	raw, err := json.Marshal(args)
	if err != nil {
		return err
	}
	if err := p.to.Encode(order{op, raw}); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	var a answer
	if err := p.of.Decode(&a); err != nil {
		return fmt.Errorf("%s: the process under test has ended: %w", op, err)
	}
	if a.Error != "" {
		return fmt.Errorf("%s: %s", op, a.Error)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(a.Result, result)
}

// usage is what a process has used so far.
type usage struct {
	CPU        time.Duration // user and system
	Heap       int64         // bytes of live and dead Go objects
	Go         int64         // bytes that Go's runtime has from the system
	Goroutines int
	memory
}

func (p *process) usage() (u usage, err error) {
	err = p.call("usage", nil, &u)
	return u, err
}

// stop ends the process and waits for it.
func (p *process) stop() error {
	_ = p.end.Close()
	late := time.AfterFunc(30*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer late.Stop()
	return p.cmd.Wait()
}

// service is the child's side of a role.
type service struct {
	addr string
	ops  map[string]func(args json.RawMessage) (any, error)
	stop func() error
}

var roles = map[string]func(args json.RawMessage) (*service, error){
	roleCoagent:  startCoagent,
	roleFloor:    startFloor,
	roleRoute:    startRoute,
	roleLesson:   startLesson,
	roleProvider: startProvider,
}

// serveChild runs a role until the standard input ends.
func serveChild(role string) error {
	start := roles[role]
	if start == nil {
		return fmt.Errorf("no role %q", role)
	}
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	var s *service
	for {
		var o order
		if err := in.Decode(&o); err != nil {
			break
		}
		var result any
		var err error
		switch {
		case s == nil:
			if s, err = start(o.Args); err == nil {
				result = s.addr
			} else {
				s = nil
			}
		case s.ops[o.Op] != nil:
			result, err = s.ops[o.Op](o.Args)
		default:
			result, err = commonOp(o)
		}
		a := answer{}
		if err != nil {
			a.Error = err.Error()
		} else if a.Result, err = json.Marshal(result); err != nil {
			return err
		}
		if err := out.Encode(a); err != nil {
			break // the parent is gone
		}
	}
	pprof.StopCPUProfile()
	if s == nil {
		return nil
	}
	return s.stop()
}

// commonOp executes the orders that every role knows.
func commonOp(o order) (any, error) {
	switch o.Op {
	case "usage":
		return ownUsage(), nil
	case "settle":
		debug.FreeOSMemory()
		return nil, nil
	case "heap":
		var file string
		if err := json.Unmarshal(o.Args, &file); err != nil {
			return nil, err
		}
		return nil, writeHeap(file)
	case "profile":
		var file string
		if err := json.Unmarshal(o.Args, &file); err != nil {
			return nil, err
		}
		f, err := os.Create(file)
		if err != nil {
			return nil, err
		}
		return nil, pprof.StartCPUProfile(f)
	}
	return nil, fmt.Errorf("no op %q", o.Op)
}

// writeHeap writes what lives on the heap as a profile.
func writeHeap(file string) (err error) {
	runtime.GC() // a profile shows the state of the last collection
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return pprof.Lookup("heap").WriteTo(f, 0)
}

func ownUsage() usage {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{CPU: ownCPU(), Heap: int64(m.HeapAlloc), Go: int64(m.Sys - m.HeapReleased), Goroutines: runtime.NumGoroutine(),
		memory: memoryOf(os.Getpid())}
}

// ownCPU returns the user and system time of this process.
func ownCPU() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
