package topology

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tartrl/tlaunch-go/bench/figures"
)

const (
	mpirun = "mpirun"
	mpicc  = "mpicc"
)

//go:embed peers/openmpi.c
var mpiSource []byte

// A forced is a way that Open MPI can be told to take, by its number; those that cut data into segments are tried with several sizes of these.
type forced struct {
	number   int
	name     string
	segments bool
}

// mpiWays are those of Open MPI 4.1 (ompi_info --param coll tuned --level 9), by operation.
var mpiWays = map[string]struct {
	parameter string
	ways      []forced
}{
	"broadcast": {"bcast", []forced{{1, "linear", false}, {2, "chain", true}, {3, "pipeline", true}, {4, "split binary", true}, {5, "binary", true},
		{6, "binomial", true}, {7, "knomial", true}, {8, "scatter all-gather", false}, {9, "scatter ring all-gather", false}}},
	"all-reduce": {"allreduce", []forced{{1, "linear", false}, {2, "reduce and broadcast", false}, {3, "recursive doubling", false}, {4, "ring", false},
		{5, "segmented ring", true}, {6, "Rabenseifner", false}}},
	"gather":     {"gather", []forced{{1, "linear", false}, {2, "binomial", false}, {3, "synchronised linear", true}}},
	"scatter":    {"scatter", []forced{{1, "linear", false}, {2, "binomial", false}, {3, "linear, non-blocking", false}}},
	"all-gather": {"allgather", []forced{{1, "linear", false}, {2, "Bruck", false}, {3, "recursive doubling", false}, {4, "ring", false}, {5, "neighbours", false}}},
	"all-to-all": {"alltoall", []forced{{1, "linear", false}, {2, "pairwise", false}, {3, "Bruck", false}, {4, "synchronised linear", false}}},
	"barrier":    {"barrier", []forced{{1, "linear", false}, {2, "double ring", false}, {3, "recursive doubling", false}, {4, "Bruck", false}, {6, "tree", false}}},
}

// mpiSegments are the sizes of segments that are tried, in bytes; 0 is one message.
var mpiSegments = []int{0, 64 << 10, 256 << 10, 1 << 20, 4 << 20}

// way is one that is tried: of Open MPI's own choice where there are no args.
type way struct {
	name string
	args []string
}

// waysOf are all that there are for an operation and size.
func waysOf(operation string, size int) (all []way) {
	o := mpiWays[operation]
	for _, w := range o.ways {
		for _, segment := range mpiSegments {
			if segment > 0 && (!w.segments || segment >= size) {
				continue
			}
			one := way{w.name, []string{"--mca", "coll_tuned_use_dynamic_rules", "1", "--mca", "coll_tuned_" + o.parameter + "_algorithm", strconv.Itoa(w.number)}}
			if w.segments {
				one.name += ", segments of " + sizeText(segment)
				one.args = append(one.args, "--mca", "coll_tuned_"+o.parameter+"_algorithm_segmentsize", strconv.Itoa(segment))
			}
			all = append(all, one)
		}
	}
	return all
}

// openmpi measures Open MPI as it is, and with the best of all ways that it can be told to take, if they are asked for.
func (f *field) openmpi(ctx context.Context, cfg config, stderr io.Writer) (all []feat, err error) {
	if !slices.Contains(cfg.peers, mpiDefault) && !slices.Contains(cfg.peers, mpiBest) {
		return nil, nil
	}
	program, remove, err := f.install(ctx)
	if err != nil {
		return nil, err
	}
	defer remove()
	for _, size := range cfg.program.Sizes {
		for _, operation := range cfg.program.Operations {
			usual, err := f.mpi(ctx, program, cfg, operation, size, cfg.program.Rounds, way{"", nil}, usualPatience)
			if err != nil {
				return all, err // if even that does not work something is wrong
			}
			usual.Peer = mpiDefault
			if slices.Contains(cfg.peers, mpiDefault) {
				all = append(all, usual)
			}
			if slices.Contains(cfg.peers, mpiBest) {
				best, err := f.sweep(ctx, program, cfg, usual, stderr)
				if err != nil {
					return all, err
				}
				all = append(all, best)
			}
		}
	}
	return all, nil
}

// usualPatience is for what is not known yet.
const usualPatience = 5 * time.Minute

