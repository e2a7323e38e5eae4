package collective

import (
	"fmt"
	"slices"

	"github.com/tartrl/tlaunch-go/topology"
)

// What is taken for granted of what nobody has measured: links of 1 Gbit/s in one building, and a processor for each host.
const (
	usualLatency = 100e-6 // seconds that a small message takes, with the work at both ends
	usualRate    = 117e6  // bytes a second
	usualMessage = 15e-6  // seconds of a processor that a message takes, at each end
	usualByte    = 1.5e-9 // and a byte
	// mostMessage and mostByte bound what is believed: a process that does something else while it measures counts that too.
	mostMessage, mostByte = 300e-6, 30e-9
	// numberByte is the time of a processor for a byte of numbers that are put together.
	numberByte = 0.3e-9
)

// Members must reckon the same from the same measures, whatever their processors: so products that go into sums are converted, which keeps
// compilers from fusing the two with another rounding.

// A pace is what is known of the way between two hosts, or within one; zeros are unknown.
type pace struct {
	latency float64 // seconds that a small message takes
	rate    float64 // bytes a second
	first   float64 // seconds that a byte of a single chunk takes beyond that, with the work at both ends: less than by the rate, where links let some pass at once
}

// measures are what is known of the hosts of a group. All members have the same.
type measures struct {
	measured bool
	hostOf   []int // by rank
	hosts    []hostMeasures
	pairs    [][]pace // by host, from and to
	machines []machineMeasures
}

// hostMeasures are of a host's links to all others, and of what its members do among themselves.
type hostMeasures struct {
	machine int
	out, in float64 // bytes a second
	inside  pace
}

// machineMeasures are of processors, which hosts of one machine share.
type machineMeasures struct {
	cores               float64
	perMessage, perByte float64 // seconds of a processor, at each end
}

// hostsOf numbers the hosts in the order of the tour, and says where each member is, and which of a host's members come first.
func hostsOf(shape *topology.Shape) (hostOf []int, members [][]int) {
	hostOf = make([]int, shape.Len())
	known := map[string]int{}
	for _, rank := range shape.Tour() {
		name := shape.Member(rank).Host
		h, ok := known[name]
		if !ok || name == "" {
			h = len(members)
			known[name] = h
			members = append(members, nil)
		}
		hostOf[rank] = h
		members[h] = append(members[h], rank)
	}
	return hostOf, members
}

// distances are those at which hosts of a tour are measured: 1, 2, 4 … and so each host by several others, the number of which grows with the
// logarithm.
func distances(hosts int) (all []int) {
	for d := 1; d < hosts; d *= 2 {
		all = append(all, d)
	}
	return all
}

// A finding is what one member has found. It travels as numbers: see pack.
type finding struct {
	machine, process int64 // marks: the same for members of one machine, of one process
	cores            int64
	// Of the process, in nanoseconds, while small messages were measured, and while large ones were; and what this member sent and received.
	smallWork, smallMessages int64
	largeWork, largeBytes    int64
	// Of the first member of each host: to its second, and to the hosts at the distances. Latencies in nanoseconds, rates in bytes a second;
	// a rate is of what came from there.
	inside  [3]int64 // as the three below
	latency []int64
	rate    []int64
	chunk   []int64 // time of a chunk of DefaultChunk beyond the latency
}

func findingLen(rounds int) int { return 10 + 3*rounds }

func (f *finding) pack() []int64 {
	all := []int64{f.machine, f.process, f.cores, f.smallWork, f.smallMessages, f.largeWork, f.largeBytes, f.inside[0], f.inside[1], f.inside[2]}
	return slices.Concat(all, f.latency, f.rate, f.chunk)
}

