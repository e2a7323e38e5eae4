package environ

import (
	"bytes"
	"os"
	"strconv"
	"time"
)

// A process that becomes another program is given this time, and so many looks: as a rule it takes less than a millisecond, but the
// machine may stand still for seconds between two of them.
const (
	settling = time.Second
	fewest   = 100
)

// Of returns the environment that a process was started with, each entry with a zero byte at its end; nil where it has none, may not
// be read or has ended. While a process becomes another program (execve) the kernel shows none, as if it had none: so one that shows
// none is waited for, about a second, until it is known to have none.
func Of(pid int) []byte { return settle(func() ([]byte, bool) { return look(pid) }) }

// settle looks until what it sees is settled, or is not to be expected to be.
func settle(look func() (environ []byte, settled bool)) []byte {
	late := time.Now().Add(settling)
	for looks := 1; ; looks++ {
		if environ, settled := look(); settled || looks >= fewest && time.Now().After(late) {
			return environ
		}
		time.Sleep(time.Millisecond / 2) // nobody tells
	}
}

// look is one look at an environment. settled is false where there may be one with the next.
func look(pid int) (environ []byte, settled bool) {
	dir := "/proc/" + strconv.Itoa(pid)
	environ, err := os.ReadFile(dir + "/environ")
	if err != nil || len(environ) > 0 {
		return environ, true
	}
	stat, err := os.ReadFile(dir + "/stat")
	return nil, err != nil || hasNone(stat)
}

// hasNone tells from /proc/PID/stat of a process that shows no environment whether that is all there will be.
func hasNone(stat []byte) bool {
	const ( // counted from the field after the name, which may hold anything
		state = 0
		flags = 6
		code  = 23 // where the program begins, as an address
		start = 47 // where the environment begins, and ends
		end   = 48
	)
	const exiting, kernelThread = 0x4, 0x200000 // PF_EXITING, PF_KTHREAD
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) <= end {
		return true
	}
	is, err := strconv.ParseUint(string(fields[flags]), 10, 64)
	if err != nil || is&(exiting|kernelThread) != 0 || fields[state][0] == 'Z' || fields[state][0] == 'X' {
		return true
	}
	// The kernel sets the address of a new program after those of its environment; until then it is zero. Where these span something
	// by now, the first look came too early.
	return string(fields[code]) != "0" && bytes.Equal(fields[start], fields[end])
}
