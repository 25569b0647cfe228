package postgres

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
)

// BinEnv names the folder of initdb and postgres. The word [None] there says
// that there is to be no server.
const (
	BinEnv = "COAGENT_POSTGRES_BIN"
	None   = "none"
)

// findBinaries returns the folder of initdb and postgres. It tries COAGENT_POSTGRES_BIN,
// PATH, Debian's folders (newest version first), and the user's cache. If that is empty,
// it downloads the binaries once.
func findBinaries() (string, error) {
	switch dir := os.Getenv(BinEnv); dir {
	case "":
	case None:
		return "", ErrNotInstalled
	default:
		if !hasBinaries(dir) {
			return "", fmt.Errorf(BinEnv+" has no initdb and postgres: %s", dir)
		}
		return dir, nil
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if hasBinaries(dir) {
			return dir, nil
		}
	}
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // the pattern is well formed
	version := func(dir string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir))) // 0, the oldest, for other names
		return n
	}
	sort.Slice(dirs, func(i, j int) bool { return version(dirs[i]) > version(dirs[j]) })
	for _, dir := range dirs {
		if hasBinaries(dir) {
			return dir, nil
		}
	}
	dir, err := fetchBinaries()
	if err != nil {
		return "", errors.Join(ErrNotInstalled, err)
	}
	return dir, nil
}

func hasBinaries(dir string) bool {
	for _, name := range []string{"initdb", "postgres"} {
		if _, err := exec.LookPath(filepath.Join(dir, name)); err != nil {
			return false
		}
	}
	return true
}

// Tool returns the path of another of Postgres' programs, such as pgbench; "" when it is
// not installed. It looks beside the server first, and behind a link to it.
func (s *Server) Tool(name string) string {
	dirs := []string{s.bin}
	if server, err := filepath.EvalSymlinks(filepath.Join(s.bin, "postgres")); err == nil {
		dirs = append(dirs, filepath.Dir(server))
	}
	for _, dir := range dirs {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return ""
	}
	return path
}

// freePort finds a port outside the ranges for outgoing connections. While a server is
// down, nobody else may get its port, and a client that keeps trying must not connect to
// itself.
func freePort() (int, error) {
	for range 100 {
		var b [2]byte
		if _, err := rand.Read(b[:]); err != nil {
			return 0, err
		}
		port := 20000 + (int(b[0])<<8|int(b[1]))%12000
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		return port, l.Close()
	}
	return 0, errors.New("postgres: no free port between 20000 and 32000")
}
