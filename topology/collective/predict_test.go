package collective

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/topology"
)

// netOf is the plan of n members of a net, each of a host of its own unless there are fewer hosts.
func netOf(t *testing.T, n, hosts int) *plan {
	var members []topology.Member
	for i := range n {
		members = append(members, topology.Member{Name: fmt.Sprint("m", i), Host: fmt.Sprint("h", i*hosts/n)})
	}
	shape, err := topology.New(topology.Net(), members)
	require.NoError(t, err)
	return &plan{shape: shape, trees: map[treeKey][]tree{}}
}

// links is what is known of hosts whose links are alike, with processors of their own or of one machine.
func linksOf(p *plan, latency, rate float64, shared bool) *measures {
	m := usual(p.shape)
	m.measured = true
	for a := range m.hosts {
		m.hosts[a].out, m.hosts[a].in = rate, rate
		for b := range m.hosts {
			m.pairs[a][b] = pace{latency, rate, 1/rate + 2*usualByte}
		}
		if shared {
			m.hosts[a].machine = 0
		}
	}
	if shared {
		m.machines = []machineMeasures{{2, usualMessage, usualByte}}
	}
	return m
}

// What is known of these cases from theory, and from those who have measured them.
func TestChoices(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		what    string
		op      opKind
		members int
		size    int
		shared  bool
		want    []Algorithm
	}{
		{"little data, few hosts", opBroadcast, 4, 1 << 10, false, []Algorithm{Direct}},
		{"little data, many hosts", opBroadcast, 128, 1 << 10, false, []Algorithm{Doubling, Tree, DoubleTree}},
		{"much data, each link once", opBroadcast, 8, 64 * mib, false, []Algorithm{Chain}}, // two trees would be faster by the time of some chunks
		{"the same, processors shared", opBroadcast, 16, 64 * mib, true, []Algorithm{Chain}},
		{"the same between two", opBroadcast, 2, 64 * mib, false, []Algorithm{Chain}},
		{"many hosts, not much data", opBroadcast, 64, mib, false, []Algorithm{DoubleTree}},
		{"numbers of all, little", opAllReduce, 16, 1 << 10, false, []Algorithm{Doubling}},
		{"numbers of all, much", opAllReduce, 8, 64 * mib, false, []Algorithm{Ring}},
		{"numbers of all, many hosts", opAllReduce, 256, 256 << 10, false, []Algorithm{Doubling, DoubleTree}},
		{"to one", opGather, 8, 8 * mib, false, []Algorithm{Direct, Doubling, Tree, Chain}}, // its link is the limit
		{"to one, processors shared", opGather, 8, 8 * mib, true, []Algorithm{Direct}},      // who passes on pays twice
		{"from one, processors shared", opScatter, 8, 8 * mib, true, []Algorithm{Direct}},
		{"to all of all", opAllGather, 8, 8 * mib, false, []Algorithm{Ring, Direct}},
		{"each to each", opAllToAll, 8, mib, false, []Algorithm{Direct}},
		{"a word to all", opBarrier, 128, 0, false, []Algorithm{Doubling}},
		{"a word to all, processors shared", opBarrier, 64, 0, true, []Algorithm{Tree, Direct}},           // 126 messages, not 384
		{"the same, few hosts", opBarrier, 8, 0, true, []Algorithm{Direct}},                               // one is woken for seven
		{"little data, few hosts, processors shared", opBroadcast, 8, 1 << 10, true, []Algorithm{Direct}}, // by one that is awake
		{"little data of all, few hosts, processors shared", opGather, 8, 1 << 10, true, []Algorithm{Direct}},
	} {
		t.Run(c.what, func(t *testing.T) {
			p := netOf(t, c.members, c.members)
			f, err := p.forecast(linksOf(p, 100e-6, 117e6, c.shared), c.op, 0, c.size, 0, Auto)
			require.NoError(t, err)
			require.Contains(t, c.want, f.Chosen.Algorithm, "%v", f)
			require.LessOrEqual(t, float64(f.Chosen.Time), alike*float64(f.Candidates[0].Time))
			require.LessOrEqual(t, f.Chosen.Processors, f.Candidates[0].Processors)
			for i, other := range f.Candidates[1:] {
				require.LessOrEqual(t, f.Candidates[i].Time, other.Time)
			}
		})
	}
}

