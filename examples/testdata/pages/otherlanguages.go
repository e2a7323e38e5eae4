package otherlanguages

import (
	"github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/transmit"
)

func command(p *tlaunch.Program, hosts []tlaunch.Host, data transmit.Ref) {
	// fragment: tlaunch.AddCommand(p, "learner", tlaunch.Command{
}
