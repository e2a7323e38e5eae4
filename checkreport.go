package tlaunch

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/tartrl/tlaunch-go/bootstrap"
)

// A CheckState is how one check of a host went.
type CheckState string

// The states of a check.
const (
	CheckOpen CheckState = "-"    // it did not come to that
	CheckOK   CheckState = "ok"   // nothing is wrong
	CheckWarn CheckState = "warn" // the run would start, and may meet trouble
	CheckFail CheckState = "FAIL" // the run would not start, or could not work
)

// A Check is one thing that a host must have.
type Check struct {
	Name    string // the column, such as "host key"
	State   CheckState
	Value   string // what was found, in a word or two; may be empty
	Problem string // what is wrong; empty where nothing is
	Remedy  string // what the user can do; empty where Problem says it
}

// The checks, in the order in which a launch comes to them.
const (
	checkReach = "reach"
	checkKey   = "host key"
	checkLogin = "login"
	checkArch  = "arch"
	checkSpace = "space"
	checkStart = "start"
	checkPorts = "ports"
	checkClock = "clock"
	checkFiles = "files"
	checkPeers = "peers"
)

var checkNames = []string{
	checkReach, checkKey, checkLogin, checkArch, checkSpace, checkStart, checkPorts, checkClock, checkFiles, checkPeers,
}

// checksOfSSH have no meaning for local processes.
var checksOfSSH = []string{checkReach, checkKey, checkLogin}

// A HostCheck is what was found of one host.
type HostCheck struct {
	Host   string
	Checks []Check // in the same order for all hosts of a report
	CPUs   int     // 0: not known
	Memory int64   // of the machine, in bytes; 0: not known
}

func (h *HostCheck) set(c Check) {
	for i := range h.Checks {
		if h.Checks[i].Name == c.Name {
			h.Checks[i] = c
		}
	}
}

// pass marks a check and all before it as passed, where nothing else was said of them.
func (h *HostCheck) pass(name string) {
	for i := range h.Checks {
		if c := &h.Checks[i]; c.State == CheckOpen {
			c.State = CheckOK
		}
		if h.Checks[i].Name == name {
			return
		}
	}
}

// fail marks a check as failed, and those before it as passed.
func (h *HostCheck) fail(name string, err error) {
	problem, remedy := problemOf(err)
	h.set(Check{Name: name, State: CheckFail, Problem: problem, Remedy: remedy})
	h.pass(name)
}

// problemOf leaves out of an error what the line of the report says already.
func problemOf(err error) (problem, remedy string) {
	problem = err.Error()
	var h *bootstrap.HostError
	if errors.As(err, &h) {
		problem, remedy = h.Reason(), h.Remedy
	}
	return bootstrap.Printable(strings.ReplaceAll(problem, "\n", "\n    ")), remedy
}

// countPeers enters with how many others the host was linked.
func (h *HostCheck) countPeers(needed, tried int, failed []*PairError) {
	c := Check{Name: checkPeers, State: CheckOK}
	bad := 0
	for _, e := range failed {
		if e.From == h.Host || e.To == h.Host {
			bad++
		}
	}
	switch {
	case bad > 0:
		c.State = CheckFail
	case tried < needed:
		c.State = CheckOpen // the others have failed
	}
	c.Value = fmt.Sprintf("%d/%d", tried-bad, needed)
	h.set(c)
}

// A CheckReport is what [Definition.Check] found.
type CheckReport struct {
	Program   string
	Nodes     int
	Hosts     []HostCheck  // that have nodes; none where nodes run in this process
	Pairs     int          // of hosts that must reach each other
	Untried   int          // of them, since one of the two has failed
	Unreached []*PairError // of them
}

// host finds a host, which must be one of the report's.
func (r *CheckReport) host(name string) *HostCheck {
	for i := range r.Hosts {
		if r.Hosts[i].Host == name {
			return &r.Hosts[i]
		}
	}
	return nil
}

// Err is nil where a launch would come to the start of the nodes, and else a
// [*LaunchError] that says in one line how much has failed: the report says what.
func (r *CheckReport) Err() error {
	failed := 0
	for _, h := range r.Hosts {
		for _, c := range h.Checks {
			if c.State == CheckFail && c.Name != checkPeers { // pairs are counted by themselves
				failed++
				break
			}
		}
	}
	if failed == 0 && len(r.Unreached) == 0 {
		return nil
	}
	return &LaunchError{Program: r.Program, Errs: []error{
		fmt.Errorf("the check failed: %d of %d hosts, %d of %d pairs of hosts", failed, len(r.Hosts), len(r.Unreached), r.Pairs),
	}}
}

// String is a table with a line for each host, and below it a line for each
// problem with what to do.
func (r *CheckReport) String() string {
	var b strings.Builder
	if len(r.Hosts) == 0 {
		fmt.Fprintf(&b, "%s: %s in this process: there is nothing to reach\n", r.Program, counted(r.Nodes, "node"))
		return b.String()
	}
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(cells []string) {
		fmt.Fprintln(table, strings.Join(cells, "\t")) // a Builder takes all
	}
	head := []string{"HOST"}
	for _, c := range r.Hosts[0].Checks {
		head = append(head, strings.ToUpper(c.Name))
	}
	row(append(head, "CPUS", "MEMORY"))
	for _, h := range r.Hosts {
		cells := []string{h.Host}
		for _, c := range h.Checks {
			cells = append(cells, c.cell())
		}
		cpus, memory := "-", "-"
		if h.CPUs > 0 {
			cpus = fmt.Sprint(h.CPUs)
		}
		if h.Memory > 0 {
			memory = bytesText(h.Memory)
		}
		row(append(cells, cpus, memory))
	}
	_ = table.Flush()
	r.problems(&b)
	fmt.Fprintf(&b, "%s: %s on %s, %s\n", r.Program, counted(r.Nodes, "node"), counted(len(r.Hosts), "host"), r.verdict())
	return b.String()
}

func (c Check) cell() string {
	return strings.TrimSpace(string(c.State) + " " + c.Value)
}

// problems has a line for each problem; hosts that share one share the line.
func (r *CheckReport) problems(b *strings.Builder) {
	hosts := map[Check][]string{}
	var found []Check
	for _, h := range r.Hosts {
		for _, c := range h.Checks {
			if c.Problem == "" {
				continue
			}
			if hosts[c] == nil {
				found = append(found, c)
			}
			hosts[c] = append(hosts[c], h.Host)
		}
	}
	for _, c := range found {
		fmt.Fprintf(b, "%s: %s: %s: %s", c.State, someOf(hosts[c]), c.Name, c.Problem)
		if c.Remedy != "" {
			b.WriteString("; " + c.Remedy)
		}
		b.WriteByte('\n')
	}
	for _, line := range summarise(r.Unreached) {
		fmt.Fprintf(b, "%s: %s\n", CheckFail, line)
	}
}

func (r *CheckReport) verdict() string {
	switch {
	case r.Pairs == 0:
		return "none of which needs another"
	case r.Untried > 0:
		return fmt.Sprintf("%s that must reach each other, %d of them not tried", counted(r.Pairs, "pair"), r.Untried)
	}
	return counted(r.Pairs, "pair") + " that must reach each other"
}

func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
