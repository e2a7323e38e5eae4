package ship

import (
	"fmt"
	"os"
	"syscall"
	"time"
)

// identify names an open file by all that changes when its content does, and says when that was. Files that are small, or not regular, have no name.
func identify(f *os.File) (id string, changed time.Time, ok bool) {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() < keptFrom {
		return "", time.Time{}, false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", time.Time{}, false
	}
	changed = time.Unix(stat.Ctim.Unix())
	return fmt.Sprintf("%d %d %d %d %d", stat.Dev, stat.Ino, info.Size(), info.ModTime().UnixNano(), changed.UnixNano()), changed, true
}

// ownFile says whether an open file is this user's, and nobody else may write it.
func ownFile(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o022 != 0 {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}
