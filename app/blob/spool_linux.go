package blob

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// unnamed makes a file that never has a name, so that no kill can leave it.
func unnamed(folder string) (*os.File, error) {
	for {
		fd, err := unix.Open(folder, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return os.NewFile(uintptr(fd), "upload"), nil
	}
}
