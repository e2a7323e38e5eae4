package collective

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/topology"
)

// A Node is a node's value that has a [Member] embedded.
type Node interface {
	Port
	member() *Member
}

// A Port is how members reach each other. A Member implements it for the node in which it is embedded; programs call neither.
type Port interface {
	// Collective takes what another member sends.
	Collective(ctx context.Context, message []byte) error
	// CollectiveLane reads what another member sends on a connection of its own.
	CollectiveLane(ctx context.Context, conn net.Conn) error
	// CollectiveAsk tells another member how far this one has come.
	CollectiveAsk(ctx context.Context, p Probe) (Status, error)
	// CollectiveTell passes a [Notice] on.
	CollectiveTell(ctx context.Context, r Routed) error
	// CollectiveRoute passes a [Question] on, and answers back.
	CollectiveRoute(ctx context.Context, r Routed) (Answer, error)
	// CollectiveAttach lets another member read a publication from this one.
	CollectiveAttach(ctx context.Context, a Attach) (Attached, error)
	// CollectiveLetter takes what another member says about a publication.
	CollectiveLetter(ctx context.Context, message []byte) error
}

// A Group is nodes of a program that act together. It is built where the program is: every process builds the same.
type Group struct {
	kind    topology.Kind
	members []topology.Member
	joined  []*Member
	refs    []actor.Ref[Port]
	errs    []error
	shape   *topology.Shape
}

// Over begins a group whose members are linked in a shape of that kind.
func Over(kind topology.Kind) *Group { return &Group{kind: kind} }

// Join makes a node a member: ref is what Add has returned for it, host the name of the host it was placed on, or empty where that is
// unknown. Members get their ranks, from 0, in the order in which they join. Mistakes are reported by [Group.Seal].
func Join[T Node](g *Group, ref actor.Ref[T], node T, host string) {
	rank := len(g.members)
	m := node.member()
	switch {
	case ref.IsZero():
		g.errs = append(g.errs, fmt.Errorf("%w: the member in place %d has a zero ref: give it the one that Add returned", ErrGroup, rank))
	case m == nil:
		g.errs = append(g.errs, fmt.Errorf("%w: %v has no value", ErrGroup, ref))
	case m.group != nil:
		g.errs = append(g.errs, fmt.Errorf("%w: %v joins a second time, or a second group", ErrGroup, ref))
	default:
		m.group, m.self = g, node
	}
	g.members = append(g.members, topology.Member{Name: ref.Key(), Host: host})
	g.joined = append(g.joined, m)
	g.refs = append(g.refs, actor.As[Port](ref))
}

// Seal ends the joining and links the members. Its error names all mistakes; it wraps [ErrGroup], or one of package topology's, such as
// that a member has joined twice.
func (g *Group) Seal() error {
	if len(g.errs) > 0 {
		return errors.Join(g.errs...)
	}
	shape, err := topology.New(g.kind, g.members)
	switch {
	case errors.Is(err, topology.ErrEmpty):
		return fmt.Errorf("%w; collective.Join makes nodes its members, before Seal", err)
	case err != nil:
		return err
	}
	g.shape = shape
	p := &plan{shape: shape, trees: map[treeKey][]tree{}}
	for rank, m := range g.joined {
		m.plan, m.rank = p, rank
		m.links = nil
		for _, peer := range shape.Peers(rank) {
			m.links = append(m.links, g.refs[peer])
		}
	}
	return nil
}

// Shape is who is linked with whom; nil before the group is sealed.
func (g *Group) Shape() *topology.Shape { return g.shape }

// A plan is what all members of a group know of it. It never changes, apart from what it remembers of its own reckoning; so members of
// one process share it, and processes need not compare it: it follows from who the members are.
type plan struct {
	shape *topology.Shape

	mu        sync.Mutex
	trees     map[treeKey][]tree
	routed    map[int]*tree                   // see routes
	published map[publicationKey]*publication // by the members of this process
	over      map[publicationKey]bool         // those whose publisher has closed
}

// OpaqueToDigest keeps the plan out of what processes compare.
func (*plan) OpaqueToDigest() {}

// OpaqueToDigest keeps the group out of what processes compare.
func (*Group) OpaqueToDigest() {}

func (p *plan) name(rank int) string { return p.shape.Member(rank).Name }
