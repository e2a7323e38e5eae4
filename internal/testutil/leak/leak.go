// Package leak ends a package's tests with an error if goroutines are left.
//
// A package whose code starts goroutines or opens sockets has, in one test file:
//
//	func TestMain(m *testing.M) { leak.Main(m) }
//
// There are no exceptions in here, and each that is added says why: a library that leaves a goroutine
// behind by design is named, with the call that starts it. A test that leaves a goroutine on purpose does not exist.
package leak

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is how long goroutines may take to end after the last test. goleak's own, half a second, is less than a busy machine may let one wait for its turn.
const patience = 20 * time.Second

// Main runs the tests and exits: with their status, or with 1 where all passed but goroutines are left after 20 s.
func Main(m *testing.M) { os.Exit(Run(m)) }

// Run is Main for tests that have something to tidy up: it returns the status to exit with.
func Run(m *testing.M) int {
	status := m.Run()
	if status != 0 {
		return status
	}
	late := time.Now().Add(patience)
	err := goleak.Find()
	for err != nil && time.Now().Before(late) {
		err = goleak.Find() // which waits between its looks
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "leak: the tests passed, and left goroutines:", err)
		return 1
	}
	return 0
}
