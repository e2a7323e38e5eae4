package ship

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"testing"

	"github.com/tartrl/tlaunch-go/internal/testutil/leak"
)

// hello is a small static program for this machine.
var hello string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "ship")
	if err == nil {
		hello, err = CrossBuild(context.Background(), runtime.GOOS, runtime.GOARCH, "./testdata/hello", dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	status := leak.Run(m)
	os.RemoveAll(dir)
	os.Exit(status)
}
