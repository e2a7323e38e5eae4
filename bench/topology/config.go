package topology

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/tartrl/tlaunch-go/topology/collective"
)

// config says what is measured, and where.
type config struct {
	counts    []int             // of hosts, one after the other
	hosts     int               // to bring up in network namespaces, or local processes
	rate      string            // of their links
	rates     map[string]string // of single hosts, in place of it
	rows      []string          // of the table of promises; none: what the other flags say
	given     map[string]bool   // flags
	local     bool              // processes of this machine, by loopback
	inventory string            // file; instead of hosts
	sshConfig string
	json      bool
	explain   bool
	plot      string
	peers     []string
	progress  func(outcome) // called for each as it is told; nil: nobody asks
	program   programConfig
}

// programConfig goes to every process of the run.
type programConfig struct {
	Operations []string
	Algorithms []string
	Sizes      []int
	Chunk      int
	Rounds     int
	Small      int     // rounds of what is smaller than 1 MiB, whose times vary more; 0: as many
	Most       float64 // seconds for the rounds of a way, of which there is at least one; and ways that cannot be the best are left out. 0: no limit
	Profiles   string
	Bare       bool // without TLS
}

// algorithms are those that can be asked for, by name.
var algorithms = func() map[string]collective.Algorithm {
	all := map[string]collective.Algorithm{}
	for a := collective.ByShape; a <= collective.Auto; a++ {
		all[strings.ToLower(a.String())] = a
	}
	return all
}()

func parse(args []string, stderr io.Writer) (config, error) {
	var c config
	flags := flag.NewFlagSet("bench topology", flag.ContinueOnError)
	flags.SetOutput(stderr)
	counts := flags.String("hosts", "8", "`N` hosts to bring up in network namespaces (as root), or with -local processes; a list, such as 2,4,8, is measured one after the other")
	flags.StringVar(&c.rate, "rate", "1gbit", "`RATE` of their links as tc writes it; empty: no limit")
	flags.BoolVar(&c.local, "local", false, "take processes of this machine and loopback instead; no root")
	flags.StringVar(&c.inventory, "inventory", "", "take the hosts of this `FILE` instead; no root")
	flags.StringVar(&c.sshConfig, "ssh-config", "", "with -inventory, this OpenSSH configuration `FILE` instead of the user's own")
	flags.BoolVar(&c.json, "json", false, "print one line of JSON for each row to standard output, and the table to standard error")
	flags.IntVar(&c.program.Rounds, "rounds", 5, "`N` rounds that count, after one that does not")
	flags.IntVar(&c.program.Chunk, "chunk", 0, "`BYTES` of a chunk; 0: the default")
	flags.StringVar(&c.program.Profiles, "profiles", "", "write a CPU profile of each host's process into this `FOLDER` of the host")
	tls := flags.Bool("tls", true, "encrypt, as all runs do; with -tls=false members talk to each other in plain text, at the first address of each host")
	flags.BoolVar(&c.explain, "explain", false, "print what auto expects of each way to do an operation, and what it takes")
	flags.StringVar(&c.plot, "plot", "", "draw the times into this `FILE`, as SVG: over the sizes, and over the numbers of hosts")
	peers := flags.String("peers", "all", "`LIST` of programs to measure on the same hosts: "+strings.Join(peerNames, ", ")+"; all: those that are installed; none")
	operations := flags.String("ops", "broadcast,all-reduce", "`LIST` of operations: "+strings.Join(operationNames(), ", "))
	names := flags.String("algorithms", "auto,chain,doubletree,ring", "`LIST` of algorithms: "+strings.Join(sortedNames(), ", ")+"; those that an operation does not have it replaces, and "+bareChain+", TCP relays without us, does broadcasts only")
	sizes := flags.String("sizes", "64MiB", "`LIST` of sizes, such as 1KiB,64MiB: of one member's data")
	rows := flags.String("rows", "", "measure these rows of the table of promises instead, each as it says: `LIST` of "+strings.Join(rowNames(), ", ")+"; all: ten minutes and what auto takes, as root. -hosts, -rate, -sizes, -rounds and -tls change how")
	err := flags.Parse(args)
	c.program.Bare, c.given = !*tls, map[string]bool{}
	flags.Visit(func(f *flag.Flag) { c.given[f.Name] = true })
	if err == nil {
		c.rows, err = rowsOf(*rows)
		if err == nil {
			err = c.check(flags.Args(), *counts, *operations, *names, *sizes, *peers)
		}
		if err != nil {
			fmt.Fprintln(stderr, "bench topology:", err)
		}
	}
	return c, err
}

func (c *config) check(args []string, counts, operations, names, sizes, peers string) (err error) {
	for text := range strings.SplitSeq(counts, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 2 {
			return fmt.Errorf("-hosts %s: each must be at least 2", counts)
		}
		c.counts = append(c.counts, n)
	}
	c.hosts = c.counts[0]
	switch {
	case len(args) > 0:
		return fmt.Errorf("%q is no flag", args[0])
	case c.program.Rounds < 1:
		return errors.New("-rounds must be at least 1")
	case c.local && c.inventory != "":
		return errors.New("-local and -inventory are two ways to say where: give one")
	}
	for name := range strings.SplitSeq(operations, ",") {
		if !slices.Contains(operationNames(), name) {
			return fmt.Errorf("-ops %s: of %s", name, strings.Join(operationNames(), ", "))
		}
		c.program.Operations = append(c.program.Operations, name)
	}
	for name := range strings.SplitSeq(names, ",") {
		if _, ok := algorithms[strings.ToLower(name)]; !ok && name != bareChain {
			return fmt.Errorf("-algorithms %s: of %s", name, strings.Join(sortedNames(), ", "))
		}
		c.program.Algorithms = append(c.program.Algorithms, strings.ToLower(name))
	}
	for text := range strings.SplitSeq(sizes, ",") {
		n, err := parseSize(text)
		if err != nil {
			return err
		}
		c.program.Sizes = append(c.program.Sizes, n)
	}
	c.peers, err = peersOf(peers)
	return err
}

func sortedNames() []string {
	all := []string{bareChain}
	for name := range algorithms {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// parseSize reads a number of bytes: a multiple of 8, so that every kind of number fits.
func parseSize(text string) (int, error) {
	unit := 1
	number := text
	for name, bytes := range map[string]int{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if rest, ok := strings.CutSuffix(text, name); ok {
			number, unit = rest, bytes
		}
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n*unit%8 != 0 || n*unit/unit != n {
		return 0, fmt.Errorf("-sizes %s: a multiple of 8 bytes is needed, or KiB, MiB, GiB", text)
	}
	return n * unit, nil
}
