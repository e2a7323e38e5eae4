//go:build !unix

package mailbox

import "errors"

// processorTime is what this process has used of the processors so far.
func processorTime() (float64, error) {
	return 0, errors.New("the processor time of a process is measured on Unix")
}
