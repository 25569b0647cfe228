//go:build !unix

package postgres

import (
	"errors"
	"os"
	"syscall"
)

var errUnix = errors.New("throw-away servers need a Unix system: set COAGENT_TEST_POSTGRES to a superuser's URL")

// On other systems Start fails in findOwner; the rest is what the compiler needs.
type (
	owner   struct{}
	process struct{ done chan struct{} }
	guard   struct{}
)

func findOwner() (*owner, error)                   { return nil, errors.Join(ErrNotInstalled, errUnix) }
func (*owner) chown(...string) error               { return errUnix }
func (*owner) reach(bin, _ string) (string, error) { return bin, errUnix }
func (*owner) attr() *syscall.SysProcAttr          { return nil }
func startGuard(_, _ string) (*guard, error)       { return nil, errUnix }
func (*guard) end() error                          { return errUnix }
func (*process) shutdown(Mode) error               { return errUnix }
func (*process) signalAll(os.Signal) error         { return errUnix }

func (*Server) launch(string, []string) (*process, error) { return nil, errUnix }
