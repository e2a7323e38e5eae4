//go:build unix

package transmit

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// tryLock locks a file until it is closed, or this process ends. The error is
// or wraps errLocked where another has the lock, errors.ErrUnsupported where there are none.
func tryLock(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		return errLocked
	case errors.Is(err, unix.ENOLCK):
		return fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
	}
	return err
}
