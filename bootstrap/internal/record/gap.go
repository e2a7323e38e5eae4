package record

// Of the lines that did not fit, so many bytes are kept of each node and in all, for the case that they are the last before the end.
const (
	maxTail  = 16 << 10
	maxTails = 256 << 10
)

// gaps is the lines that did not fit since the last ones that did, by node. The newest are kept as they are, for a process's last
// lines matter most; of the others only numbers are. Its zero value is ready.
type gaps struct {
	nodes []*gap // in the order in which their first line was dropped
	at    map[string]*gap
	size  int // of all tails
}

// gap is the lines of one node that did not fit.
type gap struct {
	Missing
	last uint64  // the number of the last that is missing
	tail []Piece // whole lines that follow, the oldest first
	size int     // of tail
}

// add takes a line that did not fit; whole says whether its data are all there.
func (g *gaps) add(p Piece, bytes int, whole bool) {
	n := g.at[p.Node]
	if n == nil {
		if g.at == nil {
			g.at = map[string]*gap{}
		}
		n = &gap{Missing: Missing{Node: p.Node}}
		g.at[p.Node] = n
		g.nodes = append(g.nodes, n)
	}
	size := len(p.Data) + recordCost
	keep := whole && size <= maxTail
	for len(n.tail) > 0 && (!keep || n.size+size > maxTail || g.size+size > maxTails) {
		first := n.tail[0]
		n.count(first, len(first.Data))
		n.size -= len(first.Data) + recordCost
		g.size -= len(first.Data) + recordCost
		n.tail = n.tail[1:]
	}
	if !keep || g.size+size > maxTails {
		n.count(p, bytes)
		return
	}
	p.Data = append([]byte(nil), p.Data...)
	n.tail = append(n.tail, p)
	n.size += size
	g.size += size
}

func (g *gap) count(p Piece, bytes int) {
	g.Lines++
	g.Bytes += uint64(bytes)
	g.last = p.NodeSeq
}
