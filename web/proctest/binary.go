//go:build unix

package proctest

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
)

// BinEnv names a binary to use instead of building one.
const BinEnv = "COAGENT_BIN"

var buildDir string // guarded by binary, read by Main once the tests are over

// binary builds the program as it ships, once for this process.
var binary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv(BinEnv); path != "" {
		return path, nil
	}
	dir, err := os.MkdirTemp("", "coagent-bin-")
	if err != nil {
		return "", err
	}
	buildDir = dir
	path := filepath.Join(dir, "coagent")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -X main.version=proctest", "-o", path, "github.com/coagent-studio/coagent")
	// The -race of the tests needs cgo; the program ships without cgo.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build coagent: %w\n%s", err, out)
	}
	return path, nil
})

// atOnce is how many tests run in parallel. They mostly wait, for processes, clocks and
// leases.
const atOnce = 5

// Main runs the tests of a package that uses proctest, removes the binary, and
// returns the exit code for TestMain.
func Main(m *testing.M) int {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", strconv.Itoa(atOnce)); err != nil {
			panic("proctest: " + err.Error())
		}
	}
	code := m.Run()
	if buildDir != "" {
		_ = os.RemoveAll(buildDir) // the folder is temporary anyway
	}
	return code
}

// Binary returns the path of the program under test.
func Binary(tb testing.TB) string {
	tb.Helper()
	path, err := binary()
	if err != nil {
		tb.Fatal(err)
	}
	return path
}
