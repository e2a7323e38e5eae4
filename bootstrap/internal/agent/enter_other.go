//go:build !unix

package agent

import "os"

func runAgent() int {
	_, _ = os.Stderr.WriteString("bootstrap: hosts of a run must be Linux or macOS\n")
	return ExitBroken
}

func runClean() int { return runAgent() }

func runAttach() int { return runAgent() }
