package proctest

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// starter is a thread that lives as long as this process. It is needed because the
// parent-death signal comes when the thread that started the child ends.
var starter = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range work {
			f()
		}
	}()
	return work
})

// start starts a child that is killed when this process ends in any way.
func start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	starter() <- func() { started <- cmd.Start() }
	return <-started
}
