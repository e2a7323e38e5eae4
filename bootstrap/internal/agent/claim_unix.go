//go:build unix

package agent

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
)

// claimHeader is the first line of a claim; the mark and the machine follow, a line each.
const claimHeader = "tlaunch claim 1"

// claim is a file that an agent has locked for as long as it lives. A work folder whose claim nobody has locked is a left-over,
// as the kernel takes locks back from whoever dies. A claim is there before its folder and goes after it, and is written
// under its lock: one that is locked and complete has an agent.
type claim struct {
	dir  string
	file *os.File
}

// newClaim makes a work folder in base, and its claim.
func newClaim(base, prefix, mark string) (*claim, error) {
	const attempts = 100
	for range attempts {
		dir := filepath.Join(base, prefix+strings.ToLower(rand.Text()[:10]))
		file, err := os.OpenFile(dir+talk.ClaimSuffix, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		c := &claim{dir: dir, file: file}
		if !lock(file) { // somebody who looks for left-overs was faster
			c.release()
			continue
		}
		_, err = fmt.Fprintf(file, "%s\n%s\n%s\n", claimHeader, mark, machine())
		if err == nil {
			err = os.Mkdir(dir, 0o700)
		}
		if err != nil {
			c.release()
			return nil, err
		}
		return c, nil
	}
	return nil, fmt.Errorf("%d names of work folders in %s are taken", attempts, base)
}

// release gives the claim up; the folder must be gone.
func (c *claim) release() {
	_ = os.Remove(c.file.Name())
	_ = c.file.Close()
}

// lock says whether the file is ours now. Where a file system has no locks it is: processes are the other sign of life.
func lock(f *os.File) bool {
	return !errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB), unix.EWOULDBLOCK)
}

// machine tells hosts apart that share a file system.
func machine() string {
	name, _ := os.Hostname() // what cannot be known is empty
	id, _ := os.ReadFile("/etc/machine-id")
	return strings.Join(strings.Fields(name+" "+string(id)), " ")
}

// emptyClaimAge is how old a claim without its lines must be for a left-over: its writer has lost them with the machine's power.
const emptyClaimAge = time.Hour

// openClaim opens the claim of somebody else and reads whose it is. Claims of other users and machines, and what is none, give an error.
func openClaim(path string) (*claim, talk.Mark, error) {
	file, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, talk.Mark{}, err
	}
	mark, err := readClaim(file)
	if err != nil {
		_ = file.Close()
		return nil, talk.Mark{}, err
	}
	return &claim{dir: strings.TrimSuffix(path, talk.ClaimSuffix), file: file}, mark, nil
}

var errNotOurs = errors.New("bootstrap: the claim is not this user's on this machine")

func readClaim(file *os.File) (talk.Mark, error) {
	const longest = 4096
	info, err := file.Stat()
	if err != nil {
		return talk.Mark{}, err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); !ok || !info.Mode().IsRegular() || int(owner.Uid) != os.Geteuid() {
		return talk.Mark{}, errNotOurs
	}
	text, err := io.ReadAll(io.LimitReader(file, longest))
	if err != nil {
		return talk.Mark{}, err
	}
	if len(text) == 0 && time.Since(info.ModTime()) > emptyClaimAge {
		return talk.Mark{}, nil
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) != 4 || lines[0] != claimHeader || lines[2] != machine() {
		return talk.Mark{}, errNotOurs
	}
	mark, ok := talk.ParseMark(lines[1])
	if !ok {
		return talk.Mark{}, errNotOurs
	}
	return mark, nil
}

// removeFolder removes a work folder, folders without write permission included.
func removeFolder(dir string) error {
	if info, err := os.Lstat(dir); err == nil && !info.IsDir() {
		return fmt.Errorf("%s is no folder", dir)
	}
	if os.RemoveAll(dir) == nil {
		return nil
	}
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	return os.RemoveAll(dir)
}
