//go:build !windows

package transmit

import (
	"errors"
	"os"
)

// syncDir has a directory's entries on disk.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
