//go:build !unix

package bootstrap

import "fmt"

func enterWorker() (*Guest, error) {
	return nil, fmt.Errorf("bootstrap: hosts of a run must be Linux or macOS: %w", ErrUnsupported)
}
