package topology

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/bench/figures"
)

// Rows of the table whose figure comes from trials. Their runs have TLS, as all runs: so they are measured at the rate at which links are the limit.

// try runs a trial and returns what members have told, by rank. Who was killed has told nothing.
func (s *survey) try(ctx context.Context, c config, t trialConfig) (all []finding, err error) {
	f, err := openField(&c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	heard := listener[finding]{key: "finding"}
	run, err := trials.Launch(ctx, t, append(f.options, tlaunch.OnRecord(heard.record))...)
	if err != nil {
		return nil, err
	}
	if err := run.Wait(ctx); err != nil {
		return nil, errors.Join(err, run.Stop(context.WithoutCancel(ctx)))
	}
	if all, err = heard.all(); err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b finding) int { return cmp.Compare(a.Rank, b.Rank) })
	for _, one := range all {
		if one.Wrong {
			return nil, fmt.Errorf("what member %d has is wrong", one.Rank)
		}
	}
	if len(all) == 0 {
		return nil, errors.New("no member has told anything")
	}
	return all, nil
}

// slowest is the time of the slowest of those that count, in the median of the rounds.
func slowest(all []finding, counts func(finding) bool) float64 {
	var rounds []float64
	for i := range all[0].Seconds {
		most := 0.0
		for _, f := range all {
			if counts(f) {
				most = max(most, f.Seconds[i])
			}
		}
		rounds = append(rounds, most)
	}
	return figures.SpreadOf(rounds).Median
}

// killed is a broadcast in which the process of a member in the middle ends at half way.
func (s *survey) killed(ctx context.Context) error {
	c := s.at(narrow, nil, nil, nil)
	c.program.Bare = false
	var ratios, seconds, before []float64
	noticed := 0
	for range c.program.Rounds {
		all, err := s.try(ctx, c, trialConfig{Kind: trialKilled, Size: c.program.Sizes[0], Rounds: 3, Chosen: c.hosts / 2})
		if err != nil {
			return err
		}
		took := slowest(all, func(finding) bool { return true })
		ratios, seconds, before = append(ratios, took/all[0].Undisturbed), append(seconds, took), append(before, all[0].Undisturbed)
		if slices.ContainsFunc(all, func(f finding) bool { return len(f.Missing) > 0 }) {
			noticed++
		}
	}
	note := fmt.Sprintf("%.4g s, undisturbed %.4g s; of %d processes killed %d were missed", figures.SpreadOf(seconds).Median, figures.SpreadOf(before).Median, len(ratios), noticed)
	if noticed < len(ratios) {
		note += ": the others had ended too late, or were no inner members"
	}
	return s.say(atMost(1.3, figures.SpreadOf(ratios).Median, "of the undisturbed time").of("", c.what("broadcast"), note))
}

// slow is a broadcast where one host has a tenth of the rate, and is made a leaf.
func (s *survey) slow(ctx context.Context) error {
	c := s.at(narrow, nil, nil, nil)
	c.program.Bare = false
	t := trialConfig{Kind: trialBroadcast, Size: c.program.Sizes[0], Rounds: c.program.Rounds, Chosen: -1}
	even, err := s.try(ctx, c, t)
	if err != nil {
		return err
	}
	t.Chosen = c.hosts / 2
	if c.rate != "" && !c.local && c.inventory == "" {
		tenth, err := tenthOf(c.rate)
		if err != nil {
			return err
		}
		c.rates = map[string]string{fmt.Sprintf("host%d", t.Chosen+1): tenth}
	}
	uneven, err := s.try(ctx, c, t)
	if err != nil {
		return err
	}
	usual := slowest(even, func(finding) bool { return true })
	others := slowest(uneven, func(f finding) bool { return f.Rank != 0 && f.Rank != t.Chosen })
	note := fmt.Sprintf("%.4g s, all alike %.4g s; the slow one %.4g s, which the first waits for", others, usual, slowest(uneven, func(f finding) bool { return f.Rank == t.Chosen }))
	return s.say(atMost(1.2, others/usual, "of the time with hosts alike").of("", c.what("broadcast"), note))
}

// tenthOf is a tenth of a rate as tc writes it.
func tenthOf(rate string) (string, error) {
	digits := strings.TrimRight(rate, "abcdefghijklmnopqrstuvwxyz")
	var n float64
	if _, err := fmt.Sscanf(digits, "%g", &n); err != nil {
		return "", fmt.Errorf("-rate %s: a number and a unit, such as 250mbit, are needed here", rate)
	}
	unit := map[string]string{"gbit": "mbit", "mbit": "kbit", "kbit": "bit"}[rate[len(digits):]]
	if unit == "" {
		return "", fmt.Errorf("-rate %s: in gbit, mbit or kbit, for a tenth of it is needed here", rate)
	}
	return fmt.Sprintf("%.0f%s", 100*n, unit), nil
}

// memory is what an inner member of a chain holds of a stream.
func (s *survey) memory(ctx context.Context) error {
	c := s.at(narrow, nil, nil, nil)
	c.program.Bare = false
	all, err := s.try(ctx, c, trialConfig{Kind: trialMemory, Size: c.program.Sizes[0]})
	if err != nil {
		return err
	}
	most := 0.0
	for _, f := range all[1:max(2, len(all)-1)] {
		most = max(most, f.Growth)
	}
	const chunks, each = 64, 128 << 10 // a window in, a window out, twice for what the collector has not come to, and the same again for links
	note := fmt.Sprintf("at the peak, beyond what it had before; the target is %d chunks", chunks)
	return s.say(atMost(float64(chunks*each)/mib, most/mib, "MiB").of("", c.what("stream along a chain"), note))
}

// publish is what a publisher sends, and how far behind readers are, where versions come twice as fast as links carry them.
func (s *survey) publish(ctx context.Context) error {
	c := s.at(narrow, nil, nil, nil)
	c.program.Bare = false
	versions := 16
	if s.cfg.given["rounds"] {
		versions = c.program.Rounds
	}
	all, err := s.try(ctx, c, trialConfig{Kind: trialPublish, Size: c.program.Sizes[0], Rounds: versions})
	if err != nil {
		return err
	}
	finished, behind := lags(all)
	if finished == 0 {
		return errors.New("no version has arrived")
	}
	source := all[0]
	copies := float64(source.Sent) / float64(finished*c.program.Sizes[0])
	what := c.what("versions")
	note := fmt.Sprintf("%d published, %d of them finished", source.Published, finished)
	return errors.Join(
		s.say(atMost(1.2, copies, "copies of each finished version").of("", what, note)),
		s.say(atMost(2, float64(behind), "versions behind").of("", what, "that others have finished, at the most, of any reader at any time; numbers only grow")))
}

// lags is how many versions were finished by anybody, and by how many of these a reader was behind, at the worst time.
func lags(all []finding) (finished, behind int) {
	type event struct {
		read
		reader int
	}
	var events []event
	for i, f := range all {
		for _, r := range f.Reads {
			events = append(events, event{r, i})
		}
	}
	slices.SortStableFunc(events, func(a, b event) int { return cmp.Compare(a.At, b.At) })
	var done []uint64 // in the order of numbers
	has := make([]uint64, len(all))
	for _, e := range events {
		if place, ok := slices.BinarySearch(done, e.Number); !ok {
			done = slices.Insert(done, place, e.Number)
		}
		has[e.reader] = e.Number
		for i, number := range has {
			if len(all[i].Reads) > 0 { // the publisher reads nothing
				place, _ := slices.BinarySearch(done, number+1)
				behind = max(behind, len(done)-place)
			}
		}
	}
	return len(done), behind
}
