package doctor

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

func usageOf(path string) (usage, error) {
	full, err := filepath.Abs(path)
	if err != nil {
		return usage{}, err
	}
	name, err := windows.UTF16PtrFromString(full)
	if err != nil {
		return usage{}, err
	}
	var u usage
	var all uint64
	if err := windows.GetDiskFreeSpaceEx(name, &u.free, &u.total, &all); err != nil {
		return usage{}, &os.PathError{Op: "GetDiskFreeSpaceEx", Path: path, Err: err}
	}
	root, err := windows.UTF16PtrFromString(filepath.VolumeName(full) + `\`)
	if err == nil && windows.GetDriveType(root) == windows.DRIVE_REMOTE {
		u.network = "a share"
	}
	return u, nil
}