// What is expected of large values is what the links can carry, little more.
func TestBounds(t *testing.T) {
	const rate, size = 117e6, 64 << 20
	once := float64(size) / rate
	for _, c := range []struct {
		op    opKind
		n     int
		size  int
		bound float64
	}{
		{opBroadcast, 2, size, once},
		{opBroadcast, 8, size, once},
		{opReduce, 8, size, once},
		{opAllReduce, 8, size, 2 * 7.0 / 8 * once},
		{opAllReduce, 5, size, 2 * 4.0 / 5 * once},
		{opGather, 8, size / 8, 7 * once / 8},
		{opScatter, 8, size / 8, 7 * once / 8},
		{opAllGather, 8, size / 8, 7 * once / 8},
		{opReduceScatter, 8, size / 8, 7 * once / 8},
		{opAllToAll, 8, size, 7 * once / 8},
	} {
		p := netOf(t, c.n, c.n)
		f, err := p.forecast(linksOf(p, 100e-6, rate, false), c.op, 0, c.size, 0, Auto)
		require.NoError(t, err)
		require.InDelta(t, 1.03, f.Chosen.Time.Seconds()/c.bound, 0.03, "%v", f)
	}
}

// Members of one host give each other what the link to it has carried once, and one slow link is known for what it is.
func TestUneven(t *testing.T) {
	p := netOf(t, 8, 2)
	m := linksOf(p, 100e-6, 117e6, false)
	m.machines[0].cores, m.machines[1].cores = 8, 8
	f, err := p.forecast(m, opBroadcast, 0, 64<<20, 0, Auto)
	require.NoError(t, err)
	require.InDelta(t, 1.05, f.Chosen.Time.Seconds()*117e6/(64<<20), 0.05, "%v", f)
	direct, err := p.forecast(m, opBroadcast, 0, 64<<20, 0, Direct)
	require.NoError(t, err)
	require.Greater(t, direct.Chosen.Time, 3*f.Chosen.Time, "%v", direct)

	p = netOf(t, 8, 8)
	m = linksOf(p, 100e-6, 117e6, false)
	m.hosts[3].out, m.hosts[3].in = 11.7e6, 11.7e6
	for h := range m.hosts {
		m.pairs[3][h].rate, m.pairs[h][3].rate = 11.7e6, 11.7e6
	}
	f, err = p.forecast(m, opBroadcast, 0, 64<<20, 0, Auto)
	require.NoError(t, err)
	require.InDelta(t, 1.03, f.Chosen.Time.Seconds()*11.7e6/(64<<20), 0.05, "%v", f)

	// As a leaf it gets data at its own speed, and the way is chosen that is best for the others.
	f, err = p.forecast(m, opBroadcast, 0, 64<<20, 0, Auto, 3)
	require.NoError(t, err)
	require.Contains(t, []Algorithm{Chain, DoubleTree}, f.Chosen.Algorithm)
	require.InDelta(t, 1.03, f.Chosen.Time.Seconds()*117e6/(64<<20), 0.05, "%v", f)
	f, err = p.forecast(m, opBroadcast, 3, 64<<20, 0, Auto, 3)
	require.NoError(t, err)
	require.InDelta(t, 1.03, f.Chosen.Time.Seconds()*11.7e6/(64<<20), 0.05, "the root is no leaf: %v", f)
	f, err = p.forecast(m, opBroadcast, 0, 64<<20, 0, Auto, 1, 2, 3, 4, 5, 6, 7)
	require.NoError(t, err)
	require.Zero(t, f.Chosen.Time, "nobody is counted")
}

// No way is without a price, and more data never takes less time.
func TestPredictions(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5, 7, 8, 9, 12, 16} {
		p := netOf(t, n, max(1, n*2/3))
		for _, m := range []*measures{usual(p.shape), linksOf(p, 50e-6, 30e6, true)} {
			for op := opBroadcast; op <= opStreamScatter; op++ {
				before := map[Algorithm]time.Duration{}
				for _, size := range []int{0, 8, 1 << 10, 100_000, 1 << 20, 256 << 20} {
					f, err := p.forecast(m, op, n/2, size, DefaultChunk, Auto)
					require.NoError(t, err)
					for _, c := range f.Candidates {
						require.GreaterOrEqual(t, c.Time, before[c.Algorithm], "%v of %d bytes by %v, %d members", op, size, c.Algorithm, n)
						require.Equal(t, n > 1, c.Time > 0, "%v %v of %d among %d", c.Algorithm, op, size, n)
						before[c.Algorithm] = c.Time
					}
				}
			}
		}
	}
}

