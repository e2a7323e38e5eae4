package collective

import (
	"math"
	"slices"
)

// How long operations take, by the model of Hockney (1994) for what goes over links, latency and bytes by bandwidth, as Thakur, Rabenseifner and
// Gropp (2005) apply it to these algorithms and Sanders, Speck and Träff (2009) to two trees; with processors as one more thing that is shared, since
// here they encrypt, and hosts may be of one machine.
//
// An operation takes about as long as what is busiest, a link or a processor, and before that until the first chunk has come to the last
// member: chunks follow each other.

// A load is what an operation asks of links and processors, in seconds for which they are busy.
type load struct {
	m       *measures
	out, in []float64          // links of hosts
	ways    map[[2]int]float64 // between members of one host by [rank, rank], and slow ways between hosts by [-1-host, -1-host]
	cores   []float64          // processors of machines: the sum of theirs
	turns   []float64          // of each member, which does one thing at a time
	first   float64            // until the first chunk is with the last member
}

func (m *measures) newLoad() *load {
	return &load{m: m, out: make([]float64, len(m.hosts)), in: make([]float64, len(m.hosts)), ways: map[[2]int]float64{},
		cores: make([]float64, len(m.machines)), turns: make([]float64, 2*len(m.hostOf))}
}

// move notes that so many bytes go from one member to another, in so many messages.
func (l *load) move(from, to int, bytes, messages float64) {
	l.moveAs(from, to, bytes, messages, messages, messages)
}

// inBurst is what a message costs of what it costs alone, where a member sends several at once or waits for several: most of that is waking up. It is
// a fit to broadcasts of 1 KiB and barriers of 8 members, which take 0.7 of the processor time where one member sends to all.
const inBurst = 0.2

// burst is how many messages alone cost as much as so many do that go to several members, or come from them, at about the same time: one to each. Of
// streams each message is as good as alone: others are always under way.
func burst(messages float64, members int) float64 {
	if messages > 1 || members < 2 {
		return messages
	}
	return (1 + float64(inBurst*float64(members-1))) / float64(members)
}

// moveAs is move where the messages cost the sender, and the receiver, as much as others would.
func (l *load) moveAs(from, to int, bytes, messages, sent, received float64) {
	bytes += float64(messages * headerSize)
	a, b := l.m.hostOf[from], l.m.hostOf[to]
	p := l.m.between(from, to)
	if a == b {
		l.ways[[2]int{from, to}] += bytes / p.rate
	} else {
		l.out[a] += bytes / l.m.hosts[a].out
		l.in[b] += bytes / l.m.hosts[b].in
		if p.rate < min(l.m.hosts[a].out, l.m.hosts[b].in) {
			l.ways[[2]int{-1 - a, -1 - b}] += bytes / p.rate
		}
	}
	for i, rank := range []int{from, to} {
		machine := l.m.machine(rank)
		each := l.m.machines[machine]
		work := float64(bytes*each.perByte) + float64([]float64{sent, received}[i]*each.perMessage)
		l.cores[machine] += work
		l.turns[2*rank+i] += work
	}
}

// reckon notes that a member puts so many bytes of numbers together with others.
func (l *load) reckon(rank int, bytes float64) {
	l.cores[l.m.machine(rank)] += float64(bytes * numberByte)
	l.turns[2*rank] += float64(bytes * numberByte)
}

// hop is the time from when one member begins to send a chunk until the other has it, where the sender sends so many at once.
func (l *load) hop(from, to int, bytes float64, at int) float64 {
	p := l.m.between(from, to)
	a := l.m.machines[l.m.machine(from)]
	before := float64(float64(at-1) * (max(bytes/p.rate, float64(bytes*a.perByte)) + float64(inBurst*a.perMessage))) // what goes out before it
	return p.latency + float64(bytes*p.first) + before
}

// links is how long the busiest link is busy.
func (l *load) links() float64 {
	busiest := max(slices.Max(l.out), slices.Max(l.in))
	for _, way := range l.ways {
		busiest = max(busiest, way)
	}
	return busiest
}

// processors is how long the busiest processor is busy.
func (l *load) processors() float64 {
	busiest := slices.Max(l.turns)
	for machine, work := range l.cores {
		busiest = max(busiest, work/l.m.machines[machine].cores)
	}
	return busiest
}

// cost is how long an operation, or a part of it, is expected to take; in seconds.
type cost struct {
	total      float64
	links      float64 // for which the busiest link is busy
	processors float64 // for which the busiest processor is
	first      float64 // until the first chunk is where it must go, or for steps that wait for each other
}

// piped is the cost of a load whose chunks follow each other; the share of one of them in the load has been reckoned with the first.
func (l *load) piped(share float64) cost {
	c := cost{links: l.links(), processors: l.processors(), first: l.first}
	rest := float64((1 - min(1, share)) * together(c.links, c.processors))
	c.total = max(c.first+rest, c.processors)
	return c
}

