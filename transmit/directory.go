package transmit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A process that was killed may need some time to let go of its memory, and has its locks as long.
const (
	lockPatience = 15 * time.Second
	lockLook     = 100 * time.Millisecond
)

// errLocked: somebody else has the lock.
var errLocked = errors.New("it is locked")

// own sees to it that the directory is there, this node's, nobody else's at the same time, and can be written.
func (v *saver) own(ctx context.Context) error {
	if err := os.MkdirAll(v.dir, 0o700); err != nil {
		return fmt.Errorf("%w: %w", ErrDirectory, err)
	}
	if err := v.checkOwner(); err != nil { // before anything of others is touched
		return err
	}
	if err := v.takeLock(ctx); err != nil {
		return err
	}
	if err := v.checkOwner(); err != nil { // who had the lock may have written it
		return err
	}
	// Writing it anew shows that one may. What a power failure left of it must
	// not look like another's, nor the directory be gone with the checkpoints in it.
	_, err := writeWhole(filepath.Join(v.dir, ownerName), func(f *os.File) (int64, error) {
		n, err := f.WriteString(v.mark())
		return int64(n), err
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDirectory, err)
	}
	_ = syncDir(filepath.Dir(v.dir)) // as far as this account may read it
	return nil
}

// mark is what the directory says of its owner.
func (v *saver) mark() string {
	return "Checkpoints of the tlaunch transmit " + v.whose.String() + "\n"
}

// checkOwner says why the directory is not this node's.
func (v *saver) checkOwner() error {
	path := filepath.Join(v.dir, ownerName)
	text, err := os.ReadFile(path)
	switch {
	case err == nil && string(text) == v.mark():
		return nil
	case err == nil:
		return fmt.Errorf("%w, which is %v: %s says %q; give each node of each program a directory of its own", ErrDirectory, v.whose, path, strings.TrimSpace(string(text)))
	case !errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%w: %w", ErrDirectory, err)
	}
	others, err := os.ReadDir(v.dir)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDirectory, err)
	}
	for _, e := range others {
		if e.Name() != lockName && e.Name() != ownerName+half { // which are of a first start that was cut short
			return fmt.Errorf("%w: %s has files of another program, such as %s; name an empty directory, or one that is yet to be made", ErrDirectory, v.dir, e.Name())
		}
	}
	return nil
}

// takeLock waits for the lock, as long as the process that had it may need to end.
func (v *saver) takeLock(ctx context.Context) error {
	path := filepath.Join(v.dir, lockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDirectory, err)
	}
	err = v.awaitLock(ctx, f)
	if errors.Is(err, errors.ErrUnsupported) {
		v.logger.WarnContext(ctx, "the file system has no locks: take care that no two runs use the directory at once", "dir", v.dir)
		err = nil
	}
	if err != nil {
		return errors.Join(fmt.Errorf("%w: %s: %w", ErrDirectory, path, err), f.Close())
	}
	v.lock = f
	return nil
}

func (v *saver) awaitLock(ctx context.Context, f *os.File) error {
	err := tryLock(f)
	if !errors.Is(err, errLocked) {
		return err
	}
	v.logger.InfoContext(ctx, "another process has the directory of checkpoints; waiting for its end", "dir", v.dir, "at most", lockPatience)
	limited, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	look := time.NewTicker(lockLook)
	defer look.Stop()
	for errors.Is(err, errLocked) {
		select {
		case <-look.C:
			err = tryLock(f)
		case <-limited.Done():
			return fmt.Errorf("%w: another process uses the directory, perhaps that of another run of this program; give each run a directory of its own (%w)", errLocked, limited.Err())
		}
	}
	return err
}

// unlock lets others have the directory.
func (v *saver) unlock() error {
	if v.lock == nil {
		return nil
	}
	return v.lock.Close()
}
