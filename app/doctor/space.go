package doctor

import "errors"

// Space is what is left on the disk of a path, or of the nearest folder above it that is
// there, and how large the disk is, in bytes. Both are 0 where the system does not tell.
func Space(path string) (free, total uint64, err error) {
	u, err := usageOf(existing(path))
	if errors.Is(err, errNoUsage) {
		return 0, 0, nil
	}
	return u.free, u.total, err
}