// together is how long two take that work at the same time: hardly longer than the slower one, unless they are busy for equally long, as then each
// often waits for the other. (That they get in each other's way by the fourth power is a fit to what was measured, no theory.)
func together(a, b float64) float64 {
	a2, b2 := float64(a*a), float64(b*b)
	return math.Sqrt(math.Sqrt(float64(a2*a2) + float64(b2*b2)))
}

// then is one part after another.
func (c cost) then(next cost) cost {
	return cost{c.total + next.total, c.links + next.links, c.processors + next.processors, c.first + next.first}
}

// A job is an operation whose cost is asked for.
type job struct {
	op    opKind
	size  int // bytes, by the operation's own measure
	chunk int
	n     int // members
	order []int
}

// streamGuess is taken for the length of a stream, or of those of all members together, which nobody knows.
const streamGuess = 64 << 20

// predict is what an operation costs by an algorithm, whose trees are given.
func (m *measures) predict(j job, algo Algorithm, trees []tree) cost {
	if j.n == 1 {
		return cost{}
	}
	size := float64(j.size)
	all := float64(size * float64(j.n))
	switch j.op {
	case opBroadcast:
		return m.spread(j, trees, size)
	case opStream:
		return m.spread(j, trees[:1], streamGuess)
	case opStreamGather, opStreamScatter:
		return m.collect(j, &trees[0], streamGuess/float64(j.n))
	case opReduce:
		return m.climb(j, trees, size)
	case opGather:
		return m.collect(j, &trees[0], size)
	case opScatter:
		return m.collect(j, &trees[0], size)
	case opAllReduce:
		switch algo {
		case Ring:
			return m.around(j, size/float64(j.n), 2*(j.n-1), j.n-1)
		case Doubling:
			return m.swaps(j, size)
		}
		return m.climbAndSpread(j, trees, size)
	case opAllGather:
		switch algo {
		case Ring:
			return m.around(j, size, j.n-1, 0)
		case Direct:
			return m.everyone(j, size, false)
		}
		return m.collect(j, &trees[0], size).then(m.spread(j, trees, all))
	case opReduceScatter:
		switch algo {
		case Ring:
			return m.around(j, size, j.n-1, j.n-1)
		case Direct:
			return m.everyone(j, size, true)
		}
		return m.climb(j, trees, all).then(m.collect(j, &trees[0], size))
	case opAllToAll:
		return m.everyone(j, size/float64(j.n), false)
	}
	if algo == Doubling || algo == Ring { // of a barrier
		return m.told(j)
	}
	return m.word(&trees[0])
}

// chunksOf is how many chunks so many bytes are, and the size of one.
func (j job) chunksOf(bytes float64) (count, each float64) {
	if bytes <= 0 {
		return 0, 0
	}
	whole := int64(bytes)
	count = float64((whole + int64(j.chunk) - 1) / int64(j.chunk))
	return max(1, count), min(bytes, float64(j.chunk))
}

// along is what goes along the tree i of so many, which get chunks in turn: how much that is, how many chunks, and the size of one.
func (j job) along(bytes float64, i, trees int) (part, count, each float64) {
	all, each := j.chunksOf(bytes)
	if all == 0 {
		return 0, 0, 0
	}
	count = float64((int(all) - i + trees - 1) / trees)
	return bytes * (count / all), count, each
}

// spread is data that goes from the root of trees to all, and the word that it is there back.
func (m *measures) spread(j job, trees []tree, bytes float64) cost {
	l := m.newLoad()
	l.down(j, trees, bytes)
	return l.piped(l.shareOf(j, bytes))
}

func (l *load) shareOf(j job, bytes float64) float64 {
	count, _ := j.chunksOf(bytes)
	return 1 / max(1, count)
}

// down adds the way from the roots.
func (l *load) down(j job, trees []tree, bytes float64) {
	slowest := 0.0
	for i := range trees {
		t := &trees[i]
		part, count, each := j.along(bytes, i, len(trees))
		arrived, told := make([]float64, j.n), 0.0
		for _, rank := range t.order {
			for _, child := range t.children[rank] {
				l.moveAs(rank, child, part, count, burst(count, len(t.children[rank])), count)
				l.moveAs(child, rank, 0, 1, 1, burst(1, len(t.children[rank])))
				arrived[child] = arrived[rank] + l.hop(rank, child, each, len(t.children[rank]))
				told = max(told, arrived[child]+l.wayUp(t, child))
			}
		}
		slowest = max(slowest, told)
	}
	l.first += slowest
}

// wayUp is the time that a word takes from a member to the root.
func (l *load) wayUp(t *tree, rank int) (seconds float64) {
	for ; t.parent[rank] >= 0; rank = t.parent[rank] {
		seconds += l.m.between(rank, t.parent[rank]).latency
	}
	return seconds
}

// climb is data that goes up trees and is put together on the way.
func (m *measures) climb(j job, trees []tree, bytes float64) cost {
	l := m.newLoad()
	l.up(j, trees, bytes)
	return l.piped(l.shareOf(j, bytes))
}

