package collective

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"sync"
	"time"
	"unsafe"

	"github.com/tartrl/tlaunch-go/actor"
)

// A Routed is a message to all members of a group, as members pass it on.
type Routed struct {
	From uint64 // instance of who sent it
	ID   uint64 // counted by that one: nobody acts on it twice
	Name string // of the Notice or Question
	Root int    // who sent it: it goes down the tree from there
	Wait int64  // a question's: nanoseconds until the answer must be there; 0: any time
	Arg  []byte // encoded
}

// An Answer is what a member and those below it have answered.
type Answer struct {
	Value  [][]byte // encoded, put together; none where nobody answered
	Count  int      // of members that did
	Silent []Silent // who did not
}

// A Silent is a member that did not answer, as that travels.
type Silent struct {
	Rank  int
	Code  actor.Code
	Node  string
	Host  string
	Text  string
	Stack string
}

// A Notice is a method that can be called on all members of a group at once. See [NewNotice].
type Notice[T, A any] struct {
	name  string
	wrong error // no method
}

// NewNotice makes a notice of a method. Call it in a package-level variable, so that all processes know it:
//
//	var setRate = collective.NewNotice((*Worker).SetRate)
//
// Members whose type is not a T, which may be an interface, take no part and pass it on. Where the method is nil, [Notice.Tell] returns [ErrArgument].
func NewNotice[T, A any](method func(T, context.Context, A) error) *Notice[T, A] {
	name := register(&handler{tell: func(ctx context.Context, m *Member, arg []byte) error {
		node, ok := m.self.(T)
		if !ok {
			return nil
		}
		var a A
		if err := actor.Decode(arg, &a); err != nil {
			return err
		}
		return method(node, ctx, a)
	}}, method)
	return &Notice[T, A]{name, needFunctions("Notice", method)}
}

// Tell sends arg to all members but n itself, along the tree of the group's shape from n, or where that is deeper than 15, a binary tree: each passes it on before it handles it, so n sends no more
// than it has members below it. Like [actor.Tell] it does not wait for the methods, whose errors are logged where they arise, and messages of
// one member arrive in order. Refs in arg are not tied to the program. Where a member is gone those below it are told all the same.
func (k *Notice[T, A]) Tell(ctx context.Context, n Node, arg A) error {
	if k.wrong != nil {
		return k.wrong
	}
	m, data, err := routable(ctx, n, arg)
	if err != nil {
		return err
	}
	return m.passOn(ctx, m.route(k.name, data))
}

// route makes the next message to all.
func (m *Member) route(name string, arg []byte) Routed {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.readyLocked()
	m.told++
	return Routed{From: m.instance, ID: m.told, Name: name, Root: m.rank, Arg: arg}
}

// routable checks what every routed message needs.
func routable(ctx context.Context, n Node, arg any) (*Member, []byte, error) {
	m := n.member()
	if m == nil || m.plan == nil {
		return nil, nil, fmt.Errorf("%w: it has not joined one with Join, or Seal was not called", ErrGroup)
	}
	if self := actor.Self(ctx); self != m.plan.name(m.rank) {
		return nil, nil, fmt.Errorf("%w: the context is that of %q, and the member is %s", ErrGroup, self, m.plan.name(m.rank))
	}
	data, err := actor.Encode(arg)
	return m, data, err
}

// deepestRoute is how many members a message to all may go through, one after the other: a chain of calls has at most 16 nodes, the one who asks among them.
const deepestRoute = 15

// routes is the tree along which messages of a member go to all: that of the group's shape, or where it is too deep, as a chain of many members is, a binary one.
func (p *plan) routes(root int) (*tree, error) {
	p.mu.Lock()
	known := p.routed[root]
	p.mu.Unlock()
	if known != nil {
		return known, nil
	}
	trees, err := p.treesFor(AlongShape, root)
	if err == nil && trees[0].height(root) > deepestRoute {
		trees, err = p.treesFor(Tree, root)
	}
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.routed == nil {
		p.routed = map[int]*tree{}
	}
	p.routed[root] = &trees[0]
	return &trees[0], nil
}

