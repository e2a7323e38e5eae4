package agent

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Trim gives back the pages of the executable that package initialisers have touched and nobody may touch again: in a program
// with large dependencies they are most of an idle process's resident memory. Only mappings that cannot be written are
// dropped, so the kernel reads a page again from the file's cache when it is needed. It is an optimisation: errors are of no matter.
func Trim() {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return
	}
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	for line := range bytes.Lines(maps) {
		if start, end, ok := readOnlyMapping(line, exe); ok {
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, start, end-start, unix.MADV_DONTNEED)
		}
	}
}

// readOnlyMapping reads a line of /proc/PID/maps and says whether it maps file privately and without leave to write.
func readOnlyMapping(line []byte, file string) (start, end uintptr, ok bool) {
	fields := bytes.Fields(line)
	if len(fields) < 6 || !bytes.HasSuffix(bytes.TrimRight(line, "\n"), []byte(" "+file)) {
		return 0, 0, false
	}
	if perms := string(fields[1]); perms != "r--p" && perms != "r-xp" {
		return 0, 0, false
	}
	from, to, _ := bytes.Cut(fields[0], []byte("-"))
	first, err := strconv.ParseUint(string(from), 16, strconv.IntSize)
	if err != nil {
		return 0, 0, false
	}
	last, err := strconv.ParseUint(string(to), 16, strconv.IntSize)
	if err != nil || last <= first {
		return 0, 0, false
	}
	return uintptr(first), uintptr(last), true
}
