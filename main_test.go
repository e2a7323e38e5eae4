package tlaunch

import (
	"testing"

	"github.com/tartrl/tlaunch-go/internal/testutil/leak"
)

// TestMain takes over in the processes that tests start as hosts: they are this executable again.
func TestMain(m *testing.M) {
	Init()
	leak.Main(m)
}
