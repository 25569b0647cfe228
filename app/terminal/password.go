package terminal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/term"
)

// ErrNoPassword says that standard input had none.
var ErrNoPassword = errors.New("no password: set COAGENT_PASSWORD, or give it on standard input")

// errDiffer says that a person has typed two passwords.
var errDiffer = errors.New("the two passwords differ; nothing was changed")

// ErrInterrupted says that a person has pressed Ctrl-C instead of typing.
var ErrInterrupted = errors.New("interrupted; nothing was changed")

// NewPassword asks for a new password. On a terminal it shows nothing of it and asks twice.
// From a pipe or a file it takes one line. The prompts go to out.
func NewPassword(in *os.File, out io.Writer) (string, error) {
	if !Is(in) {
		line, err := bufio.NewReader(in).ReadString('\n')
		if err != nil && (line == "" || !errors.Is(err, io.EOF)) {
			return "", ErrNoPassword
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	first, err := hidden(in, out, "Password: ")
	if err != nil {
		return "", err
	}
	second, err := hidden(in, out, "The same again: ")
	if err == nil && first != second {
		err = errDiffer
	}
	if err != nil {
		return "", err
	}
	return first, nil
}

// hidden reads a line without showing it. A signal that would end the program gives the
// terminal back its echo first.
func hidden(in *os.File, out io.Writer, prompt string) (string, error) {
	fd := int(in.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("the terminal: %w", err)
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(ended)
	_, _ = io.WriteString(out, prompt)
	type read struct {
		text []byte
		err  error
	}
	typed := make(chan read, 1)
	go func() {
		text, err := term.ReadPassword(fd)
		typed <- read{text, err}
	}()
	select {
	case <-ended:
		err = errors.Join(ErrInterrupted, term.Restore(fd, before))
		_, _ = io.WriteString(out, "\n")
		return "", err
	case r := <-typed:
		_, _ = io.WriteString(out, "\n")
		if errors.Is(r.err, io.EOF) {
			return "", ErrNoPassword
		}
		return string(r.text), r.err
	}
}
