package launch

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

// unknown stands for what could not be found out.
const unknown = "unknown"

// machine is what the figures depend on.
type machine struct {
	system     string // kernel and architecture
	processor  string
	processors int
	commit     string // of the module
	versions   []string
}

// inspect finds out what it can; what it cannot is unknown.
func inspect(ctx context.Context, peers []string) machine {
	m := machine{system: firstLine(ctx, "uname", "-srm"), processor: processor(), processors: runtime.NumCPU(), commit: commit(ctx)}
	m.versions = append(m.versions, runtime.Version(), firstLine(ctx, "ssh", "-V"))
	for _, p := range peers {
		if flag := versionFlags[p]; installed(p) {
			m.versions = append(m.versions, firstLine(ctx, p, flag))
		}
	}
	return m
}

var versionFlags = map[string]string{pdsh: "-V", clush: "--version", mpirun: "--version"}

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
	id := firstLine(ctx, "git", "rev-parse", "--short=12", "HEAD")
	if out, err := exec.CommandContext(ctx, "git", "status", "--porcelain").Output(); err == nil && len(bytes.TrimSpace(out)) > 0 {
		id += " and changes"
	}
	return id
}

// firstLine is the first line that a command prints, on either output.
func firstLine(ctx context.Context, name string, args ...string) string {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if err != nil || line == "" {
		return fmt.Sprintf("%s: %s", name, unknown)
	}
	return line
}
