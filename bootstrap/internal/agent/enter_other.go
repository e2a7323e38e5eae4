//go:build !unix

package bootstrap

import (
	"fmt"
	"os"
)

func runAgent() int {
	fmt.Fprintln(os.Stderr, "bootstrap: hosts of a run must be Linux or macOS:", ErrUnsupported)
	return exitBroken
}

func runClean() int { return runAgent() }

func runAttach() int { return runAgent() }

func enterWorker() (*Guest, error) {
	return nil, fmt.Errorf("bootstrap: hosts of a run must be Linux or macOS: %w", ErrUnsupported)
}
