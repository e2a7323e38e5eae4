package tlaunch

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// hostFacts is what a host's process says of its host when it is ready. A
// number that is zero is not known.
type hostFacts struct {
	OS, Arch   string
	CPUs       int
	Memory     int64  // of the machine, in bytes
	OpenFiles  uint64 // that this process may have
	Free       int64  // bytes free in Folder; -1: not known
	Folder     string // of those that a run writes to, the one with the least room
	Executable int64  // size of the program in bytes
	Heard      int64  // when the launcher's welcome came, in Unix nanoseconds by the host's clock
	Sent       int64  // when these facts were sent, likewise
}

func (w *worker) facts() *hostFacts {
	f := &hostFacts{OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), Free: -1, Heard: w.heard.UnixNano()}
	folders := []string{filepath.Dir(w.guest.Dir())} // the work folder itself is this run's
	if exe, err := os.Executable(); err == nil {
		folders = append(folders, filepath.Dir(exe))
		if info, err := os.Stat(exe); err == nil {
			f.Executable = info.Size()
		}
	}
	f.ask(folders)
	f.Sent = time.Now().UnixNano()
	return f
}

// clockReading is how far a host's clock is ahead of the launcher's, give or
// take Margin.
type clockReading struct{ Ahead, Margin time.Duration }

// readClock compares two clocks by a message there and one back, all times in
// Unix nanoseconds: asked and answered by the launcher's clock, heard and sent
// by the host's. What the host does between hearing and sending is no matter;
// the time on the way, whose halves need not be alike, is the margin.
func readClock(asked, heard, sent, answered int64) clockReading {
	ahead := ((heard - asked) + (sent - answered)) / 2
	margin := ((answered - asked) - (sent - heard)) / 2
	return clockReading{time.Duration(ahead), time.Duration(max(margin, 0))}
}

// String is the difference, as in "+2.1s ±3ms" for a host that is ahead; just
// the margin where it is within.
func (c clockReading) String() string {
	sign, d := "+", c.Ahead
	if max(d, -d) <= c.Margin {
		return fmt.Sprintf("±%v", roughly(c.Margin))
	}
	if d < 0 {
		sign, d = "-", -d
	}
	return fmt.Sprintf("%s%v ±%v", sign, roughly(d), roughly(c.Margin))
}

// roughly rounds to what a person reads: two or three digits.
func roughly(d time.Duration) time.Duration {
	switch {
	case d >= time.Minute:
		return d.Round(time.Second)
	case d >= time.Second:
		return d.Round(100 * time.Millisecond)
	case d >= time.Millisecond:
		return d.Round(time.Millisecond)
	}
	return d.Round(10 * time.Microsecond)
}
