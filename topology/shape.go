package topology

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// What can be wrong with a shape; errors name the members.
var (
	// ErrEmpty: a group without members.
	ErrEmpty = errors.New("topology: no members")
	// ErrTwice: two members of one name.
	ErrTwice = errors.New("topology: a member twice")
	// ErrNoMember: a name, or a rank, that is no member's.
	ErrNoMember = errors.New("topology: no such member")
	// ErrApart: no links lead from the root to some members.
	ErrApart = errors.New("topology: members that the root does not reach")
	// ErrKind: a kind that cannot be, or the zero one.
	ErrKind = errors.New("topology: no such kind of shape")
)

// A Member is one place in a shape.
type Member struct {
	Name string // not empty, and nobody else's: a node's key, say
	Host string // members of the same name of a host are neighbours; empty: a host of its own
}

// A Shape is a group whose members are linked. Members are named by rank: their places in what [New] was given.
type Shape struct {
	kind     Kind
	members  []Member
	ranks    map[string]int
	root     int
	edges    []Edge
	tour     []int
	parent   []int // -1: the root
	depth    []int
	children [][]int
	peers    [][]int
}

// New links members; the first is the root. The error wraps one of the package's, and says who is at fault.
func New(kind Kind, members []Member) (*Shape, error) { return build(kind, slices.Clone(members), 0) }

// Rooted is the same members linked in the same way with another root. The error wraps [ErrNoMember], or for a kind of
// one's own [ErrApart].
func (s *Shape) Rooted(name string) (*Shape, error) {
	rank, err := s.find(name)
	if err != nil {
		return nil, err
	}
	return build(s.kind, s.members, rank)
}

// Without is what is left of the members, linked in the same way; ranks are counted anew. Where the root is among those that
// are gone, the first member of the tour that is left takes its place. The error wraps [ErrNoMember], [ErrEmpty] where nobody is left, or for a
// kind of one's own [ErrApart].
func (s *Shape) Without(names ...string) (*Shape, error) {
	gone := make([]bool, s.Len())
	for _, name := range names {
		rank, err := s.find(name)
		if err != nil {
			return nil, err
		}
		gone[rank] = true
	}
	var left []Member
	root := 0
	first := slices.IndexFunc(s.tour, func(rank int) bool { return !gone[rank] })
	for rank, m := range s.members {
		if gone[rank] {
			continue
		}
		if rank == s.tour[first] {
			root = len(left)
		}
		left = append(left, m)
	}
	return build(s.kind, left, root)
}

func (s *Shape) find(name string) (int, error) {
	if rank, ok := s.ranks[name]; ok {
		return rank, nil
	}
	return 0, fmt.Errorf("%w: %q is none of the %d, which begin with %q", ErrNoMember, name, s.Len(), s.members[0].Name)
}

func build(kind Kind, members []Member, root int) (*Shape, error) {
	if kind.err != nil {
		return nil, kind.err
	}
	if kind.links == nil && kind.own == nil {
		return nil, fmt.Errorf("%w: the zero Kind; take Star, Tree, Chain, Ring, Net or Own", ErrKind)
	}
	if len(members) == 0 {
		return nil, fmt.Errorf("%w: a %v of nobody", ErrEmpty, kind)
	}
	s := &Shape{kind: kind, members: members, root: root, ranks: make(map[string]int, len(members))}
	for rank, m := range members {
		if m.Name == "" {
			return nil, fmt.Errorf("%w: the member in place %d has no name", ErrNoMember, rank)
		}
		if other, ok := s.ranks[m.Name]; ok {
			return nil, fmt.Errorf("%w: %s in places %d and %d", ErrTwice, m.Name, other, rank)
		}
		s.ranks[m.Name] = rank
	}
	hosts := s.tourHosts()
	if err := s.link(hosts); err != nil {
		return nil, err
	}
	return s, s.grow()
}

// tourHosts finds the hosts, and the order in which a tour passes them: as they come, but beginning with the root and its host. So a
// ring has the same links whichever member of a host is the root.
func (s *Shape) tourHosts() (hosts [][]int) {
	at := map[string]int{}
	home := 0
	for rank, m := range s.members {
		i, known := at[m.Host]
		if !known || m.Host == "" {
			i = len(hosts)
			at[m.Host] = i
			hosts = append(hosts, nil)
		}
		hosts[i] = append(hosts[i], rank)
		if rank == s.root {
			home = i
		}
	}
	hosts = slices.Concat(hosts[home:], hosts[:home])
	first := slices.Index(hosts[0], s.root)
	hosts[0] = slices.Concat(hosts[0][first:], hosts[0][:first])
	s.tour = slices.Concat(hosts...)
	return hosts
}

