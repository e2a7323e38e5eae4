//go:build linux

package hosts

import "github.com/tartrl/tlaunch-go/internal/netns"

// Option changes how Up makes the hosts of a net.
type Option func(*netns.Config)

// Rate limits each host's link, in both directions, to a rate as tc writes it: "1gbit", "500mbit". The default, and "", is no limit.
func Rate(rate string) Option { return func(c *netns.Config) { c.Rate = rate } }

// LoginShell is the login shell of every account, by absolute path. The default is /bin/sh, whose start files are the machine's.
func LoginShell(path string) Option { return func(c *netns.Config) { c.Shell = path } }

// SSHDConfig adds lines to each host's sshd_config, before the package's own: sshd takes the first value of a setting.
func SSHDConfig(lines ...string) Option {
	return func(c *netns.Config) { c.SSHD = append(c.SSHD, lines...) }
}

// User adds a plain account of this name, which the inventory and the ssh configuration then log in as, and whose home is Host.Home. The default, and "root", is root.
func User(name string) Option { return func(c *netns.Config) { c.User = name } }
