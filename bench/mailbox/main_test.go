package mailbox

import (
	"context"
	"os"
	"testing"

	"github.com/tartrl/tlaunch-go/internal/testutil/leak"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "mailbox" { // a process of a measurement, which runs its own executable
		os.Exit(Command(context.Background(), os.Args[2:], os.Stdin, os.Stdout, os.Stderr))
	}
	leak.Main(m)
}
