package topology

import (
	"context"
	"errors"
	"fmt"

	"github.com/tartrl/tlaunch-go/bench/figures"
)

// Rows of the table whose figure is a time beside what links carry, or beside another's.

// ratios are those of an operation to its bound, at both rates.
func (s *survey) ratios(ctx context.Context, operation string) error {
	return errors.Join(s.ratio(ctx, operation, narrow), s.ratio(ctx, operation, wide))
}

func (s *survey) ratio(ctx context.Context, operation string, at place) error {
	c := s.at(at, []string{operation}, []string{"auto"}, nil)
	b, err := s.run(ctx, c)
	if err != nil {
		return err
	}
	r := b.rows()[0]
	return s.say(atMost(operations[operation].target, r.Ratio, "of the bound").of("", c.what(operation), r.note()))
}

// note is what to know of a time.
func (r row) note() string {
	text := fmt.Sprintf("%.4g s by %s", r.Seconds, r.Taken)
	if r.Busy > 0 {
		text += fmt.Sprintf(", processors %.0f %% busy, %.3g s/GiB", 100*r.Busy, r.PerGiB)
	}
	return text
}

// broadcast is its ratio at both rates, and with 16 hosts, beside a bare chain where the processors are the limit.
func (s *survey) broadcast(ctx context.Context) error {
	errs := []error{s.ratios(ctx, "broadcast"), s.ratio(ctx, "broadcast", place{16, "500mbit", false, 64 * mib})}
	const target = 1.03
	c := s.at(place{16, "1gbit", false, 64 * mib}, []string{"broadcast"}, []string{"auto", bareChain}, nil)
	b, err := s.run(ctx, c)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	ours, bare := b.rows()[0], b.rows()[1]
	note := fmt.Sprintf("%s; the chain %.4g s", ours.note(), bare.Seconds)
	return errors.Join(append(errs, s.say(atMost(target, ours.Seconds/bare.Seconds, "of a bare chain").of("", c.what("broadcast"), note)))...)
}

// small is what takes no time but that of messages, beside Open MPI.
func (s *survey) small(ctx context.Context) error {
	c := s.at(place{8, "1gbit", false, 1 << 10}, []string{"broadcast", "barrier"}, []string{"auto"}, []string{mpiDefault})
	if !s.cfg.given["rounds"] {
		c.program.Rounds = 50
	}
	return s.beside(ctx, c)
}

// unshaped is a broadcast over links without a limit, beside Open MPI.
func (s *survey) unshaped(ctx context.Context) error {
	return s.beside(ctx, s.at(place{8, "", false, 16 * mib}, []string{"broadcast"}, []string{"auto"}, []string{mpiDefault}))
}

// beside is how our times stand to those of Open MPI as it is.
func (s *survey) beside(ctx context.Context, c config) error {
	if !installed(mpiDefault) {
		return errors.New("this row needs Open MPI: scripts/setup.sh bench installs it on Debian")
	}
	b, err := s.run(ctx, c)
	if err != nil {
		return err
	}
	var errs []error
	for _, group := range b.groups() {
		ours := group[0]
		for _, peer := range b.peers(ours) {
			note := fmt.Sprintf("%s; Open MPI %.4g s; processor time of a round %s and %s", ours.note(), peer.Seconds, b.used(ours.Operation), b.usedBy(peer))
			errs = append(errs, s.say(atMost(1, ours.Seconds/peer.Seconds, "of Open MPI's time").of("", c.what(ours.Operation), note)))
		}
	}
	return errors.Join(errs...)
}

// used is the processor time of all members for a round of ours, in the median.
func (b bout) used(operation string) string {
	for _, o := range b.outcomes {
		if o.Operation == operation {
			return millis(o.Processors)
		}
	}
	return figures.Unknown
}

func (b bout) usedBy(peer row) string {
	for _, f := range b.feats {
		if f.Operation == peer.Operation && f.Peer == peer.Algorithm {
			return millis(f.Processors)
		}
	}
	return figures.Unknown
}

func millis(seconds []float64) string {
	return fmt.Sprintf("%.3g ms", 1e3*figures.SpreadOf(seconds).Median)
}
