//go:build !windows

package transmit

import (
	"errors"
	"os"
	"syscall"
)

// syncDir has a directory's entries on disk, where the file system can be asked for that: some network file systems refuse it for directories,
// with EINVAL or ENOTSUP, and there is no other way to ask.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(ignoreRefusal(d.Sync()), d.Close())
}

func ignoreRefusal(err error) error {
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		return nil
	}
	return err
}