// up adds the way to the roots.
func (l *load) up(j job, trees []tree, bytes float64) {
	slowest := 0.0
	for i := range trees {
		t := &trees[i]
		part, count, each := j.along(bytes, i, len(trees))
		ready := make([]float64, j.n)
		for k := len(t.order) - 1; k > 0; k-- {
			rank := t.order[k]
			up := t.parent[rank]
			l.moveAs(rank, up, part, count, count, burst(count, len(t.children[up])))
			l.reckon(up, part)
			ready[up] = max(ready[up], ready[rank]+l.hop(rank, up, each, len(t.children[up])))
		}
		slowest = max(slowest, ready[t.order[0]])
	}
	l.first += slowest
}

// climbAndSpread is both at once: a chunk goes down as soon as it is at the root.
func (m *measures) climbAndSpread(j job, trees []tree, bytes float64) cost {
	l := m.newLoad()
	l.up(j, trees, bytes)
	l.down(j, trees, bytes)
	return l.piped(l.shareOf(j, bytes))
}

// collect is the part of each member that goes over a tree to its root, or from there: it takes the same both ways.
func (m *measures) collect(j job, t *tree, part float64) cost {
	l := m.newLoad()
	count, each := j.chunksOf(part)
	below := make([]float64, j.n)
	ready := make([]float64, j.n)
	for k := len(t.order) - 1; k > 0; k-- {
		rank := t.order[k]
		up := t.parent[rank]
		below[rank]++
		below[up] += below[rank]
		l.moveAs(rank, up, float64(part*below[rank]), float64(count*below[rank]), float64(count*below[rank]), burst(float64(count*below[rank]), len(t.children[up])))
		ready[up] = max(ready[up], ready[rank]+l.hop(rank, up, each, 1))
	}
	l.first = ready[t.order[0]]
	return l.piped(1 / max(1, float64(count*float64(j.n-1))))
}

// around is parts that go around a ring in steps, of which some put numbers together.
func (m *measures) around(j job, part float64, steps, combines int) cost {
	l := m.newLoad()
	count, each := j.chunksOf(part)
	lap := 0.0
	for i, rank := range j.order {
		next := j.order[(i+1)%j.n]
		l.move(rank, next, float64(float64(steps)*part), float64(float64(steps)*count))
		l.reckon(next, float64(float64(combines)*part))
		lap += l.hop(rank, next, each, 1)
	}
	l.first = float64(float64(steps) * (lap / float64(j.n))) // a chunk's way, from hand to hand
	return l.piped(l.shareOf(j, part))
}

// swaps is everything, exchanged at distances 1, 2, 4 …
func (m *measures) swaps(j job, bytes float64) cost {
	most := 1
	for 2*most <= j.n {
		most *= 2
	}
	var c cost
	step := func(pairs [][2]int) {
		if len(pairs) == 0 {
			return
		}
		l := m.newLoad()
		count, each := j.chunksOf(bytes)
		for _, p := range pairs {
			l.move(j.order[p[0]], j.order[p[1]], bytes, count)
			l.reckon(j.order[p[1]], bytes)
			l.first = max(l.first, l.hop(j.order[p[0]], j.order[p[1]], each, 1))
		}
		c = c.then(l.piped(l.shareOf(j, bytes)))
	}
	var in, out [][2]int
	for place := most; place < j.n; place++ {
		in, out = append(in, [2]int{place, place - most}), append(out, [2]int{place - most, place})
	}
	step(in)
	for far := 1; far < most; far *= 2 {
		var pairs [][2]int
		for place := range most {
			pairs = append(pairs, [2]int{place, place ^ far})
		}
		step(pairs)
	}
	step(out)
	return c
}

// everyone is a part from each to each.
func (m *measures) everyone(j job, part float64, reckons bool) cost {
	l := m.newLoad()
	count, each := j.chunksOf(part)
	for i, from := range j.order {
		for d := 1; d < j.n; d++ {
			to := j.order[(i+d)%j.n]
			l.move(from, to, part, count)
			if reckons {
				l.reckon(to, part)
			}
			l.first = max(l.first, l.hop(from, to, each, 1))
		}
	}
	return l.piped(1 / max(1, float64(count*float64(j.n-1))))
}

// told is the word that each is there, at distances 1, 2, 4 …
func (m *measures) told(j job) (c cost) {
	for far := 1; far < j.n; far *= 2 {
		l := m.newLoad()
		for i, from := range j.order {
			to := j.order[(i+far)%j.n]
			l.move(from, to, 0, 1)
			l.first = max(l.first, l.hop(from, to, 0, 1))
		}
		c = c.then(l.piped(1))
	}
	return c
}

// word is that of each that it is there, up a tree, and that of the root down.
func (m *measures) word(t *tree) cost {
	l := m.newLoad()
	there := make([]float64, len(t.parent))
	for k := len(t.order) - 1; k > 0; k-- {
		rank := t.order[k]
		up := t.parent[rank]
		at := burst(1, len(t.children[up]))
		l.moveAs(rank, up, 0, 1, 1, at)
		l.moveAs(up, rank, 0, 1, at, 1)
		there[up] = max(there[up], there[rank]+l.hop(rank, up, 0, len(t.children[up])))
	}
	l.first = 2 * there[t.order[0]]
	return l.piped(1)
}
