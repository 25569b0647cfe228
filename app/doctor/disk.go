package doctor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
)

// usage is what a file system has left.
type usage struct {
	total, free        uint64 // bytes
	inodes, inodesFree uint64 // 0, 0 where the file system does not count them
	network            string // its kind, if other machines share it
}

// errNoUsage says that this system does not tell.
var errNoUsage = errors.New("this system does not tell how full a disk is")

const (
	// With less than these a disk is full or nearly: the smaller of the bytes and the share.
	fullBytes, fullShare    = 256 << 20, 20 // a twentieth
	lowBytes, lowShare      = 2 << 30, 10
	fewInodes, scarceInodes = 1_000, 20_000
)

// disks tells what is left where the installation keeps something.
func disks(_ context.Context, in *Installation) (found []Finding) {
	read := in.usage
	if read == nil {
		read = usageOf
	}
	for _, p := range placesOf(in.Config) {
		u, err := read(existing(p.path))
		if errors.Is(err, errNoUsage) {
			found = append(found, Finding{State: Skipped, Text: words("This system does not tell how full a disk is")})
			continue
		}
		if err != nil {
			found = append(found, fault(words("The disk of %s (%s) does not tell what is left: %s", p.path, p.setting, reason(err)),
				words("Look whether the disk is there")))
			continue
		}
		found = append(found, left(p, u))
		if p.setting == "data_dir" && u.network != "" {
			found = append(found, fault(words("The SQLite database lies on a network file system (%s), whose locks do not hold: it will be damaged", u.network),
				words("Move data_dir to a disk of this machine, or use Postgres")))
		}
	}
	return found
}

// left is the finding about one disk.
func left(p place, u usage) Finding {
	remedy := words("Make room, or enlarge the disk; retention.* and quotas.* say how much is kept")
	switch {
	case u.free < min(fullBytes, u.total/fullShare):
		return fault(words("The disk of %s (%s) is full: %s are left of %s", p.path, p.setting, size(u.free), size(u.total)), remedy)
	case u.inodes > 0 && u.inodesFree < min(fewInodes, u.inodes/fullShare):
		return fault(words("The disk of %s (%s) takes no more files: %d are left of %d", p.path, p.setting, u.inodesFree, u.inodes), remedy)
	case u.free < min(lowBytes, u.total/lowShare):
		return warn(words("The disk of %s (%s) is nearly full: %s are left of %s", p.path, p.setting, size(u.free), size(u.total)), remedy)
	case u.inodes > 0 && u.inodesFree < min(scarceInodes, u.inodes/lowShare):
		return warn(words("The disk of %s (%s) takes few more files: %d are left of %d", p.path, p.setting, u.inodesFree, u.inodes), remedy)
	}
	return fine(words("%s are left of %s on the disk of %s (%s)", size(u.free), size(u.total), p.path, p.setting))
}

// existing is the nearest folder at or above a path that is there.
func existing(path string) string {
	for up := path; ; up = filepath.Dir(up) {
		if _, err := os.Stat(up); err == nil || up == filepath.Dir(up) {
			return up
		}
	}
}
