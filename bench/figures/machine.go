package figures

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
)

// Unknown stands for what could not be found out.
const Unknown = "unknown"

// A Machine is what figures depend on.
type Machine struct {
	System     string // kernel and architecture
	Processor  string
	Processors int
	Commit     string   // of the module
	Versions   []string // of Go and of whatever else took part
}

// Inspect finds out what it can; what it cannot is Unknown. Versions of others follow that of Go.
func Inspect(ctx context.Context, versions ...string) Machine {
	return Machine{
		System: FirstLine(ctx, "uname", "-srm"), Processor: processor(), Processors: runtime.NumCPU(), Commit: commit(ctx),
		Versions: append([]string{runtime.Version()}, versions...),
	}
}

// Describe is two lines for people: the machine with its load averages before and after, and the versions.
func (m Machine) Describe(before, after string) string {
	return fmt.Sprintf("machine: %s, %d processors, %s\nload averages: %s before, %s after; 0.00 would be an idle machine\ntlaunch at %s; %s\n",
		m.Processor, m.Processors, m.System, before, after, m.Commit, strings.Join(m.Versions, "; "))
}

// LoadAverage is that of the last one, five and fifteen minutes; Unknown where the kernel does not tell.
func LoadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return Unknown
	}
	fields := strings.Fields(string(text))
	return strings.Join(fields[:min(3, len(fields))], " ")
}

func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// commit is what the executable was built of, or what git says where `go run` has not noted that.
func commit(ctx context.Context) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		settings := map[string]string{}
		for _, s := range info.Settings {
			settings[s.Key] = s.Value
		}
		if id := settings["vcs.revision"]; id != "" {
			const short = 12
			id = id[:min(short, len(id))]
			if settings["vcs.modified"] == "true" {
				id += " and changes"
			}
			return id
		}
	}
	id := FirstLine(ctx, "git", "rev-parse", "--short=12", "HEAD")
	if out, err := exec.CommandContext(ctx, "git", "status", "--porcelain").Output(); err == nil && len(bytes.TrimSpace(out)) > 0 {
		id += " and changes"
	}
	return id
}

// ModuleVersion is the version of a module that the executable was built with.
func ModuleVersion(path string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if d.Path == path {
				return path + " " + d.Version
			}
		}
	}
	return path + " " + Unknown
}

// FirstLine is the first line that a command prints, on either output.
func FirstLine(ctx context.Context, name string, args ...string) string {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if err != nil || line == "" {
		return fmt.Sprintf("%s: %s", name, Unknown)
	}
	return line
}
