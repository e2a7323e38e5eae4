package collective

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Forecast is how long an operation is expected to take in each of the ways that there are, from what was measured of the hosts and their links.
// See [Auto] and [Explain].
type Forecast struct {
	Operation  string // such as "AllReduce"
	Bytes      int    // by the operation's own measure: of one member's slice; of a [Stream], [StreamGather] or [StreamScatter] nothing is known, and 64 MiB are taken, in all
	Members    int
	Hosts      int
	Measured   bool        // false: nobody has measured yet, and what is usual was taken for granted; see [Measure]
	Chosen     Candidate   // the way that the operation takes: by Auto the fastest algorithm, or Chain for a DoubleTree, with the largest chunks, where that is within 5 % of the fastest
	Candidates []Candidate // all ways that Auto considers, the fastest first
	links      string
}

// A Candidate is one way to do an operation, and what it is expected to cost.
type Candidate struct {
	Algorithm  Algorithm
	Chunk      int           // size of the pieces, in bytes
	Time       time.Duration // of the slowest member, those that are a [Leaf] not counted where data goes along trees
	Links      time.Duration // for which the busiest link is busy
	Processors time.Duration // for which the busiest processor is busy, or all that a machine's hosts share
	Steps      time.Duration // until the first chunk has gone all the way; for steps that wait for each other, their sum
}

// waysOf are the algorithms between which there is a difference, by operation.
func waysOf(op opKind, ownTree bool) (all []Algorithm) {
	switch op {
	case opAllToAll:
		return []Algorithm{Direct}
	case opBroadcast, opReduce:
		all = []Algorithm{Chain, Tree, DoubleTree, Doubling, Direct}
	case opStream, opGather, opScatter, opStreamGather, opStreamScatter:
		all = []Algorithm{Chain, Tree, Doubling, Direct}
	case opAllReduce:
		all = []Algorithm{Ring, Doubling, DoubleTree, Chain, Tree, Direct}
	case opAllGather, opReduceScatter:
		all = []Algorithm{Ring, Direct, Doubling, Tree}
	case opBarrier:
		all = []Algorithm{Doubling, Tree, Direct}
	}
	if ownTree {
		all = append(all, AlongShape)
	}
	return all
}

// chunkSizes are those that are considered where the caller has given none: the largest first, which wins where there is no difference.
func chunkSizes(given int) (sizes []int) {
	if given > 0 {
		return []int{given}
	}
	for whole := MaxChunk + headerSize; whole >= 16<<10; whole /= 2 {
		sizes = append(sizes, whole-headerSize)
	}
	return sizes
}

// forecast reckons with all ways that there are, and the one that is given unless that is [Auto]. Leaves are not reckoned with where data goes
// along trees: they get it at their own speed, and whatever way were taken would be expected to take as long as they do.
func (p *plan) forecast(m *measures, op opKind, root, size, given int, algo Algorithm, leaves ...int) (Forecast, error) {
	f := Forecast{Operation: op.String(), Bytes: size, Members: p.shape.Len(), Hosts: len(m.hosts), Measured: m.measured, links: m.text()}
	kind := p.shape.Kind().String()
	for _, way := range waysOf(op, kind != "net" && kind != "ring") {
		for _, chunk := range chunkSizes(given) {
			if chunk < size || chunk == chunkSizes(given)[0] || op.isStream() {
				c, err := p.candidate(m, op, root, size, chunk, way, leaves)
				if err == nil { // a shape of one's own may have no way from this root
					f.Candidates = append(f.Candidates, c)
				}
			}
		}
	}
	slices.SortStableFunc(f.Candidates, func(a, b Candidate) int { return cmp.Compare(a.Time, b.Time) })
	f.Chosen = choice(f.Candidates)
	if algo == Auto {
		return f, nil
	}
	if given == 0 {
		given = DefaultChunk
	}
	var err error
	f.Chosen, err = p.candidate(m, op, root, size, given, algo, leaves)
	return f, err
}

// alike is how much slower than the fastest a way may be expected to be and still count as fast: expectations are no better than that.
const alike = 1.05

