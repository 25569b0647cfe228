package doctor

import (
	"os"

	"golang.org/x/sys/unix"
)

func usageOf(path string) (usage, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return usage{}, &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	block := uint64(s.Bsize)
	u := usage{total: s.Blocks * block, free: s.Bavail * block, inodes: s.Files, inodesFree: s.Ffree}
	switch kind := unix.ByteSliceToString(s.Fstypename[:]); kind {
	case "nfs", "smbfs", "afpfs", "webdav":
		u.network = kind
	}
	return u, nil
}
