package launch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"

	"github.com/tartrl/tlaunch-go/bootstrap/ship"
)

// shipped is the executable that launches and that hosts run.
type shipped struct {
	path string
	hash string // SHA-256 in hexadecimal
	size int64
}

// executable finds what to launch with. This process's own will do where it is static; `go run` makes one that is not where there is a C compiler, so that
// a static one is built of the same package. remove removes what was made.
func executable(ctx context.Context, path string, stderr io.Writer) (exe shipped, remove func() error, err error) {
	remove = func() error { return nil }
	own := path == ""
	if own {
		if path, err = os.Executable(); err != nil {
			return exe, nil, err
		}
	}
	if exe, static, err := examine(path); err != nil || static || !own {
		return exe, remove, err
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Path == "" {
		return exe, nil, errors.New("this executable needs shared libraries and does not say what it was built of: build it with CGO_ENABLED=0")
	}
	dir, err := os.MkdirTemp("", "tlaunch-bench-")
	if err != nil {
		return exe, nil, err
	}
	remove = func() error { return os.RemoveAll(dir) }
	fmt.Fprintln(stderr, "building a static executable of", info.Path)
	out := filepath.Join(dir, filepath.Base(info.Path))
	// Stripped, as what is shipped usually is.
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, info.Path)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		return exe, nil, errors.Join(fmt.Errorf("%w; run this in the module's folder, or build it with CGO_ENABLED=0\n%s", err, bytes.TrimSpace(text)), remove())
	}
	exe, _, err = examine(out)
	if err != nil {
		return exe, nil, errors.Join(err, remove())
	}
	return exe, remove, nil
}

func examine(path string) (exe shipped, static bool, err error) {
	b, err := ship.OpenBinary(path)
	if err != nil {
		return exe, false, err
	}
	return shipped{path, b.SHA256, b.Size}, b.Interp == "" && b.Libs == nil, b.Close()
}
