// Command withpg runs a command beside a throw-away Postgres server, whose
// superuser's URL it passes on in COAGENT_TEST_POSTGRES:
//
//	go run ./store/storetest/withpg -- go test ./...
//
// It exits as the command does and forwards SIGINT and SIGTERM to it. A
// variable that is set already is kept and no server is started. On a machine
// where Postgres is neither installed nor can be downloaded the command runs
// without the variable and is told to try neither again; under CI it does not run.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/coagent-studio/coagent/store/storetest/postgres"
)

const serverEnv = "COAGENT_TEST_POSTGRES"

func main() {
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "withpg:", err)
	}
	os.Exit(code)
}

// run returns the exit code; 1 with every error of our own.
func run(args []string) (code int, err error) {
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		return 1, errors.New("usage: withpg -- command [argument ...]")
	}
	// Do this before the server starts, so that no signal ends us and leaves the server
	// running.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)

	env := os.Environ()
	if os.Getenv(serverEnv) == "" {
		server, err := postgres.Start(context.Background(), postgres.Options{})
		switch {
		case errors.Is(err, postgres.ErrNotInstalled) && os.Getenv("CI") != "true":
			fmt.Fprintln(os.Stderr, "withpg: running WITHOUT Postgres:", err)
			env = append(env, postgres.BinEnv+"="+postgres.None)
		case err != nil:
			return 1, err
		default:
			env = append(env, serverEnv+"="+server.URL("postgres"))
			defer func() {
				if errClose := server.Close(); errClose != nil {
					code, err = max(code, 1), errClose
				}
			}()
		}
	}
	return command(args, env, signals)
}

// command runs args to their end and returns their exit code.
func command(args, env []string, signals <-chan os.Signal) (int, error) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case sig := <-signals:
			_ = cmd.Process.Signal(sig) // it may just have ended
		case err := <-ended:
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				return max(exit.ExitCode(), 1), nil // -1 when a signal ended it
			}
			if err != nil {
				return 1, err
			}
			return 0, nil
		}
	}
}
