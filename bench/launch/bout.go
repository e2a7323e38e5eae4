package launch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// bout is the rounds of one mode. The first contestant is tlaunch.
type bout struct {
	mode        string
	field       *field
	contestants []*contestant
	missing     []string // peers that are not installed
	outgrown    []string // peers that are not for so many hosts

	begin func(ctx context.Context) error // before each run of a contestant
	whole []float64                       // seconds of our launches from the start of the process
	peak  int64                           // memory of the greatest of our launchers
	sent  int64                           // bytes of executables that it sent, at most
}

// contestant is one who reaches all hosts, and how long that took.
type contestant struct {
	what    string // for people
	peer    string // program; empty: tlaunch
	kex     string
	run     func(ctx context.Context) (took, used time.Duration, err error) // used is what it took on this side
	seconds []float64
	used    []float64 // seconds of processor time, on this side and on the hosts; empty where hosts cannot be looked into
	err     error     // why it was given up
}

// newBout prepares the contestants of a mode.
func newBout(ctx context.Context, cfg config, f *field, exe shipped, mode string, stderr io.Writer) (*bout, error) {
	b := &bout{mode: mode, field: f, begin: func(context.Context) error { return nil }}
	if mode == cold {
		b.begin = func(ctx context.Context) error { return f.empty(ctx, exe.hash) }
	}
	kex, err := f.visit(ctx, "true")
	if err != nil {
		return nil, err
	}
	launches := 0
	b.contestants = []*contestant{{what: "tlaunch, all nodes running", kex: kex, run: func(ctx context.Context) (took, used time.Duration, err error) {
		a := assignment{Inventory: f.inventory, SSHConfig: f.sshConfig}
		if cfg.profiles != "" {
			a.Profile = filepath.Join(cfg.profiles, fmt.Sprintf("%s-%d.pprof", mode, launches))
			launches++
		}
		return b.launch(ctx, exe.path, a, stderr)
	}}}
	for _, p := range peersFor(mode) {
		if !slices.Contains(cfg.peers, p.program) {
			continue
		}
		if p.most > 0 && len(f.names) > p.most {
			b.outgrown = append(b.outgrown, p.program)
			continue
		}
		if !installed(p.program) {
			b.missing = append(b.missing, p.program)
			continue
		}
		args := append([]string{"-F", f.peersSSH}, p.options...)
		b.contestants = append(b.contestants, &contestant{
			what: p.what, peer: p.program, kex: keyExchange(ctx, args, f.names[0]),
			run: func(ctx context.Context) (took, used time.Duration, err error) {
				began := time.Now()
				used, err = p.run(ctx, f, args, exe.path)
				return time.Since(began), used, err
			},
		})
	}
	b.missing = slices.Compact(b.missing)
	return b, nil
}

// launch runs one of our launchers.
func (b *bout) launch(ctx context.Context, exe string, a assignment, stderr io.Writer) (took, used time.Duration, err error) {
	orders, err := json.Marshal(a)
	if err != nil {
		return 0, 0, err
	}
	cmd := command(ctx, exe, "launch", childCommand)
	cmd.Stdin = strings.NewReader(string(orders))
	cmd.Stderr = stderr
	out, in, err := os.Pipe()
	if err != nil {
		return 0, 0, err
	}
	defer out.Close()
	cmd.Stdout = in
	began := time.Now()
	err = cmd.Start()
	in.Close()
	if err != nil {
		return 0, 0, err
	}
	var r result
	told := json.NewDecoder(out).Decode(&r)
	whole := time.Since(began)
	if err := cmd.Wait(); err != nil {
		return 0, 0, fmt.Errorf("the launcher: %w", err)
	}
	if told != nil {
		return 0, 0, fmt.Errorf("what the launcher told: %w", told)
	}
	b.whole = append(b.whole, whole.Seconds())
	b.peak, b.sent = max(b.peak, r.Peak), max(b.sent, r.Sent)
	return time.Duration(r.Seconds * float64(time.Second)), usedHere(cmd), nil
}

// run lets all contestants run once without counting, then rounds times. A peer that fails is given up; that we fail is an error.
func (b *bout) run(ctx context.Context, rounds int, stderr io.Writer) error {
	for round := range rounds + 1 {
		if round == 1 {
			b.whole, b.peak, b.sent = nil, 0, 0
		}
		for _, c := range b.contestants {
			if c.err != nil {
				continue
			}
			if err := b.begin(ctx); err != nil {
				return fmt.Errorf("emptying the caches of the hosts: %w", err)
			}
			took, used, err := b.observe(ctx, c)
			switch {
			case ctx.Err() != nil:
				return context.Cause(ctx)
			case err != nil && c.peer == "":
				return err
			case err != nil:
				c.err = err
			case round > 0:
				c.seconds = append(c.seconds, took.Seconds())
				if b.field.used != nil {
					c.used = append(c.used, used.Seconds())
				}
			}
		}
		fmt.Fprintf(stderr, "%s: round %d of %d\n", b.mode, round, rounds)
	}
	return nil
}

// observe lets a contestant run and adds up the processor time that it took here and on the hosts.
func (b *bout) observe(ctx context.Context, c *contestant) (took, used time.Duration, err error) {
	if b.field.used == nil {
		return c.run(ctx)
	}
	before, err := b.field.used()
	if err != nil {
		return 0, 0, err
	}
	took, used, err = c.run(ctx)
	if settled := b.field.settle(ctx); settled != nil {
		return 0, 0, errors.Join(err, settled)
	}
	after, looked := b.field.used()
	return took, used + after - before, errors.Join(err, looked)
}

// failures are those of peers.
func (b *bout) failures() error {
	var errs []error
	for _, c := range b.contestants {
		errs = append(errs, c.err)
	}
	return errors.Join(errs...)
}
