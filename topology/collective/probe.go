package collective

import (
	"hash/fnv"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/tartrl/tlaunch-go/internal/cputime"
)

// How links are measured. The first members of hosts do it, each with those of the hosts at distances 1, 2, 4 … in the tour, as many of a machine
// at a time as it has processors: first small messages there and back, then a stream of chunks. Then all tell each other what they have found.

const (
	pings     = 9 // of which the median counts: the fastest is of a moment in which nobody else was at work
	lone      = 3 // chunks that go alone, of which the median counts too
	loadLong  = 40 * time.Millisecond
	loadMost  = 20 // chunks in a stream, which lasts loadLong at most
	loadStart = 4  // chunks that do not count: what passes a limiter of rates at once, and the time in which TCP finds out how fast it may go
)

// Streams of a measurement, beside streamRing and streamPart.
const (
	streamMeet = streamStep + 1 + iota
	streamPing
	streamEcho
	streamLoad
)

// A probe is a measurement at one member.
type probe struct {
	o       *op
	hosts   [][]int // members, in the order of the tour
	host    int     // whose first member this is; -1: it is not
	turns   []int   // by host: when it measures
	last    int     // of the turns
	number  int     // of the streams: how many have begun
	meets   int64   // messages for that
	bytes   int64   // sent and received in streams
	finding finding
}

// measure is the whole.
func (o *op) measure() error {
	shape := o.m.plan.shape
	n := shape.Len()
	_, hosts := hostsOf(shape)
	machine, process := marks()
	all := make([]int64, 3*n)
	copy(all[3*o.m.rank:], []int64{machine, process, int64(runtime.NumCPU())})
	if err := o.ringAllGather(bytesOf(all)); err != nil {
		return err
	}
	p := &probe{o: o, hosts: hosts, host: slices.IndexFunc(hosts, func(ranks []int) bool { return ranks[0] == o.m.rank }), turns: turnsOf(hosts, all)}
	p.last = slices.Max(p.turns)
	rounds := len(distances(len(hosts)))
	p.finding = finding{machine: machine, process: process, cores: int64(runtime.NumCPU()), latency: make([]int64, rounds), rate: make([]int64, rounds), chunk: make([]int64, rounds)}
	if err := p.small(); err != nil {
		return err
	}
	if err := p.large(); err != nil {
		return err
	}
	length := findingLen(rounds)
	told := make([]int64, n*length)
	copy(told[o.m.rank*length:], p.finding.pack())
	if err := o.directAllGather(bytesOf(told)); err != nil {
		return err
	}
	o.m.mu.Lock()
	defer o.m.mu.Unlock()
	o.m.learnLocked(told)
	return nil
}

// learnLocked takes what all members have found for what is known from now on. What is not of this group is nothing.
func (m *Member) learnLocked(told []int64) {
	shape := m.plan.shape
	_, hosts := hostsOf(shape)
	length := findingLen(len(distances(len(hosts))))
	if len(told) != shape.Len()*length {
		return
	}
	found := make([]finding, shape.Len())
	for rank := range found {
		found[rank] = unpack(told[rank*length : (rank+1)*length])
	}
	m.auto = auto{found: told, measures: assess(shape, found)}
}

// marks tell machines apart, and processes: containers and namespaces of one machine share its processors.
func marks() (machine, process int64) {
	h := fnv.New64a()
	if id, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil {
		_, _ = h.Write(id)
	} else if name, err := os.Hostname(); err == nil {
		_, _ = h.Write([]byte(name))
	}
	return int64(h.Sum64()), processMark
}

// small measures latencies, and what messages cost processors.
func (p *probe) small() error {
	work, messages := cputime.Used(), p.messages()
	err := p.each(func(round, to, from, number int) error {
		var parts []func() error
		if to >= 0 {
			parts = append(parts, func() (err error) {
				took, err := p.ping(to, number, pings, nil)
				p.note(round, 0, p.finding.latency, max(1, int64(took/2)))
				return err
			})
		}
		if from >= 0 {
			parts = append(parts, func() error { return p.echo(from, number, pings) })
		}
		return p.o.eachOrNone(parts)
	})
	p.finding.smallWork, p.finding.smallMessages = int64(cputime.Used()-work), p.messages()-messages
	return err
}

// large measures rates, and what bytes cost processors.
func (p *probe) large() error {
	p.meets = 0
	work := cputime.Used()
	err := p.each(func(round, to, from, number int) error {
		var sent, got int64
		var parts []func() error
		if to >= 0 {
			parts = append(parts, func() error {
				chunk := make([]byte, p.o.sig.chunk)
				took, err := p.ping(to, number, lone, chunk)
				if err != nil {
					return err
				}
				latency := p.finding.inside[0]
				if round >= 0 {
					latency = p.finding.latency[round]
				}
				p.note(round, 2, p.finding.chunk, max(1, int64(took)-2*latency))
				sent, err = p.load(to, number, chunk)
				sent += int64(lone * len(chunk))
				return err
			})
		}
		if from >= 0 {
			parts = append(parts, func() error {
				if err := p.echo(from, number, lone); err != nil {
					return err
				}
				bytes, rate, err := p.unload(from, number)
				got = bytes + int64(lone)*int64(p.o.sig.chunk)
				p.note(round, 1, p.finding.rate, rate)
				return err
			})
		}
		err := p.o.eachOrNone(parts)
		p.bytes += sent + got
		return err
	})
	took := int64(cputime.Used() - work)
	if p.finding.smallMessages > 0 { // those that only begin a stream do not count
		took -= p.finding.smallWork / p.finding.smallMessages * p.meets
	}
	p.finding.largeWork, p.finding.largeBytes = max(0, took), p.bytes
	return err
}