// What members have found becomes the same measures at each, with sense made of what is missing.
func TestAssess(t *testing.T) {
	p := netOf(t, 5, 4) // the first host has two members
	found := make([]finding, 5)
	for rank := range found {
		found[rank] = finding{machine: 7, process: int64(rank / 4), cores: 2, latency: make([]int64, 2), rate: make([]int64, 2), chunk: make([]int64, 2)}
	}
	_, hosts := hostsOf(p.shape)
	require.Equal(t, [][]int{{0, 1}, {2}, {3}, {4}}, hosts)
	for h, ranks := range hosts {
		f := &found[ranks[0]]
		f.latency, f.rate, f.chunk = []int64{100_000, 200_000}, []int64{100e6, 90e6}, []int64{DefaultChunk * 20, 0}
		if h == 2 {
			f.rate = []int64{10e6, 9e6} // what comes to it is slow
		}
	}
	found[0].inside = [3]int64{20_000, 900e6, DefaultChunk * 2}
	for rank := range found { // members 0 to 3 are one process
		found[rank].smallWork, found[rank].smallMessages = 4_000_000, 100
		found[rank].largeWork, found[rank].largeBytes = 4_000_000, 1_000_000
	}
	for rank, f := range found {
		require.Equal(t, f, unpack(f.pack()), "%d", rank)
	}
	m := assess(p.shape, found)
	require.Equal(t, []machineMeasures{{2, 8e-3 / 500, 8e-3 / 5e6}}, m.machines)
	require.Equal(t, []int{0, 0, 1, 2, 3}, m.hostOf)
	require.Equal(t, pace{20e-6, 900e6, 2e-9}, m.between(0, 1))
	require.Equal(t, pace{100e-6, 10e6, 20e-9}, m.between(2, 3))
	require.Equal(t, pace{100e-6, 100e6, 20e-9}, m.between(3, 4))
	require.Equal(t, 90e6, m.between(2, 4).rate)
	require.Equal(t, 200e-6, m.between(2, 4).latency)
	require.Greater(t, m.between(2, 4).first, 1/90e6) // what is not known follows from the rate
	require.Equal(t, 10e6, m.hosts[2].in)
	require.Equal(t, 100e6, m.hosts[2].out)
	require.Contains(t, m.text(), "10 to 100 MB/s")

	// Nobody has found anything: what is usual.
	for rank := range found {
		found[rank] = finding{machine: int64(rank), latency: make([]int64, 2), rate: make([]int64, 2), chunk: make([]int64, 2)}
	}
	m = assess(p.shape, found)
	require.Equal(t, pace{usualLatency, usualRate, 1/usualRate + 2*usualByte}, m.between(0, 4))
	require.Positive(t, m.between(0, 1).rate)
}

// A shape of one's own that has no way from a root to all is no candidate there.
func TestOwnShape(t *testing.T) {
	shape, err := topology.New(topology.Own("down", func([]topology.Member) []topology.Edge { return []topology.Edge{{From: 0, To: 1}} }),
		[]topology.Member{{Name: "a"}, {Name: "b"}})
	require.NoError(t, err)
	p := &plan{shape: shape, trees: map[treeKey][]tree{}}
	for root := range 2 {
		f, err := p.forecast(usual(shape), opBroadcast, root, 1<<20, 0, Auto)
		require.NoError(t, err)
		along := slices.ContainsFunc(f.Candidates, func(c Candidate) bool { return c.Algorithm == AlongShape })
		require.Equal(t, root == 0, along)
	}
}

func TestTurns(t *testing.T) {
	hosts := [][]int{{0, 1}, {2}, {3}, {4}, {5}}
	told := []int64{9, 0, 2 /*same host*/, 9, 0, 2, 9, 0, 2, 9, 0, 2, 8, 0, 1, 8, 0, 1}
	require.Equal(t, []int{0, 0, 1, 0, 1}, turnsOf(hosts, told))
}

func TestForecastText(t *testing.T) {
	p := netOf(t, 8, 8)
	f, err := p.forecast(linksOf(p, 100e-6, 117e6, true), opAllReduce, 0, 64<<20, 0, Auto)
	require.NoError(t, err)
	require.Equal(t, `AllReduce of 64 MiB, 8 members on 8 hosts: Ring in chunks of 128 KiB, expected to take 1.647 s
measured: links of 117 MB/s, small messages 0.10 ms; processors take 1.5 ns for a byte and 15 µs for a message, at each end; all hosts share 2 of them

  algorithm       chunk    expected       links  processors       steps
* Ring          128 KiB     1.647 s     1.004 s     1.590 s    22.58 ms
  DoubleTree    128 KiB     1.699 s     1.149 s     1.588 s    14.47 ms
  Chain         128 KiB     1.707 s     1.148 s     1.588 s    23.28 ms
  Tree          128 KiB     1.983 s     1.722 s     1.588 s    14.47 ms
  Doubling      128 KiB     2.934 s     1.722 s     2.843 s     4.84 ms
  Direct        128 KiB     4.050 s     4.017 s     1.588 s    16.80 ms
`, f.String())
	f, err = p.forecast(usual(p.shape), opBarrier, 0, 0, 8, AlongShape)
	require.NoError(t, err)
	require.Contains(t, f.String(), "Barrier, 8 members on 8 hosts: AlongShape in chunks of 8 B")
	require.Contains(t, f.String(), "taken for granted")
	require.Contains(t, f.String(), "\n* AlongShape")
}
