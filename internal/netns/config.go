//go:build linux

package netns

// Config says how the hosts of a net are made.
type Config struct {
	// User is a plain account that is added to each host, which the inventory and the ssh configuration then log in as, and whose
	// home is Host.Home. Empty, and "root", is root.
	User string
	// Shell is the login shell of every account, by absolute path. Empty is /bin/sh, whose start files are the machine's.
	Shell string
	// Rate limits each host's link, in both directions, to a rate as tc writes it: "1gbit", "500mbit". Empty is no limit.
	Rate string
	// Rates are those of single hosts, by name, in place of Rate.
	Rates map[string]string
	// SSHD are lines of each host's sshd_config, before the package's own: sshd takes the first value of a setting.
	SSHD []string
}

// withDefaults fills in what is empty.
func (c Config) withDefaults() Config {
	if c.User == "" {
		c.User = "root"
	}
	if c.Shell == "" {
		c.Shell = "/bin/sh"
	}
	return c
}
