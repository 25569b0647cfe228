package chaos

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/coagent-studio/coagent/web/proctest"
)

// terminal is a pseudo-terminal with a command in it.
type terminal struct {
	*os.File // what a person has before them
	inner    *os.File
	cmd      *exec.Cmd

	mu   sync.Mutex
	seen strings.Builder
}

// inTerminal starts a command in a terminal of its own.
func inTerminal(t *testing.T, s *proctest.Site, args ...string) *terminal {
	t.Helper()
	outer, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = outer.Close() })
	if err := unix.IoctlSetPointerInt(int(outer.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(outer.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	inner, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = inner.Close() })
	term := &terminal{File: outer, inner: inner, cmd: exec.Command(proctest.Binary(t), args...)}
	term.cmd.Dir, term.cmd.Env = s.Dir, []string{"HOME=" + s.Dir, "COAGENT_DATA_DIR=" + s.DataDir}
	term.cmd.Stdin, term.cmd.Stdout, term.cmd.Stderr = inner, inner, inner
	term.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := term.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		part := make([]byte, 4096)
		for {
			n, err := outer.Read(part)
			if err != nil {
				return
			}
			term.mu.Lock()
			term.seen.Write(part[:n])
			term.mu.Unlock()
		}
	}()
	return term
}

// shows waits until the terminal shows a text.
func (term *terminal) shows(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		term.mu.Lock()
		seen := term.seen.String()
		term.mu.Unlock()
		if strings.Contains(seen, text) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited for %q: %q", text, seen)
		}
	}
}

func (term *terminal) echoes(t *testing.T) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(term.inner.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

// types waits until the terminal hides what is typed, and types.
func (term *terminal) types(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); term.echoes(t); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the terminal shows what is typed")
		}
	}
	if _, err := term.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// TestPasswordOnATerminal: a password is asked for twice, is not seen, and Ctrl-C leaves the
// terminal as it was.
func TestPasswordOnATerminal(t *testing.T) {
	t.Parallel()
	const good, other = "correct horse battery", "another horse battery"
	s := proctest.New(t, "")
	for _, c := range []struct {
		name, first, second, says string
		code                      int
	}{
		{"Interrupted", "corr\x03", "", "interrupted", 1},
		{"Differ", good + "\n", other + "\n", "the two passwords differ", 1},
		{"Twice", good + "\n", good + "\n", "made the super admin", 0},
	} {
		term := inTerminal(t, s, "seed-admin", "root")
		term.shows(t, "Password: ")
		term.types(t, c.first)
		if c.second != "" {
			term.shows(t, "The same again: ")
			term.types(t, c.second)
		}
		term.shows(t, c.says)
		_ = term.cmd.Wait()
		if got := term.cmd.ProcessState.ExitCode(); got != c.code {
			t.Errorf("%s: exited with %d, want %d", c.name, got, c.code)
		}
		if !term.echoes(t) {
			t.Errorf("%s: the terminal does not echo any more", c.name)
		}
		term.mu.Lock()
		if seen := term.seen.String(); strings.Contains(seen, "horse") || strings.Contains(seen, "corr") {
			t.Errorf("%s: the password was seen: %q", c.name, seen)
		}
		term.mu.Unlock()
	}
	out, code := s.Run("users", "--json", "--role", "super_admin")
	if code != 0 || strings.Count(out, "\n") != 1 || !strings.Contains(out, `"username":"root"`) {
		t.Errorf("users: exited with %d: %s", code, out)
	}
}
