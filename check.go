package tlaunch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/tartrl/tlaunch-go/bootstrap"
	"github.com/tartrl/tlaunch-go/bootstrap/ship"
	"github.com/tartrl/tlaunch-go/bootstrap/sshconn"
)

// Check does all that Launch does up to the start of the nodes, and starts
// none: it reaches the hosts that have nodes, brings the executable there,
// starts the processes, looks at what they say of their hosts, has those that
// need each other link, and ends them. Unlike a launch it goes on after a
// failure with the hosts that are left, so that all are found at once.
//
// What is wrong with hosts stands in the report; see [CheckReport.Err]. The error is
// one of those of Launch: a [*ProgramError], a [*UsageError], or a
// [*LaunchError] where no host could be looked at.
func (d *Definition[C]) Check(ctx context.Context, cfg C, opts ...Option) (*CheckReport, error) {
	s, config, err := d.asked(cfg, opts)
	if err != nil {
		return nil, err
	}
	s.logs = "" // nothing is said that could be kept
	if s.kind == inProcess {
		return checkInProcess(d.program, config, s)
	}
	f, err := newFleet(d.program, config, s)
	if err != nil {
		return nil, err
	}
	defer f.close()
	r, err := f.check(ctx, d.program, config)
	if err != nil {
		return nil, failedLaunch(d.name, err)
	}
	return r, nil
}

func checkInProcess(d *program, config []byte, s *settings) (*CheckReport, error) {
	r, _, err := planRun(d, config, s)
	if err != nil {
		return nil, err
	}
	again, err := d.newGraph(config, r.hosts, r.table)
	if err != nil {
		return nil, err
	}
	if err := differs(r.graph.summary, again.summary, "one build", "the next"); err != nil {
		return nil, &ProgramError{Program: d.name, Err: err}
	}
	return &CheckReport{Program: d.name, Nodes: len(r.graph.nodes)}, nil
}

// check fills a report. Its error is that of the context, or of what comes
// before the first host.
func (f *fleet) check(ctx context.Context, d *program, config []byte) (*CheckReport, error) {
	if err := f.prepare(ctx, d); err != nil {
		return nil, err
	}
	g := f.run.graph
	used := g.usedHosts(f.run.hosts)
	report := &CheckReport{Program: d.name, Nodes: len(g.nodes), Hosts: make([]HostCheck, len(used))}
	for i, h := range used {
		report.Hosts[i] = newHostCheck(h.Name, f.settings)
	}
	started := f.blame(report, used, f.startEach(ctx, d, config, used))
	ready := f.blame(report, started, f.readyEach(ctx, started))
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	pairs := g.pairs(used)
	needed := peersOf(pairs)
	up := map[string]bool{}
	for _, h := range ready {
		up[h.Name] = true
		f.describeHost(report.host(h.Name), needed[h.Name])
	}
	tried := slices.DeleteFunc(slices.Clone(pairs), func(p hostPair) bool { return !up[p.from] || !up[p.to] })
	failed, err := f.reach(ctx, tried)
	if err != nil {
		return nil, err
	}
	f.blameEarly(report)
	report.Pairs, report.Untried, report.Unreached = len(pairs), len(pairs)-len(tried), failed
	peers := peersOf(tried)
	for _, h := range ready {
		report.host(h.Name).countPeers(needed[h.Name], peers[h.Name], failed)
	}
	return report, nil
}

// blame enters failures, and returns the hosts that have none.
func (f *fleet) blame(report *CheckReport, hosts []Host, errs []error) []Host {
	var left []Host
	for i, h := range hosts {
		if errs[i] == nil {
			left = append(left, h)
			continue
		}
		name := failedCheck(errs[i])
		report.host(h.Name).fail(name, errs[i])
	}
	return left
}

// blameEarly enters processes that were ready, and gone while the others were looked at.
func (f *fleet) blameEarly(report *CheckReport) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, why := range f.early {
		report.host(why.host).fail(checkStart, why.err)
	}
}

// failedCheck is the check that an error of a host belongs to.
func failedCheck(err error) string {
	var (
		key      *sshconn.HostKeyError
		login    *sshconn.AuthError
		platform *ship.PlatformError
		shell    *ship.ScriptError
		dynamic  *ship.DynamicError
		host     *bootstrap.HostError
	)
	switch {
	case errors.As(err, &key):
		return checkKey
	case errors.As(err, &login):
		return checkLogin
	case errors.As(err, &platform), errors.As(err, &shell), errors.As(err, &dynamic), errors.Is(err, ship.ErrNoSource), errors.Is(err, ship.ErrNotExecutable):
		return checkArch
	case errors.As(err, &host):
		switch host.Op {
		case "connect":
			return checkReach
		case "ship":
			return checkSpace
		case stepListen:
			return checkPorts
		}
	}
	return checkStart
}

// describeHost enters what a host that is ready says of itself.
func (f *fleet) describeHost(h *HostCheck, peers int) {
	p := f.host(h.Host)
	p.mu.Lock()
	facts := p.facts
	p.mu.Unlock()
	h.CPUs, h.Memory = facts.CPUs, facts.Memory
	h.pass(checkStart)
	h.set(Check{Name: checkArch, State: CheckOK, Value: facts.OS + "/" + facts.Arch})
	for _, c := range f.judge(h.Host, peers) {
		h.set(c)
	}
}

// newHostCheck has nothing checked yet.
func newHostCheck(host string, s *settings) HostCheck {
	h := HostCheck{Host: host}
	for _, name := range checkNames {
		if s.kind == processes && slices.Contains(checksOfSSH, name) {
			continue
		}
		h.Checks = append(h.Checks, Check{Name: name, State: CheckOpen})
	}
	if s.ssh.InsecureIgnoreHostKey && s.kind == overSSH {
		h.set(Check{
			Name: checkKey, State: CheckWarn, Value: "ignored", Problem: "any host key is accepted: whoever is on the way can read and change everything",
			Remedy: "leave -insecure-ignore-host-key out",
		})
	}
	return h
}

// mainCheck is what Main does with -check; settle ends the display of hosts that come up.
func mainCheck[C any](ctx context.Context, d *Definition[C], cfg C, opts []Option, settle func(), stdout io.Writer) error {
	report, err := d.Check(ctx, cfg, opts...)
	settle()
	if err != nil {
		return err
	}
	fmt.Fprint(stdout, report)
	return report.Err()
}