// each has all measure: f is called at each member for each turn of each round in which it has somebody to measure to, or from; others are -1.
// Round -1 is within the hosts.
func (p *probe) each(f func(round, to, from, number int) error) error {
	far := append([]int{0}, distances(len(p.hosts))...)
	for i, d := range far {
		for turn := range p.last + 1 {
			if err := p.meet(); err != nil {
				return err
			}
			p.number++
			to, from := p.others(d, turn)
			if to < 0 && from < 0 {
				continue
			}
			if err := f(i-1, to, from, p.number); err != nil {
				return err
			}
		}
	}
	return p.meet()
}

// others are those to whom, and from whom, this member measures in a turn at a distance; 0 is within the host, where the first measures to the
// second, and the second has its findings.
func (p *probe) others(d, turn int) (to, from int) {
	to, from = -1, -1
	n := len(p.hosts)
	if d == 0 {
		for h, ranks := range p.hosts {
			if len(ranks) > 1 && p.turns[h] == turn {
				switch p.o.m.rank {
				case ranks[0]:
					to, from = ranks[1], ranks[1]
				case ranks[1]:
					to, from = ranks[0], ranks[0]
				}
			}
		}
		return to, from
	}
	if p.host < 0 {
		return to, from
	}
	if p.turns[p.host] == turn {
		to = p.hosts[(p.host+d)%n][0]
	}
	if before := (p.host + n - d) % n; p.turns[before] == turn {
		from = p.hosts[before][0]
	}
	return to, from
}

// meet waits for all members, as barrier does.
func (p *probe) meet() error {
	order := p.o.m.plan.tour(0)
	n, place := len(order), slices.Index(order, p.o.m.rank)
	p.number++
	for far := 1; far < n; far *= 2 {
		if err := p.o.send(order[(place+far)%n], stream(streamMeet, p.number), 0, 0, nil); err != nil {
			return err
		}
		q, err := p.o.receive(order[(place+n-far)%n], stream(streamMeet, p.number))
		if err != nil {
			return err
		}
		p.o.m.release(p.o.ctx, q)
		p.meets += 2
	}
	return nil
}

// messages is how many with data this member has sent and received.
func (p *probe) messages() (sum int64) {
	p.o.m.mu.Lock()
	defer p.o.m.mu.Unlock()
	for _, e := range p.o.m.edges {
		sum += int64(e.sent + e.got)
	}
	return sum
}

// note puts down what was found in a round: within the host, or in the list of those between hosts.
func (p *probe) note(round, inside int, between []int64, value int64) {
	if round < 0 {
		p.finding.inside[inside] = value
	} else {
		between[round] = value
	}
}

// ping is the median of the times of a message there, and of a word back.
func (p *probe) ping(to, number, times int, message []byte) (time.Duration, error) {
	var took []time.Duration
	for i := range times {
		began := time.Now()
		if err := p.o.send(to, stream(streamPing, number), uint32(i), 0, message); err != nil {
			return 0, err
		}
		q, err := p.o.receive(to, stream(streamEcho, number))
		if err != nil {
			return 0, err
		}
		took = append(took, time.Since(began))
		p.o.m.release(p.o.ctx, q)
	}
	slices.Sort(took)
	return took[times/2], nil
}

func (p *probe) echo(from, number, times int) error {
	for i := range times {
		q, err := p.o.receive(from, stream(streamPing, number))
		if err != nil {
			return err
		}
		p.o.m.release(p.o.ctx, q)
		if err := p.o.send(from, stream(streamEcho, number), uint32(i), 0, nil); err != nil {
			return err
		}
	}
	return nil
}

// load sends chunks for a while.
func (p *probe) load(to, number int, chunk []byte) (bytes int64, err error) {
	began := time.Now()
	for i, flags := 0, uint8(0); flags == 0; i++ {
		if i == loadMost-1 || time.Since(began) > loadLong {
			flags = flagLast
		}
		if err := p.o.send(to, stream(streamLoad, number), uint32(i), flags, chunk); err != nil {
			return bytes, err
		}
		bytes += int64(len(chunk))
	}
	return bytes, nil
}

// unload receives them, and finds how many bytes came in a second; 0: too few to tell.
func (p *probe) unload(from, number int) (bytes, rate int64, err error) {
	var began time.Time
	counted := int64(0)
	for i, last := 0, false; !last; i++ {
		q, err := p.o.receive(from, stream(streamLoad, number))
		if err != nil {
			return bytes, 0, err
		}
		last = q.flags&flagLast != 0
		bytes += int64(len(q.payload))
		if i < loadStart {
			began = time.Now()
		} else {
			counted += int64(len(q.whole))
		}
		p.o.m.release(p.o.ctx, q)
	}
	if took := time.Since(began); counted > 0 && took > 0 {
		rate = int64(float64(counted) / took.Seconds())
	}
	return bytes, rate, nil
}
