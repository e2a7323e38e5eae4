package ship

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// keptDigests bounds how many digests are kept: those of the executables that were launched last.
const keptDigests = 32

// keptFrom is the size from which a file's digest is kept. Reading what is smaller takes no longer than looking it up.
const keptFrom = 1 << 20

// quiet is how long a file must have been left alone when it is hashed for its digest to be kept. What changes it once more within one
// tick of the file system's clock would leave no trace in its times; these ticks are 2 s at most (FAT), and 4 to 10 ms usually.
const quiet = 3 * time.Second

// digests are the hashes of executables that this user has launched, so that a launch need not read what the last has read. A file is
// known by where it is and by its size and times, that of its last change among them, which nobody can set.
//
// A wrong one does no harm beyond this user: it names what hosts keep in the same user's caches, and what is sent is hashed as it goes.
type digests struct {
	file  string        // one line for each, the youngest first; empty: none are kept
	quiet time.Duration // how long a file must have been left alone for its digest to be kept
}

// ownDigests are those in the user's cache folder.
func ownDigests() digests {
	cache, err := os.UserCacheDir()
	if err != nil {
		return digests{}
	}
	return digests{filepath.Join(cache, "tlaunch", "digests"), quiet}
}

// sum returns the SHA-256 of an open file in hexadecimal, by hash, which reads it, unless it is known.
func (d digests) sum(f *os.File, hash func() (string, error)) (string, error) {
	id, changed, ok := identify(f)
	if !ok || d.file == "" {
		return hash()
	}
	if known, ok := d.find(id); ok {
		return known, nil
	}
	began := time.Now()
	sum, err := hash()
	if err != nil {
		return "", err
	}
	if again, _, ok := identify(f); ok && again == id && began.Sub(changed) > d.quiet {
		_ = d.keep(id, sum) // else it is read again
	}
	return sum, nil
}

// find looks for the digest of a file.
func (d digests) find(id string) (string, bool) {
	for _, line := range d.lines() {
		if sum, found := strings.CutSuffix(line, " "+id); found {
			raw, err := hex.DecodeString(sum)
			return sum, err == nil && len(raw) == 32
		}
	}
	return "", false
}

// lines are those of the file, where it is this user's alone to write.
func (d digests) lines() []string {
	const most = keptDigests * 1024
	f, err := os.Open(d.file)
	if err != nil {
		return nil
	}
	defer f.Close()
	if !ownFile(f) {
		return nil
	}
	var lines []string
	in := bufio.NewScanner(io.LimitReader(f, most))
	for in.Scan() && len(lines) < keptDigests {
		lines = append(lines, in.Text())
	}
	return lines
}

// keep puts a digest before the others. Of two launches that do so at once, one is in vain.
func (d digests) keep(id, sum string) error {
	var text bytes.Buffer
	fmt.Fprintf(&text, "%s %s\n", sum, id)
	for i, line := range d.lines() {
		if i < keptDigests-1 {
			fmt.Fprintln(&text, line)
		}
	}
	dir := filepath.Dir(d.file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "digests-")
	if err != nil {
		return err
	}
	_, err = f.Write(text.Bytes())
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), d.file)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
