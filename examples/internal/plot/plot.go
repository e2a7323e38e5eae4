// Package plot draws the shapes of examples, and reads what their pictures are made of.
package plot

import (
	"flag"
	"fmt"
	"os"

	"github.com/tartrl/tlaunch-go/topology/collective"
)

// file is set where the command line was read: in the launcher, not in the processes of hosts, which read none.
var file string

// Flag registers -plot.
func Flag() {
	flag.StringVar(&file, "plot", "", "draw who is linked with whom into this `FILE`, as SVG")
}

// Sealed ends a program's group, and draws it if that was asked for.
func Sealed(g *collective.Group) error {
	if err := g.Seal(); err != nil || file == "" {
		return err
	}
	if err := os.WriteFile(file, []byte(g.Shape().SVG()), 0o644); err != nil {
		return fmt.Errorf("-plot: %w", err)
	}
	return nil
}
