package programs

import (
	tlaunch "github.com/tartrl/tlaunch-go"
)

// CommandsConfig is for [Commands].
type CommandsConfig struct {
	// Path and Args are the command.
	Path string
	Args []string
	// Files is a folder to bring along; empty is none.
	Files string
	// Odd is the path of the command on the second host, where that differs.
	Odd string
}

// Commands has a command on each host.
var Commands = tlaunch.Define("commands", func(p *tlaunch.Program, cfg CommandsConfig) error {
	for i, h := range p.Hosts() {
		c := tlaunch.Command{Path: cfg.Path, Args: cfg.Args, Files: cfg.Files}
		if i == 1 && cfg.Odd != "" {
			c.Path = cfg.Odd
		}
		tlaunch.AddCommand(p, "peer", c, tlaunch.On(h))
	}
	return nil
})