func unpack(all []int64) (f finding) {
	f = finding{machine: all[0], process: all[1], cores: all[2], smallWork: all[3], smallMessages: all[4], largeWork: all[5], largeBytes: all[6]}
	f.inside = [3]int64(all[7:10])
	rounds := (len(all) - findingLen(0)) / 3
	all = all[findingLen(0):]
	f.latency, f.rate, f.chunk = all[:rounds], all[rounds:2*rounds], all[2*rounds:]
	return f
}

// usual is what is taken for granted.
func usual(shape *topology.Shape) *measures {
	hostOf, members := hostsOf(shape)
	m := &measures{hostOf: hostOf, pairs: make([][]pace, len(members))}
	for h := range members {
		m.machines = append(m.machines, machineMeasures{1, usualMessage, usualByte})
		m.hosts = append(m.hosts, hostMeasures{h, usualRate, usualRate, pace{usualLatency / 2, 1 / usualByte / 4, 6 * usualByte}})
		m.pairs[h] = make([]pace, len(members))
		for other := range members {
			m.pairs[h][other] = pace{usualLatency, usualRate, 1/usualRate + 2*usualByte}
		}
	}
	return m
}

// assess draws the conclusions from what all members have found, by rank.
func assess(shape *topology.Shape, found []finding) *measures {
	hostOf, members := hostsOf(shape)
	m := &measures{measured: true, hostOf: hostOf}
	m.assessMachines(members, found)
	far := distances(len(members))
	m.pairs = make([][]pace, len(members))
	for h := range members {
		m.pairs[h] = make([]pace, len(members))
	}
	least := make([]float64, len(members)) // latencies of each host
	for h, ranks := range members {
		f := found[ranks[0]]
		for i, d := range far {
			to, from := (h+d)%len(members), (h+len(members)-d)%len(members)
			if ns := float64(f.latency[i]) / 1e9; ns > 0 {
				for _, p := range [][2]int{{h, to}, {to, h}} {
					m.pairs[p[0]][p[1]].latency = lesser(m.pairs[p[0]][p[1]].latency, ns)
					least[p[0]] = lesser(least[p[0]], ns)
				}
			}
			if ns := float64(f.chunk[i]) / 1e9; ns > 0 {
				m.pairs[h][to].first = ns / DefaultChunk
			}
			rate := float64(f.rate[i])
			m.pairs[from][h].rate = max(m.pairs[from][h].rate, rate)
			m.hosts[from].out, m.hosts[h].in = max(m.hosts[from].out, rate), max(m.hosts[h].in, rate)
		}
		m.hosts[h].inside = pace{float64(f.inside[0]) / 1e9, float64(f.inside[1]), float64(f.inside[2]) / 1e9 / DefaultChunk}
	}
	m.complete(least)
	return m
}

// lesser is the smaller of two, of which 0 is unknown.
func lesser(a, b float64) float64 {
	if a == 0 {
		return b
	}
	return min(a, b)
}

// assessMachines finds out whose hosts share processors, and what these cost.
func (m *measures) assessMachines(members [][]int, found []finding) {
	number := map[int64]int{}
	type work struct{ small, messages, large, bytes int64 }
	var all []work
	counted := map[[2]int64]bool{} // processes
	for _, ranks := range members {
		for i, rank := range ranks {
			f := found[rank]
			k, ok := number[f.machine]
			if !ok {
				k = len(m.machines)
				number[f.machine] = k
				m.machines = append(m.machines, machineMeasures{cores: 1})
				all = append(all, work{})
			}
			if i == 0 {
				m.hosts = append(m.hosts, hostMeasures{machine: k})
			}
			m.machines[k].cores = max(m.machines[k].cores, float64(f.cores))
			all[k].messages += f.smallMessages
			all[k].bytes += f.largeBytes
			if process := [2]int64{f.machine, f.process}; !counted[process] {
				counted[process] = true
				all[k].small += f.smallWork
				all[k].large += f.largeWork
			}
		}
	}
	for k, w := range all {
		machine := &m.machines[k]
		machine.perMessage, machine.perByte = usualMessage, usualByte
		if w.small > 0 && w.messages > 0 {
			machine.perMessage = min(mostMessage, float64(w.small)/1e9/float64(w.messages))
		}
		if w.large > 0 && w.bytes > 0 {
			machine.perByte = min(mostByte, float64(w.large)/1e9/float64(w.bytes))
		}
	}
}

