package app

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"syscall"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store"
)

// Explain turns an error into words for the person at a terminal: what is wrong and what
// helps, one sentence a line. It leaves out codes and the chain of calls, which are for
// a log.
func Explain(err error) string {
	var lines []string
	for _, one := range parts(err) {
		if text := explain(one); text != "" && !strings.Contains(strings.Join(lines, "\n"), text) {
			lines = append(lines, text)
		}
	}
	return strings.Join(lines, "\n")
}

// parts are the errors that were joined.
func parts(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, parts(e)...)
	}
	return all
}

func explain(err error) string {
	var known *Error
	var config *config.Error
	var path *fs.PathError
	text := store.Explain(err)
	switch {
	case errors.As(err, &config):
		return config.Error()
	case errors.As(err, &known):
		return known.Message
	case text != "":
		return text
	case errors.Is(err, context.Canceled):
		return "interrupted"
	case errors.Is(err, context.DeadlineExceeded):
		return "it took too long; try again"
	case errors.Is(err, syscall.EADDRINUSE):
		return before(err, ": listen tcp") + ": address already in use. Stop the other program, or choose another address with --addr."
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return before(err, ": listen tcp") + ": this machine has no such address. Choose another with --addr."
	case errors.As(err, &path):
		return path.Path + ": " + reason(path.Err)
	}
	return err.Error()
}

// FullAt gives the error of a full disk the name of the database's file, which SQLite's own
// errors lack.
func FullAt(cfg *config.Config, err error) error {
	if cfg == nil || cfg.Postgres() || err == nil {
		return err
	}
	all := parts(err)
	for i, e := range all {
		if store.Full(e) {
			all[i] = &fs.PathError{Op: "write", Path: cfg.SQLitePath(), Err: syscall.ENOSPC}
		}
	}
	return errors.Join(all...)
}

// before is an error's text up to the part that the operating system wrote.
func before(err error, rest string) string {
	text, _, _ := strings.Cut(err.Error(), rest)
	return text
}

// reason says in words why the operating system refused something.
func reason(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such file or folder"
	case errors.Is(err, fs.ErrPermission):
		return "this user may not read or write it"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "no space is left; make room there, or choose a place on another disk, and run it again"
	case errors.Is(err, syscall.EFBIG):
		return "the file may not become longer; raise the limit (ulimit -f), or choose a place on another disk"
	case errors.Is(err, syscall.EPIPE):
		return "what reads it has ended before all was written"
	}
	return err.Error()
}
