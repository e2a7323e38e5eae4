package agent

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/hold"
	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
	"github.com/tartrl/tlaunch-go/internal/environ"
)

// markedProcesses lists the processes with a mark, as far as this user may see: its own, or as root all. Ourselves are left out.
func markedProcesses() []marked {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	uptime := sinceBoot()
	var all []marked
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if p, ok := readMarked(pid, uptime); ok {
			all = append(all, p)
		}
	}
	return all
}

// readMarked reads one process; uptime is for its age.
func readMarked(pid int, uptime time.Duration) (marked, bool) {
	dir := "/proc/" + strconv.Itoa(pid)
	p := marked{pid: pid}
	var ok bool
	if p.mark, p.role, ok = parseEnviron(environ.Of(pid)); !ok {
		return marked{}, false
	}
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return marked{}, false
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	const starttime = 19 // counted from the field after the name
	if len(fields) <= starttime {
		return marked{}, false
	}
	if p.start, err = strconv.ParseUint(string(fields[starttime]), 10, 64); err != nil {
		return marked{}, false
	}
	const tick = time.Second / 100 // USER_HZ, which the kernel never changes towards programs
	p.age = max(0, uptime-time.Duration(p.start)*tick)
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		return marked{}, false
	}
	_, after, _ := bytes.Cut(status, []byte("\nUid:"))
	ids := bytes.Fields(after)
	if len(ids) == 0 {
		return marked{}, false
	}
	if p.uid, err = strconv.Atoi(string(ids[0])); err != nil {
		return marked{}, false
	}
	cmdline, _ := os.ReadFile(dir + "/cmdline") // a process that ends meanwhile is gone with the next look
	p.command = commandLine(cmdline)
	return p, true
}

// parseEnviron finds mark and role in what /proc/PID/environ holds.
func parseEnviron(environ []byte) (mark talk.Mark, role string, ok bool) {
	for entry := range bytes.SplitSeq(environ, []byte{0}) {
		name, value, _ := bytes.Cut(entry, []byte("="))
		switch string(name) {
		case talk.MarkVariable:
			mark, ok = talk.ParseMark(string(value))
		case talk.Marker:
			role = string(value)
		}
	}
	return mark, role, ok
}

// commandLine makes one text of what /proc/PID/cmdline holds.
func commandLine(cmdline []byte) string {
	const longest = 256
	text := strings.Join(strings.FieldsFunc(string(cmdline), func(r rune) bool { return r == 0 }), " ")
	return text[:min(len(text), longest)]
}

// sinceBoot is the clock that processes are started by.
func sinceBoot() time.Duration {
	text, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return 0
	}
	seconds, _, _ := bytes.Cut(text, []byte(" "))
	s, err := strconv.ParseFloat(string(seconds), 64)
	if err != nil {
		return 0
	}
	return time.Duration(s * float64(time.Second))
}

// signal sends s to p itself, and to no other process that has taken over its number.
func (p marked) signal(s unix.Signal) error {
	fd, err := unix.PidfdOpen(p.pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err == nil {
		defer unix.Close(fd)
	} else {
		fd = -1 // an old kernel: between the look and the signal there is a moment
	}
	if now, ok := readMarked(p.pid, 0); !ok || now.start != p.start || now.mark != p.mark {
		return nil
	}
	if fd < 0 {
		err = unix.Kill(p.pid, s)
	} else {
		err = unix.PidfdSendSignal(fd, s, nil, 0)
	}
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}

// endMarked ends the processes of our user that are chosen, and what they start meanwhile: SIGTERM, and what is left after the
// notice is killed. It returns those that resist.
func endMarked(chosen func(marked) bool, notice time.Duration) []marked {
	left := func() []marked {
		var found []marked
		for _, p := range markedProcesses() {
			if p.uid == os.Geteuid() && chosen(p) {
				found = append(found, p)
			}
		}
		return found
	}
	const look = 20 * time.Millisecond // nobody is told when processes end that are not one's children
	found := left()
	for _, p := range found {
		_ = p.signal(unix.SIGTERM) // SIGKILL follows
	}
	for deadline := time.Now().Add(notice); len(found) > 0 && time.Now().Before(deadline); found = left() {
		time.Sleep(look)
	}
	for deadline := time.Now().Add(hold.KillBound); len(found) > 0 && time.Now().Before(deadline); found = left() {
		for _, p := range found {
			_ = p.signal(unix.SIGKILL) // who resists is returned
		}
		time.Sleep(look)
	}
	return found
}
