package doctor

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// shared are the file systems that several machines share, by their magic numbers
// (linux/magic.h and the sources of each). SQLite's locks do not hold between machines.
var shared = map[int64]string{
	unix.NFS_SUPER_MAGIC: "NFS", unix.SMB_SUPER_MAGIC: "SMB", unix.CIFS_SUPER_MAGIC: "CIFS", unix.SMB2_SUPER_MAGIC: "SMB",
	unix.V9FS_MAGIC: "9P", unix.CEPH_SUPER_MAGIC: "Ceph", unix.AFS_SUPER_MAGIC: "AFS", unix.CODA_SUPER_MAGIC: "Coda", unix.NCP_SUPER_MAGIC: "NCP",
}

func usageOf(path string) (usage, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return usage{}, &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	if s.Bsize <= 0 {
		return usage{}, fmt.Errorf("statfs %s: blocks of %d bytes", path, s.Bsize)
	}
	block := uint64(s.Bsize)
	//nolint:unconvert // Type has fewer bits on other machines
	return usage{total: s.Blocks * block, free: s.Bavail * block, inodes: s.Files, inodesFree: s.Ffree, network: shared[int64(s.Type)]}, nil
}
