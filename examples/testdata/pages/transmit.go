package transmit

import (
	"time"

	"github.com/tartrl/tlaunch-go/transmit"
)

func checkpoints() {
	// fragment: node := transmit.NewNode(transmit.Config{Checkpoints: transmit.Checkpoints{Dir: "/var/lib/myrun/data", Every: 5 * time.Minute}})
	_ = node
}
