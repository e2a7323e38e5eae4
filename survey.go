package tlaunch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/tartrl/tlaunch-go/bootstrap"
)

// survey is the last look before the nodes start: what the hosts say of
// themselves, and whether those that need each other are linked. What would
// fail the run fails the launch; what may is told once.
func (f *fleet) survey(ctx context.Context, used []Host) error {
	pairs := f.run.graph.pairs(used)
	peers := peersOf(pairs)
	errs := make([]error, len(used))
	warnings := map[string][]string{}
	for i, h := range used {
		for _, c := range f.judge(h.Name, peers[h.Name]) {
			switch c.State {
			case CheckFail:
				errs[i] = &bootstrap.HostError{Host: h.Name, Op: "check " + c.Name, Err: errors.New(c.Problem), Remedy: c.Remedy}
			case CheckWarn:
				warnings[c.Name] = append(warnings[c.Name], fmt.Sprintf("%s (%s)", h.Name, c.Value))
			}
		}
	}
	for _, name := range checkNames {
		if on := warnings[name]; on != nil {
			f.settings.logger.Warn("these hosts may meet trouble; -check says more", "check", name, "hosts", strings.Join(on, ", "))
		}
	}
	if err := launchError(f.run.program.name, len(used), errs); err != nil {
		return err
	}
	failed, err := f.reach(ctx, pairs)
	if err == nil && failed != nil {
		err = &LaunchError{Program: f.run.program.name, Errs: []error{&PairsError{Needed: len(pairs), Failed: failed}}}
	}
	return err
}

// judge is what a host that is ready says of itself, and of its address.
func (f *fleet) judge(host string, peers int) []Check {
	p := f.host(host)
	p.mu.Lock()
	facts, clock, address := p.facts, p.clock, p.address
	p.mu.Unlock()
	_, port, _ := net.SplitHostPort(address)
	ports := Check{Name: checkPorts, State: CheckOK, Value: port}
	for _, other := range f.all() {
		other.mu.Lock()
		same := other != p && other.address == address
		other.mu.Unlock()
		if same {
			ports.State = CheckFail
			ports.Problem = fmt.Sprintf("the others would reach it at %s, and %s too", address, other.name)
			ports.Remedy = "correct data= of one of them in the inventory"
			break
		}
	}
	return append(judge(facts, clock, peers), ports)
}
