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
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for _, file := range append(files(string(cgroups), string(mounts)), "/proc/vmstat") {
		if _, ok := readCount(file); ok {
			return func() (uint64, bool) { return readCount(file) }
		}
	}
	return func() (uint64, bool) { return 0, false }
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

// files are those that may have the count of the memory cgroup that cgroups (/proc/self/cgroup) names, where mounts
// (/proc/self/mountinfo) say that its hierarchy is mounted. Version 2 comes first.
func files(cgroups, mounts string) []string {
	var second, first string // the paths in the hierarchies of these versions
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
