package ship

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrNotExecutable is returned for a file that is no ELF, Mach-O or PE executable.
	ErrNotExecutable = errors.New("ship: not an executable of a known system")

	// ErrCorrupt is returned when what arrived on the host is not what was sent; the file was removed there.
	ErrCorrupt = errors.New("ship: the file that arrived differs from the one that was sent")

	// ErrNoSource is returned by CrossBuild where the program's source or the go command is not at hand.
	ErrNoSource = errors.New("ship: no source to build from")
)

// PlatformError is a binary that was made for another system or architecture than the host's.
type PlatformError struct {
	Host   string // os/arch of the host
	Binary string // os/arch of the binary
	Path   string // file of the binary
}

func (e *PlatformError) Error() string {
	return fmt.Sprintf("ship: the host is %s, but %s is for %s; give one for it with -binary %s=PATH", e.Host, e.Path, e.Binary, e.Host)
}

// DynamicError is a binary that the host cannot load.
type DynamicError struct {
	Path    string   // file of the binary
	Missing []string // interpreter, or libraries and versions, that the host lacks; at least one
}

func (e *DynamicError) Error() string {
	return fmt.Sprintf("ship: %s is dynamically linked and the host lacks %s; build it with CGO_ENABLED=0", e.Path, strings.Join(e.Missing, ", "))
}

// SpaceError is a host without a folder to put a file into.
type SpaceError struct {
	Need int64    // bytes
	Dirs []string // each candidate and why it was passed over
}

func (e *SpaceError) Error() string {
	return fmt.Sprintf("ship: no folder on the host takes %d bytes to run; make room or allow programs in one of: %s", e.Need, strings.Join(e.Dirs, "; "))
}

// UnpackError is a folder that reached the host, but could not be unpacked there.
type UnpackError struct {
	Path   string // of the folder here
	Dir    string // where on the host it was to be
	Output string // what the host said, shortened to 500 bytes
}

func (e *UnpackError) Error() string {
	return fmt.Sprintf("ship: unpacking %s at %s on the host failed: %q; check that there is room, that the place may be written to, and that tar is installed", e.Path, e.Dir, e.Output)
}

// ScriptError is a host on which our commands did not run to their end.
type ScriptError struct {
	Step   string // what was tried
	Output string // what the host printed, shortened to 500 bytes
	Err    error  // exit status or reason; nil when it only said something else than expected
}

func (e *ScriptError) Error() string {
	return fmt.Sprintf("ship: %s failed on the host (%v); it needs a POSIX sh as for: ssh HOST 'exec sh -c id'; it printed %q", e.Step, e.Err, e.Output)
}

// Unwrap returns the cause.
func (e *ScriptError) Unwrap() error { return e.Err }