// slower is how much slower than their hosts' links a way must be to count as slow itself: less is chance.
const slower = 0.7

// complete fills in what was not measured. least is the smallest latency of each host.
func (m *measures) complete(least []float64) {
	for h := range m.hosts {
		host := &m.hosts[h]
		for _, x := range []*float64{&host.out, &host.in} {
			if *x == 0 {
				*x = usualRate
			}
		}
		if least[h] == 0 {
			least[h] = usualLatency
		}
		if host.inside.latency == 0 {
			host.inside.latency = least[h] / 2
		}
		if host.inside.rate == 0 {
			host.inside.rate = max(host.out, 1/m.machines[host.machine].perByte/2)
		}
		if host.inside.first == 0 {
			host.inside.first = 1 / host.inside.rate
		}
	}
	for from := range m.pairs {
		for to := range m.pairs[from] {
			p := &m.pairs[from][to]
			if p.latency == 0 {
				p.latency = max(least[from], least[to])
			}
			if most := min(m.hosts[from].out, m.hosts[to].in); p.rate == 0 || p.rate > most*slower {
				p.rate = most
			}
			if p.first == 0 {
				p.first = m.pairs[to][from].first // the same way back, if that is known
			}
			if p.first == 0 {
				p.first = 1/p.rate + m.machines[m.hosts[from].machine].perByte + m.machines[m.hosts[to].machine].perByte
			}
		}
	}
}

// between is the way from one member to another.
func (m *measures) between(from, to int) pace {
	a, b := m.hostOf[from], m.hostOf[to]
	if a == b {
		return m.hosts[a].inside
	}
	return m.pairs[a][b]
}

// machine is that of a member.
func (m *measures) machine(rank int) int { return m.hosts[m.hostOf[rank]].machine }

// text is a line for people.
func (m *measures) text() string {
	slowest, fastest := m.hosts[0].out, m.hosts[0].out
	for _, h := range m.hosts {
		slowest, fastest = min(slowest, h.out, h.in), max(fastest, h.out, h.in)
	}
	latency := 0.0
	for from := range m.pairs {
		for to := range m.pairs[from] {
			if from != to {
				latency = max(latency, m.pairs[from][to].latency)
			}
		}
	}
	rates := fmt.Sprintf("%.0f MB/s", fastest/1e6)
	if slowest < fastest*0.9 {
		rates = fmt.Sprintf("%.0f to %.0f MB/s", slowest/1e6, fastest/1e6)
	}
	first := m.machines[0]
	text := fmt.Sprintf("links of %s, small messages %.2f ms; processors take %.1f ns for a byte and %.0f µs for a message, at each end",
		rates, latency*1e3, first.perByte*1e9, first.perMessage*1e6)
	switch {
	case len(m.machines) == 1 && len(m.hosts) > 1:
		text += fmt.Sprintf("; all hosts share %.0f of them", first.cores)
	case len(m.machines) < len(m.hosts):
		text += fmt.Sprintf("; the hosts are on %d machines", len(m.machines))
	}
	if !m.measured {
		return "taken for granted, as nothing is measured: " + text
	}
	return "measured: " + text
}

// turnsOf says when each host measures, so that no more of a machine's do at a time than it has processors. told has each member's
// machine, process and processors, by rank.
func turnsOf(hosts [][]int, told []int64) []int {
	turns := make([]int, len(hosts))
	before := map[int64]int{}
	for h, ranks := range hosts {
		machine, cores := told[3*ranks[0]], max(1, int(told[3*ranks[0]+2]))
		turns[h] = before[machine] / cores
		before[machine]++
	}
	return turns
}
