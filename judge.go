package tlaunch

import (
	"fmt"
	"time"
)

const (
	clockTolerance = time.Second
	// spareRoom is what a run wants free beside the executable: for its work
	// folder, and for what nodes write there.
	spareRoom = 64 << 20
	// fewFiles is a limit on open files below which programs that open files
	// of their own soon meet it.
	fewFiles = 1024
	// ownFiles and filesPerPeer are what a host's process opens by itself: to
	// each peer one link, and one more while both dial.
	ownFiles     = 48
	filesPerPeer = 2
)

// judge says what the facts of a host mean, for one with so many peers.
func judge(f *hostFacts, clock clockReading, peers int) []Check {
	return []Check{judgeSpace(f), judgeClock(clock), judgeFiles(f.OpenFiles, uint64(peers))}
}

func judgeSpace(f *hostFacts) Check {
	c := Check{Name: checkSpace, State: CheckOK, Value: bytesText(f.Free)}
	if f.Free < 0 {
		return c
	}
	if want := f.Executable + spareRoom; f.Free < want {
		c.State = CheckWarn
		c.Problem = fmt.Sprintf("%s free at %s; %s would leave room for the next executable and for files of the run", bytesText(f.Free), f.Folder, bytesText(want))
		c.Remedy = "make room there"
	}
	return c
}

func judgeClock(r clockReading) Check {
	c := Check{Name: checkClock, State: CheckOK, Value: r.String()}
	if max(r.Ahead, -r.Ahead)-r.Margin > clockTolerance {
		c.State = CheckWarn
		c.Problem = fmt.Sprintf("its clock is off by %v from the launcher's: so are times in its logs, and what its nodes compute from the time of day", r)
		c.Remedy = "set the clocks by NTP (chrony, systemd-timesyncd)"
	}
	return c
}

func judgeFiles(limit, peers uint64) Check {
	c := Check{Name: checkFiles, State: CheckOK, Value: fmt.Sprint(limit)}
	need := ownFiles + filesPerPeer*peers
	switch {
	case limit == 0:
		c.Value = ""
	case limit < need:
		c.State = CheckFail
		c.Problem = fmt.Sprintf("it may have %d files open, and a run with %d peers needs %d", limit, peers, need)
	case limit < max(fewFiles, 2*need):
		c.State = CheckWarn
		c.Problem = fmt.Sprintf("it may have %d files open, of which the run itself may need %d", limit, need)
	case limit > 1<<30:
		c.Value = "no limit"
	}
	if c.Problem != "" {
		c.Remedy = "raise the limit of its user: nofile in /etc/security/limits.conf, or LimitNOFILE= of its sshd; or that of -limit, where it is given"
	}
	return c
}

// bytesText is a number of bytes in three digits or so, empty where it is not known.
func bytesText(n int64) string {
	units := []string{"B", "KB", "MB", "GB", "TB"}
	if n < 0 {
		return ""
	}
	v, u := float64(n), 0
	for ; v >= 1000 && u < len(units)-1; u++ {
		v /= 1000
	}
	if v < 10 && u > 0 {
		return fmt.Sprintf("%.1f %s", v, units[u])
	}
	return fmt.Sprintf("%.0f %s", v, units[u])
}