// link makes the edges, between hosts first.
func (s *Shape) link(hosts [][]int) error {
	switch {
	case s.kind.own != nil:
		s.edges = slices.Clone(s.kind.own(slices.Clone(s.members)))
		for _, e := range s.edges {
			if min(e.From, e.To) < 0 || max(e.From, e.To) >= len(s.members) || e.From == e.To {
				return fmt.Errorf("%w: %s links %d to %d; there are %d", ErrNoMember, s.kind, e.From, e.To, len(s.members))
			}
		}
	case s.kind.whole:
		for _, e := range s.kind.links(len(s.tour)) {
			s.edges = append(s.edges, Edge{s.tour[e.From], s.tour[e.To]})
		}
	default:
		for _, e := range s.kind.links(len(hosts)) {
			s.edges = append(s.edges, Edge{hosts[e.From][0], hosts[e.To][0]})
		}
		for _, host := range hosts {
			for _, rank := range host[1:] {
				s.edges = append(s.edges, Edge{host[0], rank})
			}
		}
	}
	return nil
}

// grow finds the tree by going from the root along edges, nearest members first.
func (s *Shape) grow() error {
	n := len(s.members)
	s.parent, s.depth = make([]int, n), make([]int, n)
	s.children, s.peers = make([][]int, n), make([][]int, n)
	down := make([][]int, n)
	for _, e := range s.edges {
		down[e.From] = append(down[e.From], e.To)
		s.peers[e.From] = append(s.peers[e.From], e.To)
		s.peers[e.To] = append(s.peers[e.To], e.From)
	}
	for i := range s.peers {
		slices.Sort(s.peers[i])
		s.peers[i] = slices.Compact(s.peers[i])
		s.parent[i] = -1
	}
	reached := make([]bool, n)
	reached[s.root] = true
	for queue := []int{s.root}; len(queue) > 0; queue = queue[1:] {
		from := queue[0]
		for _, to := range down[from] {
			if reached[to] {
				continue
			}
			reached[to] = true
			s.parent[to], s.depth[to] = from, s.depth[from]+1
			s.children[from] = append(s.children[from], to)
			queue = append(queue, to)
		}
	}
	var apart []string
	for rank, ok := range reached {
		if !ok {
			apart = append(apart, s.members[rank].Name)
		}
	}
	if len(apart) > 0 {
		return fmt.Errorf("%w: from %s no links of %s lead to %s", ErrApart, s.members[s.root].Name, s.kind, strings.Join(apart, ", "))
	}
	return nil
}

// Kind is how the members are linked.
func (s *Shape) Kind() Kind { return s.kind }

// Len is the number of members, at least 1.
func (s *Shape) Len() int { return len(s.members) }

// Member is the member of a rank. This and all that follows panics for a rank that is none, as a slice would.
func (s *Shape) Member(rank int) Member { return s.members[rank] }

// Members are all, by rank.
func (s *Shape) Members() []Member { return slices.Clone(s.members) }

// Rank is the rank of a name, and whether there is such a member.
func (s *Shape) Rank(name string) (rank int, ok bool) {
	rank, ok = s.ranks[name]
	return rank, ok
}

// Root is the rank of the root.
func (s *Shape) Root() int { return s.root }

// Parent is the member above another; the root has none.
func (s *Shape) Parent(rank int) (parent int, ok bool) { return s.parent[rank], s.parent[rank] >= 0 }

// Children are the members below another, in the order in which they are given data.
func (s *Shape) Children(rank int) []int { return slices.Clone(s.children[rank]) }

// Peers are all to whom a member is linked, by rank.
func (s *Shape) Peers(rank int) []int { return slices.Clone(s.peers[rank]) }

// Depth is how many links lead from the root to a member.
func (s *Shape) Depth(rank int) int { return s.depth[rank] }

// Height is the depth of the deepest member.
func (s *Shape) Height() int { return slices.Max(s.depth) }

// Below are a member and all that get data through it, in the order in which a tour of the tree comes to them.
func (s *Shape) Below(rank int) []int {
	all := []int{rank}
	for _, child := range s.children[rank] {
		all = append(all, s.Below(child)...)
	}
	return all
}

// Tour is all members from the root on, those of one host one after the other.
func (s *Shape) Tour() []int { return slices.Clone(s.tour) }

// Edges are all links.
func (s *Shape) Edges() []Edge { return slices.Clone(s.edges) }