// choice is the algorithm of the fastest way, or one chain in place of two trees that are hardly faster, with the largest chunks that are about as fast: fewer
// messages leave more of processors to others. Two trees have each member wait for two others, and give to two, which costs more than is reckoned with where
// hosts share processors: 16 hosts that shared two processors took 3.3 s by two trees and 1.7 s by a chain, which were expected to differ by the time of the first chunk alone.
func choice(all []Candidate) Candidate {
	best := all[0]
	if best.Algorithm == DoubleTree {
		for _, c := range all[1:] {
			if c.Algorithm == Chain && c.isAlike(all[0]) {
				best = c
				break
			}
		}
	}
	for _, c := range all[1:] {
		if c.Algorithm == best.Algorithm && c.Chunk > best.Chunk && c.isAlike(all[0]) {
			best = c
		}
	}
	return best
}

// isAlike tells whether a way is about as fast as the fastest.
func (c Candidate) isAlike(fastest Candidate) bool {
	return float64(c.Time) <= alike*float64(fastest.Time)
}

func (p *plan) candidate(m *measures, op opKind, root, size, chunk int, algo Algorithm, leaves []int) (Candidate, error) {
	trees, err := p.treesFor(algo, root)
	if err != nil {
		return Candidate{}, err
	}
	if others := slices.DeleteFunc(slices.Clone(leaves), func(rank int) bool { return rank == root }); len(others) > 0 {
		trees = slices.Clone(trees)
		for i := range trees {
			trees[i] = trees[i].prune(others)
		}
	}
	c := m.predict(job{op: op, size: size, chunk: chunk, n: p.shape.Len(), order: p.tour(0)}, algo, trees)
	return Candidate{algo, chunk, lasting(c.total), lasting(c.links), lasting(c.processors), lasting(c.first)}, nil
}

// lasting is whole microseconds: what differs by less is a draw, which the order in which the candidates are listed decides.
func lasting(seconds float64) time.Duration {
	const most = 1e9 // seconds: 30 years
	return time.Duration(min(seconds, most)*1e6) * (time.Millisecond / 1000)
}

// String is a table for people: the way that is taken, marked, and the best one of each other algorithm.
func (f Forecast) String() string {
	var b strings.Builder
	what := f.Operation
	if f.Bytes > 0 {
		what += " of " + bytesText(f.Bytes)
	}
	fmt.Fprintf(&b, "%s, %d members on %d hosts: %v in chunks of %s, expected to take %s\n", what, f.Members, f.Hosts,
		f.Chosen.Algorithm, bytesText(f.Chosen.Chunk), timeText(f.Chosen.Time))
	fmt.Fprintf(&b, "%s\n\n", f.links)
	fmt.Fprintf(&b, "  %-11s %9s %11s %11s %11s %11s\n", "algorithm", "chunk", "expected", "links", "processors", "steps")
	listed := map[Algorithm]bool{}
	rows := f.Candidates
	if !slices.Contains(rows, f.Chosen) {
		rows = append([]Candidate{f.Chosen}, rows...)
	}
	for _, c := range rows {
		if listed[c.Algorithm] || c.Algorithm == f.Chosen.Algorithm && c != f.Chosen {
			continue
		}
		listed[c.Algorithm] = true
		mark := ' '
		if c == f.Chosen {
			mark = '*'
		}
		fmt.Fprintf(&b, "%c %-11v %9s %11s %11s %11s %11s\n", mark, c.Algorithm, bytesText(c.Chunk), timeText(c.Time), timeText(c.Links), timeText(c.Processors), timeText(c.Steps))
	}
	return b.String()
}

// bytesText is a number of bytes.
func bytesText(n int) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.3g MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.3g KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}

func timeText(d time.Duration) string {
	const milli = float64(time.Millisecond)
	switch ms := float64(d) / milli; {
	case ms >= 1000:
		return fmt.Sprintf("%.3f s", ms/1000)
	case ms >= 1:
		return fmt.Sprintf("%.2f ms", ms)
	default:
		return fmt.Sprintf("%.0f µs", ms*1000)
	}
}