// passOn tells the members below this one. It returns the first error that is not of a member that is gone.
func (m *Member) passOn(ctx context.Context, r Routed) error {
	tree, err := m.plan.routes(r.Root)
	if err != nil {
		return err
	}
	var first error
	next := slices.Clone(tree.children[m.rank])
	for ; len(next) > 0; next = next[1:] {
		err := actor.Tell(ctx, m.ref(ctx, next[0]), Port.CollectiveTell, r)
		if isGone(err) {
			next = append(next, tree.children[next[0]]...)
		} else if first == nil {
			first = err
		}
	}
	return first
}

// CollectiveTell passes on what is told to all. It is called by members alone.
func (m *Member) CollectiveTell(ctx context.Context, r Routed) error {
	h, err := m.routed(ctx, r)
	if err != nil || h == nil {
		return err
	}
	return errors.Join(m.passOn(ctx, r), h.tell(ctx, m, r.Arg))
}

// routed finds what a message is about; nil where it has come before.
func (m *Member) routed(ctx context.Context, r Routed) (*handler, error) {
	if m.plan == nil || r.Root < 0 || r.Root >= m.plan.shape.Len() {
		return nil, fmt.Errorf("%w: %s is not in that of the sender, %d", ErrGroup, actor.Self(ctx), r.Root)
	}
	handlers.Lock()
	h := handlers.byName[r.Name]
	handlers.Unlock()
	if h == nil {
		return nil, fmt.Errorf("%w: this executable has no notice or question %s: call NewNotice and NewQuestion in package-level variables", ErrArgument, r.Name)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.readyLocked()
	t := m.heard[r.Root]
	if t == nil {
		t = &tally{}
		m.heard[r.Root] = t
	}
	if !t.first(r.From, r.ID) {
		return nil, nil
	}
	return h, nil
}

// A handler is what a notice or a question does at a member.
type handler struct {
	of    []unsafe.Pointer // the functions it was made of
	tell  func(ctx context.Context, m *Member, arg []byte) error
	ask   func(ctx context.Context, m *Member, arg []byte) (value []byte, part bool, err error)
	merge func(ctx context.Context, m *Member, values [][]byte) ([]byte, error)
}

// handlers are those of this executable.
var handlers struct {
	sync.Mutex
	byName map[string]*handler
}

// register makes a handler known by the name of its functions, and returns that. Functions of one name may be several: the same literal with other
// variables around it. They are numbered in the order in which they come, which is the same in all processes for package-level variables.
func register(h *handler, functions ...any) (name string) {
	for _, f := range functions {
		h.of = append(h.of, identity(f))
	}
	first := symbol(functions...)
	handlers.Lock()
	defer handlers.Unlock()
	if handlers.byName == nil {
		handlers.byName = map[string]*handler{}
	}
	name = first
	for i := 2; ; i++ {
		before := handlers.byName[name]
		if before == nil || slices.Equal(before.of, h.of) {
			handlers.byName[name] = h
			return name
		}
		name = fmt.Sprintf("%s#%d", first, i)
	}
}

// needFunctions says that a function is nil. Where it is made, in a package-level variable, there is nobody to hear that.
func needFunctions(what string, functions ...any) error {
	for i, f := range functions {
		if reflect.ValueOf(f).IsNil() {
			return fmt.Errorf("%w: the %s was made with a nil function, in place %d", ErrArgument, what, i+1)
		}
	}
	return nil
}

// identity tells functions of one name apart: a function value points to its code and the variables around it.
func identity(f any) unsafe.Pointer {
	return (*[2]unsafe.Pointer)(unsafe.Pointer(&f))[1]
}

// symbol is the name of functions, which is the same in all processes of an executable.
func symbol(functions ...any) (name string) {
	for _, f := range functions {
		v := reflect.ValueOf(f)
		name += v.Type().String() + " "
		if !v.IsNil() {
			name += runtime.FuncForPC(v.Pointer()).Name() + " "
		}
	}
	return name
}

// waitShare is the part of a member's time that it waits for those below it, levels deep: so each level has as much time for itself.
func waitShare(wait time.Duration, levels int) time.Duration {
	return wait * time.Duration(levels) / time.Duration(levels+1)
}
