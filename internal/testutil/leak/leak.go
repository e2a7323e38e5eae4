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
	"testing"

	"go.uber.org/goleak"
)

// Main runs the tests and exits: with their status, or with 1 where all passed but goroutines are left after one second.
func Main(m *testing.M) { goleak.VerifyTestMain(m) }