// sweep tries all ways with one round, and then the best with all rounds.
func (f *field) sweep(ctx context.Context, program string, cfg config, usual feat, stderr io.Writer) (feat, error) {
	best, least := way{name: "as it is"}, figures.SpreadOf(usual.Seconds).Median
	// What takes ten times as long as it does by default is not the best.
	patience := 30*time.Second + time.Duration(20*least*float64(time.Second))
	for _, w := range waysOf(usual.Operation, usual.Size) {
		one, err := f.mpi(ctx, program, cfg, usual.Operation, usual.Size, 1, w, patience)
		switch {
		case ctx.Err() != nil:
			return feat{}, ctx.Err()
		case err != nil:
			fmt.Fprintf(stderr, "bench topology: %s by %s of %s: %v\n", usual.Operation, w.name, mpirun, err)
		case one.Wrong == 0 && one.Seconds[0] < least:
			best, least = w, one.Seconds[0]
		}
	}
	done, err := f.mpi(ctx, program, cfg, usual.Operation, usual.Size, cfg.program.Rounds, best, usualPatience)
	done.Peer = mpiBest
	return done, err
}

// mpi measures one way.
func (f *field) mpi(ctx context.Context, program string, cfg config, operation string, size, rounds int, w way, patience time.Duration) (feat, error) {
	args := []string{"--allow-run-as-root", "-np", strconv.Itoa(cfg.hosts), "--mca", "btl", "tcp,self", "--mca", "mpi_yield_when_idle", "1"}
	network := f.network
	if len(f.names) == 0 {
		args, network = append(args, "--oversubscribe"), "127.0.0.0/8"
	} else {
		// Hosts have no keys for each other, so the launcher starts all daemons itself.
		args = append(args, "--host", strings.Join(f.names, ":1,")+":1", "--mca", "plm_rsh_agent", "ssh -F "+f.ssh, "--mca", "plm_rsh_no_tree_spawn", "1")
	}
	if network != "" {
		args = append(args, "--mca", "btl_tcp_if_include", network, "--mca", "oob_tcp_if_include", network)
	}
	args = append(append(args, w.args...), program, operation, strconv.Itoa(size), strconv.Itoa(rounds))
	done := feat{Operation: operation, Size: size, How: w.name, Command: mpirun + " " + strings.Join(args, " ")}
	out, err := run(ctx, patience, nil, mpirun, args...)
	if err != nil {
		return done, err
	}
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var round struct {
			Seconds, Processors float64
			Wrong               int
		}
		if err := d.Decode(&round); err != nil {
			return done, fmt.Errorf("%s printed %q: %w", mpirun, out, err)
		}
		done.Seconds, done.Processors = append(done.Seconds, round.Seconds), append(done.Processors, round.Processors)
		done.Wrong += round.Wrong
	}
	if len(done.Seconds) != rounds {
		return done, fmt.Errorf("%s printed %d rounds, not %d", mpirun, len(done.Seconds), rounds)
	}
	return done, nil
}

// install builds the program, and brings it to each host: to the same place, as mpirun wants it.
func (f *field) install(ctx context.Context) (program string, remove func(), err error) {
	source, built := filepath.Join(f.dir, "openmpi.c"), filepath.Join(f.dir, "openmpi")
	if err := os.WriteFile(source, mpiSource, 0o600); err != nil {
		return "", nil, err
	}
	const patience = time.Minute
	if _, err := run(ctx, patience, nil, mpicc, "-O2", "-o", built, source); err != nil {
		return "", nil, fmt.Errorf("building Open MPI's program, which needs libopenmpi-dev (scripts/setup.sh bench installs it; -peers says who is measured): %w", err)
	}
	if len(f.names) == 0 {
		return built, func() {}, nil
	}
	binary, err := os.ReadFile(built)
	if err != nil {
		return "", nil, err
	}
	program = "/tmp/tlaunch-bench-openmpi-" + rand.Text() // others of the host may not foresee it
	remove = func() {
		for _, host := range f.names { // a file that stays does no harm
			_, _ = run(context.WithoutCancel(ctx), patience, nil, "ssh", f.sshArgs(host, "rm", "-f", program)...)
		}
	}
	for _, host := range f.names {
		if _, err := run(ctx, patience, binary, "ssh", f.sshArgs(host, "cat > "+program+" && chmod 700 "+program)...); err != nil {
			remove()
			return "", nil, err
		}
	}
	return program, remove, nil
}
