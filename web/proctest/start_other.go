//go:build unix && !linux

package proctest

import (
	"os/exec"
	"syscall"
)

// start starts a child in a process group of its own.
func start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd.Start()
}
