package launch

import (
	"context"

	"github.com/tartrl/tlaunch-go/bench/figures"
)

// inspect finds out what the figures depend on.
func inspect(ctx context.Context, peers []string) figures.Machine {
	versions := []string{figures.FirstLine(ctx, "ssh", "-V")}
	for _, p := range peers {
		if flag := versionFlags[p]; installed(p) {
			versions = append(versions, figures.FirstLine(ctx, p, flag))
		}
	}
	return figures.Inspect(ctx, versions...)
}

var versionFlags = map[string]string{pdsh: "-V", clush: "--version", mpirun: "--version"}
