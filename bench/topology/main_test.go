package topology

import (
	"testing"

	"github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/internal/testutil/leak"
)

func TestMain(m *testing.M) {
	tlaunch.Init() // members' processes are this executable too
	leak.Main(m)
}
