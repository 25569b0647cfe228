package telemetry

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"gopkg.in/natefinch/lumberjack.v2"
)

// LogFile is a file for log lines, which begins anew when it is full.
type LogFile struct {
	Path  string
	Bytes int64 // largest size, rounded up to MiB; a full one is renamed with the time
	Keep  int   // full ones that stay
	Days  int   // full ones that are older go; 0 keeps them
}

// Open opens the file, which only the account of this program can read, and makes its folder.
// One process at a time may have it open. What Write returns as an error is lost, and the
// next line is tried anew: a full disk costs lines, and nothing else.
func (f LogFile) Open() (io.WriteCloser, error) {
	if err := os.MkdirAll(filepath.Dir(f.Path), 0o700); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(f.Path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(file.Chmod(0o600), file.Close()); err != nil {
		return nil, err
	}
	const mib = 1 << 20
	return &lumberjack.Logger{Filename: f.Path, MaxSize: int((f.Bytes + mib - 1) / mib), MaxBackups: f.Keep, MaxAge: f.Days, LocalTime: true}, nil
}

// Tee is a writer to several. One that fails, as a terminal that was closed or a disk that is
// full, keeps no line from the others, and none from the program.
type Tee []io.Writer

// Write writes p to each, and never fails.
func (t Tee) Write(p []byte) (int, error) {
	for _, w := range t {
		_, _ = w.Write(p) // see above
	}
	return len(p), nil
}
