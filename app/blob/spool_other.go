//go:build !linux

package blob

import (
	"errors"
	"os"
)

// unnamed has no way here to make a file without a name.
func unnamed(string) (*os.File, error) { return nil, errors.ErrUnsupported }
