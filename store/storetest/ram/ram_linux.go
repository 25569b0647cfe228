package ram

import "syscall"

// shared is the folder that a Linux keeps in memory for its programs.
const shared = "/dev/shm"

const (
	tmpfs    = 0x01021994 // TMPFS_MAGIC of statfs(2)
	noExec   = 0x8        // ST_NOEXEC of statfs(2): the tests start programs from their folders
	writable = 0x2        // W_OK of access(2)
	// enough is more than a whole run of the tests holds at once. A container has
	// 64 MiB there unless it is given more.
	enough = 2 << 30
)

func find() string {
	var fs syscall.Statfs_t
	if syscall.Statfs(shared, &fs) != nil || fs.Type != tmpfs || fs.Flags&noExec != 0 {
		return ""
	}
	if fs.Bavail*uint64(fs.Bsize) < enough || syscall.Access(shared, writable) != nil {
		return ""
	}
	return shared
}
