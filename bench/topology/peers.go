package topology

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// The peers by their names in the report.
const (
	mpiDefault = "openmpi-default"
	mpiBest    = "openmpi-best"
	glooName   = "gloo"
)

var peerNames = []string{mpiDefault, mpiBest, glooName}

// peersOf reads the list of a flag.
func peersOf(list string) ([]string, error) {
	switch list {
	case "none", "":
		return nil, nil
	case "all":
		return slices.DeleteFunc(slices.Clone(peerNames), func(name string) bool { return !installed(name) }), nil
	}
	names := strings.Split(list, ",")
	for _, name := range names {
		if !slices.Contains(peerNames, name) {
			return nil, fmt.Errorf("-peers %s: of %s", name, strings.Join(peerNames, ", "))
		}
		if !installed(name) {
			return nil, fmt.Errorf("-peers %s: it is not installed: scripts/setup.sh bench does that on Debian", name)
		}
	}
	return names, nil
}

// installed tells whether this machine has a peer; hosts of an inventory must have it too.
func installed(peer string) bool {
	if peer == glooName {
		_, err := os.Stat(torch)
		return err == nil
	}
	for _, program := range []string{mpirun, mpicc} {
		if _, err := exec.LookPath(program); err != nil {
			return false
		}
	}
	return true
}

// A feat is what a peer has done.
type feat struct {
	Peer       string
	Operation  string
	Size       int
	How        string // which of its ways, where that is known
	Command    string
	Seconds    []float64 // of the slowest rank, by round
	Processors []float64 // seconds of all ranks' processors
	Wrong      int       // results that were not what they should be
}

// feats measures the peers: each operation and size by each. Ways that one could not take are told on stderr. With an error come those that there are.
func (f *field) feats(ctx context.Context, cfg config, stderr io.Writer) (all []feat, err error) {
	var errs []error
	for _, start := range []func(context.Context, config, io.Writer) ([]feat, error){f.openmpi, f.gloo} {
		done, err := start(ctx, cfg, stderr)
		all, errs = append(all, done...), append(errs, err)
	}
	return all, errors.Join(append(errs, ctx.Err())...)
}

// run runs a command until it ends, or for as long as it may take. It returns what was printed; the error has what it complained of.
func run(ctx context.Context, patience time.Duration, stdin []byte, name string, args ...string) ([]byte, error) {
	const mercy = 10 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // so that it ends what it has started
	cmd.WaitDelay = mercy
	var out, complaints bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &out, &complaints
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = errors.Join(err, ctx.Err())
		}
		const most = 400
		text := bytes.TrimSpace(complaints.Bytes())
		return nil, fmt.Errorf("%s: %w: %s", name, err, text[:min(len(text), most)])
	}
	return out.Bytes(), nil
}

// sshArgs are those of an OpenSSH command to a host.
func (f *field) sshArgs(host string, command ...string) []string {
	return append([]string{"-F", f.ssh, "-o", "BatchMode=yes", host}, command...)
}
