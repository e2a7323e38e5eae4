package launch

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
)

// The modes of a launch.
const (
	warm = "warm"
	cold = "cold"
)

// config says what is measured.
type config struct {
	hosts     int    // brought up in network namespaces where there is no inventory
	inventory string // file; empty: bring hosts up
	sshConfig string // OpenSSH configuration for the hosts of an inventory; empty: the user's own
	rate      string // of the links of hosts that are brought up, as tc writes it; empty: no limit
	rounds    int
	modes     []string
	peers     []string // names of others that are measured
	json      bool
	profiles  string // folder for CPU profiles of our launchers; empty: none
	binary    string // executable that launches and is shipped; empty: this one, or where it is not static a static build of it
}

// parse reads the command line.
func parse(args []string, stderr io.Writer) (config, error) {
	var c config
	flags := flag.NewFlagSet("bench launch", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&c.hosts, "hosts", 8, "bring up `N` hosts in network namespaces, 1 to 200 (root, Linux)")
	flags.StringVar(&c.inventory, "inventory", "", "measure on the hosts of this `FILE` instead")
	flags.StringVar(&c.sshConfig, "ssh-config", "", "OpenSSH configuration `FILE` for -inventory; the default is the user's own")
	flags.StringVar(&c.rate, "rate", "", "`RATE` of each link of the hosts that are brought up, such as 1gbit; the default is no limit")
	flags.IntVar(&c.rounds, "rounds", 5, "`N` rounds that count, after one that does not")
	flags.BoolVar(&c.json, "json", false, "print one line of JSON for each row to standard output, and the table to standard error")
	flags.StringVar(&c.profiles, "profiles", "", "write a CPU profile of each of our launchers into this `FOLDER`")
	mode := flags.String("mode", "both", "`MODE` of the launches: warm, cold or both")
	peers := flags.String("peers", strings.Join(peerNames, ","), "`LIST` of the others, separated by commas; empty is none")
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	switch *mode {
	case warm, cold:
		c.modes = []string{*mode}
	case "both":
		c.modes = []string{warm, cold}
	}
	if *peers != "" {
		c.peers = strings.Split(*peers, ",")
	}
	err := c.check(flags.Args(), *mode)
	if err != nil {
		fmt.Fprintln(stderr, "bench launch:", err)
	}
	return c, err
}

func (c config) check(args []string, mode string) error {
	switch unknown := slices.IndexFunc(c.peers, func(p string) bool { return !slices.Contains(peerNames, p) }); {
	case len(args) > 0:
		return fmt.Errorf("%q is no flag", args[0])
	case c.rounds < 1:
		return errors.New("-rounds must be at least 1")
	case len(c.modes) == 0:
		return fmt.Errorf("-mode %s: write warm, cold or both", mode)
	case unknown >= 0:
		return fmt.Errorf("-peers %s: of %s", c.peers[unknown], strings.Join(peerNames, ", "))
	case c.inventory == "" && c.sshConfig != "":
		return errors.New("-ssh-config goes with -inventory: hosts that are brought up have their own")
	case c.inventory != "" && c.rate != "":
		return errors.New("-rate is for hosts that are brought up, not for those of an inventory")
	}
	return nil
}
