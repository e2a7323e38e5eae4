package tlaunch

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Limits bound what one process of the operating system may take. Its zero
// value leaves everything as the host has it, apart from core dumps, which
// hosts' processes do not write.
type Limits struct {
	// OpenFiles is how many files and connections the process may have open. 0: a process of Go as many as its host
	// permits, since Go raises its own limit, and commands what they are given at a login. More than the host permits
	// is an error of the host before the start.
	OpenFiles int

	// GOMAXPROCS is how many threads run Go code at once. 0: as many as Go finds right for the host. Commands get it in
	// their environment.
	GOMAXPROCS int

	// Memory is how many bytes the process may have; 0: no limit. Go collects garbage ever harder from nine tenths of
	// it on (GOMEMLIMIT), and what goes beyond it is refused (RLIMIT_DATA: memory that is private and can be written,
	// whether it was written or not), upon which most programs end, those in Go with "out of memory". Less than
	// MinMemory is a mistake. Programs that are built with the race detector cannot be limited.
	Memory int64

	// CoreDumps lets a process that crashes leave an image of its memory, as large as its host permits. Where one goes
	// is the host's decision; Go writes none unless GOTRACEBACK=crash.
	CoreDumps bool
}

// MinMemory is the least [Limits].Memory: a process in Go reserves that much
// before it does anything.
const MinMemory = 256 << 20

// ProcessLimits bounds each host's process, and each command on it by itself.
// In a run in one process only the commands are bounded.
func ProcessLimits(l Limits) Option {
	return func(s *settings) {
		if err := l.validate(); err != nil && s.err == nil {
			s.err = usagef("limits: %v", err)
		}
		s.limits = l
	}
}

func (l Limits) validate() error {
	switch {
	case l.OpenFiles < 0 || l.GOMAXPROCS < 0 || l.Memory < 0:
		return fmt.Errorf("%s: write 0 for no limit", l)
	case l.OpenFiles > 0 && l.OpenFiles < 64:
		return fmt.Errorf("no process gets along with %d open files: give at least 64", l.OpenFiles)
	case l.Memory > 0 && l.Memory < MinMemory:
		return fmt.Errorf("no process in Go gets along with %d bytes of memory: give at least %d MiB", l.Memory, MinMemory>>20)
	}
	return nil
}

// over is what l says, and for what it says nothing of, what the other does.
func (l Limits) over(other Limits) Limits {
	if l.OpenFiles == 0 {
		l.OpenFiles = other.OpenFiles
	}
	if l.GOMAXPROCS == 0 {
		l.GOMAXPROCS = other.GOMAXPROCS
	}
	if l.Memory == 0 {
		l.Memory = other.Memory
	}
	l.CoreDumps = l.CoreDumps || other.CoreDumps
	return l
}

// String is the limits as the flag -limit takes them; empty where there are none.
func (l Limits) String() string {
	var parts []string
	if l.OpenFiles != 0 {
		parts = append(parts, fmt.Sprintf("files=%d", l.OpenFiles))
	}
	if l.GOMAXPROCS != 0 {
		parts = append(parts, fmt.Sprintf("procs=%d", l.GOMAXPROCS))
	}
	if l.Memory != 0 {
		parts = append(parts, fmt.Sprintf("memory=%d", l.Memory))
	}
	if l.CoreDumps {
		parts = append(parts, "core")
	}
	return strings.Join(parts, ",")
}

// Set reads limits for a flag: files=4096, procs=2, memory=2GiB (or KiB, MiB,
// TiB, or bytes) and core, with commas between. What it does not name stays.
func (l *Limits) Set(text string) error {
	for word := range strings.SplitSeq(text, ",") {
		name, value, given := strings.Cut(strings.TrimSpace(word), "=")
		var n int64
		var err error
		switch {
		case name == "core" && !given:
			l.CoreDumps = true
			continue
		case name == "memory":
			n, err = parseBytes(value)
		default:
			n, err = strconv.ParseInt(value, 10, 31)
		}
		if err != nil || n < 0 || !given {
			return fmt.Errorf("%q is no limit: write files=4096, procs=2, memory=2GiB or core", word)
		}
		switch name {
		case "files":
			l.OpenFiles = int(n)
		case "procs":
			l.GOMAXPROCS = int(n)
		case "memory":
			l.Memory = n
		default:
			return fmt.Errorf("%q is no limit: write files=4096, procs=2, memory=2GiB or core", word)
		}
	}
	return l.validate()
}

func parseBytes(text string) (int64, error) {
	shift := 0
	for unit, s := range map[string]int{"KiB": 10, "MiB": 20, "GiB": 30, "TiB": 40} {
		if number, ok := strings.CutSuffix(text, unit); ok {
			text, shift = number, s
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err == nil && n > math.MaxInt64>>shift {
		err = strconv.ErrRange
	}
	return n << shift, err
}

// soft is where Go begins to collect garbage ever harder.
func (l Limits) soft() int64 { return l.Memory / 10 * 9 }

// variables tell programs in Go, which is what commands may be too.
func (l Limits) variables() (env []string) {
	if l.GOMAXPROCS > 0 {
		env = append(env, fmt.Sprintf("GOMAXPROCS=%d", l.GOMAXPROCS))
	}
	if l.Memory > 0 {
		env = append(env, fmt.Sprintf("GOMEMLIMIT=%d", l.soft()))
	}
	return env
}

// script is what a shell does before it becomes a command that has limits of
// its own; empty where it has none.
func (l Limits) script() string {
	var b strings.Builder
	if l.CoreDumps {
		b.WriteString("ulimit -S -c $(ulimit -H -c) && ")
	}
	if l.OpenFiles > 0 {
		fmt.Fprintf(&b, "ulimit -n %d && ", l.OpenFiles)
	}
	if l.Memory > 0 {
		fmt.Fprintf(&b, "ulimit -d %d && ", l.Memory>>10)
	}
	if b.Len() == 0 {
		return ""
	}
	return b.String() + `exec "$0" "$@"`
}
