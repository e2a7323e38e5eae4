package oom

import (
	"bytes"
	"os"
	"path"
	"strconv"
	"strings"
)

// counter returns what reads the count of kills that is nearest to this process.
func counter() func() (uint64, bool) {
	cgroups, _ := os.ReadFile("/proc/self/cgroup") // what cannot be read names no file
	second, first := memberships(string(cgroups))
	// Where the hierarchies nearly always are is looked at first: the kernel writes the list of mounts anew for each reader, and it may be long.
	if count, ok := firstOf(below("/sys/fs/cgroup", second, "memory.events"), below("/sys/fs/cgroup/memory", first, "memory.oom_control")); ok {
		return count
	}
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	count, _ := firstOf(append(files(second, first, string(mounts)), "/proc/vmstat")...)
	return count
}

// below is a file of a cgroup in a hierarchy; empty where there is no cgroup.
func below(mount, cgroup, file string) string {
	if cgroup == "" {
		return ""
	}
	return path.Join(mount, cgroup, file)
}

// firstOf returns what reads the count of the first of these files that has one.
func firstOf(files ...string) (read func() (uint64, bool), found bool) {
	for _, file := range files {
		if _, ok := readCount(file); ok {
			return func() (uint64, bool) { return readCount(file) }, true
		}
	}
	return func() (uint64, bool) { return 0, false }, false
}

func readCount(file string) (uint64, bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	return parseCount(text)
}

// parseCount finds the line "oom_kill N", which all these files have.
func parseCount(text []byte) (uint64, bool) {
	for line := range bytes.Lines(text) {
		if fields := bytes.Fields(line); len(fields) == 2 && string(fields[0]) == "oom_kill" {
			n, err := strconv.ParseUint(string(fields[1]), 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}

// memberships are the cgroups that this process is in according to cgroups (/proc/self/cgroup): in the hierarchy of version 2, and in that
// of version 1 that has memory. Empty where there is none.
func memberships(cgroups string) (second, first string) {
	for line := range strings.Lines(cgroups) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3) // number, controllers, path
		switch {
		case len(parts) < 3:
		case parts[0] == "0" && parts[1] == "":
			second = parts[2]
		case has(parts[1], "memory"):
			first = parts[2]
		}
	}
	return second, first
}

// files are those that may have the count of a process's cgroups, where mounts (/proc/self/mountinfo) say that their hierarchies are
// mounted. Version 2 comes first.
func files(second, first, mounts string) []string {
	var found []string
	for _, want := range []struct{ kind, option, path, file string }{
		{"cgroup2", "", second, "memory.events"},
		{"cgroup", "memory", first, "memory.oom_control"},
	} {
		for line := range strings.Lines(mounts) {
			// number, parent, device, root, mount point, options … "-" type, source, options of the hierarchy
			mount, hierarchy, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " - ")
			left, right := strings.Fields(mount), strings.Fields(hierarchy)
			if want.path == "" || len(left) < 5 || len(right) < 3 || right[0] != want.kind || want.option != "" && !has(right[2], want.option) {
				continue
			}
			if below, ok := strings.CutPrefix(want.path, strings.TrimSuffix(left[3], "/")); ok {
				found = append(found, path.Join(left[4], below, want.file))
			}
		}
	}
	return found
}

// has says whether a list with commas has a word.
func has(list, word string) bool {
	for w := range strings.SplitSeq(list, ",") {
		if w == word {
			return true
		}
	}
	return false
}
