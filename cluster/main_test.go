package cluster

import (
	"testing"

	"github.com/tartrl/tlaunch-go/internal/testutil/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }
