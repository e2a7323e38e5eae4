package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/tartrl/tlaunch-go/bench/figures"
)

// The peers by the names of their programs.
const (
	pdsh   = "pdsh"
	clush  = "clush"
	mpirun = "mpirun"
)

var peerNames = []string{pdsh, clush, mpirun}

func installed(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

// preferred is the key exchange that we prefer, by OpenSSH's name.
const preferred = "ecdh-sha2-nistp256"

// peer is a way to run one of the peers.
type peer struct {
	program string
	what    string   // for people
	options []string // of ssh, beyond the configuration file
	most    int      // hosts that it is measured with; 0: any number
	run     func(ctx context.Context, f *field, sshArgs []string, file string) (used time.Duration, err error)
}

// peersFor are the peers of a mode.
func peersFor(mode string) []peer {
	if mode == cold {
		return []peer{{program: clush, what: "clush --copy, clush true", run: runCopy}}
	}
	return []peer{
		{program: pdsh, what: "pdsh true", run: runPdsh},
		{program: pdsh, what: "pdsh true, our key exchange", options: []string{"-o", "KexAlgorithms=" + preferred}, run: runPdsh},
		{program: clush, what: "clush true", run: runClush},
		{program: mpirun, what: "mpirun true", run: runMPI, most: mostMPI},
	}
}

func runPdsh(ctx context.Context, f *field, sshArgs []string, _ string) (time.Duration, error) {
	cmd := command(ctx, pdsh, "-S", "-R", "ssh", "-w", strings.Join(f.names, ","), "true")
	cmd.Env = append(os.Environ(), "PDSH_SSH_ARGS_APPEND="+strings.Join(sshArgs, " "))
	return finish(cmd)
}

func runClush(ctx context.Context, f *field, sshArgs []string, _ string) (time.Duration, error) {
	return finish(command(ctx, clush, "-S", "-w", strings.Join(f.names, ","), "-o", strings.Join(sshArgs, " "), "true"))
}

func runCopy(ctx context.Context, f *field, sshArgs []string, file string) (time.Duration, error) {
	copying, err := finish(command(ctx, clush, "-S", "-w", strings.Join(f.names, ","), "-o", strings.Join(sshArgs, " "), "-q", "--copy", file, "--dest", copyName))
	if err != nil {
		return 0, err
	}
	running, err := runClush(ctx, f, sshArgs, file)
	return copying + running, err
}

// mostMPI is how many hosts mpirun is measured with. With 32 it stands still for 5 or 10 s at a time, without use of a processor, and that is all that would be
// measured. Lost DNS queries are not the whole cause: with all names in an /etc/hosts of its own it takes no less, for reasons that are not known.
const mostMPI = 16

func runMPI(ctx context.Context, f *field, sshArgs []string, _ string) (time.Duration, error) {
	// Hosts have no keys for each other, so the launcher starts all daemons itself.
	args := []string{"--allow-run-as-root", "--mca", "plm_rsh_agent", "ssh " + strings.Join(sshArgs, " "), "--mca", "plm_rsh_no_tree_spawn", "1",
		"-np", strconv.Itoa(len(f.names)), "--host", strings.Join(f.names, ":1,") + ":1"}
	if f.network != "" {
		args = append(args, "--mca", "oob_tcp_if_include", f.network)
	}
	return finish(command(ctx, mpirun, append(args, "true")...))
}

// command is one that gets a signal, rather than being killed, when ctx ends, so that it ends what it has started.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	const patience = 15 * time.Second
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = patience
	return cmd
}

// finish runs a command that has nothing to say: what it prints is why it failed. It returns the processor time that was used here.
func finish(cmd *exec.Cmd) (time.Duration, error) {
	out, err := cmd.CombinedOutput()
	if err == nil && len(out) > 0 {
		err = errors.New("it was to print nothing")
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, strings.TrimSpace(string(out)))
	}
	return usedHere(cmd), nil
}

// usedHere is the processor time of a command that has ended, and of what it has waited for.
func usedHere(cmd *exec.Cmd) time.Duration {
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

// keyExchange is what the OpenSSH client agrees on with a host.
func keyExchange(ctx context.Context, sshArgs []string, host string) string {
	out, err := exec.CommandContext(ctx, "ssh", append(append([]string{"-v"}, sshArgs...), host, "true")...).CombinedOutput()
	if err != nil {
		return figures.Unknown
	}
	return parseKeyExchange(string(out))
}

func parseKeyExchange(debug string) string {
	for line := range strings.Lines(debug) {
		if _, name, ok := strings.Cut(line, "kex: algorithm: "); ok {
			return strings.TrimSpace(name)
		}
	}
	return figures.Unknown
}
