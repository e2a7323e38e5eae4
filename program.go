package tlaunch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"runtime/debug"
	"slices"
	"time"

	protoactor "github.com/asynkron/protoactor-go/actor"

	"github.com/tartrl/tlaunch-go/actor"
)

// A Host is a place for nodes, as a program sees it: what the inventory says
// of it, but not how it is reached.
type Host struct {
	Name   string
	Groups []string          // without "all", of which every host is a member
	Slots  int               // how much work it takes, at least 1
	GPUs   int               // 0: none
	Labels map[string]string // nil when there are none
}

// A Program is what a [Define] function fills with nodes. It is used only
// while that function runs, by one goroutine.
type Program struct {
	name   string
	hosts  []Host
	table  *actor.Table
	nodes  []*node
	counts map[string]int     // nodes by label
	load   map[string]int     // nodes by host
	labels map[string]policy  // of those who have none of their own, by label
	shared map[uintptr]string // memory of configuration and hosts, which nodes may have in common
	errs   []error
}

// node is a node of the graph.
type node struct {
	key, label, name, host string
	process                string // in which it lives: the host's, or its own
	limits                 Limits // of its own process
	index                  int
	value                  any // nil for props, and where a mistake was made
	props                  *protoactor.Props
	concurrent, capacity   int
	bytes                  int // of the mailbox
	batches                []batch
	policy                 policy
	ownPolicy              bool // it was given in Add
	talker                 Talker
}

// batch is a method that takes many calls at once, and which values have it.
type batch struct {
	actor.Batch
	fits func(value any) bool
}

func (n *node) active() bool {
	_, ok := n.value.(actor.Runner)
	return ok
}

func (n *node) actorBatches() []actor.Batch {
	var all []actor.Batch
	for _, b := range n.batches {
		all = append(all, b.Batch)
	}
	return all
}

// Hosts are the hosts that the program may use, in the order of the inventory.
// Nodes may hold them, and must not change them.
func (p *Program) Hosts() []Host { return p.lend(append([]Host(nil), p.hosts...)) }

// lend lets nodes have the memory of hosts in common.
func (p *Program) lend(hosts []Host) []Host {
	maps.Copy(p.shared, actor.Walk(hosts).Pointers)
	return hosts
}

// Group is the hosts of a group, in the order of the inventory; "all" is every
// host. A group without hosts is an error of the program.
func (p *Program) Group(name string) []Host {
	found := groupOf(p.hosts, name)
	if len(found) == 0 {
		p.errs = append(p.errs, noGroup(p.hosts, name))
	}
	return p.lend(found)
}

func (p *Program) fail(format string, args ...any) {
	p.errs = append(p.errs, fmt.Errorf(format, args...))
}

// A NodeOption changes a node that is added.
type NodeOption func(*nodeOptions)

type nodeOptions struct {
	place                string
	name                 string
	concurrent, capacity int
	bytes                int
	batches              []batch
	ownProcess           bool
	limits               Limits
	policies             []Policy
	talker               Talker
}

// On places a node: on a [Host], on the host of a name ("host1"), or on one
// host of a group ("@gpu"), the one with the fewest nodes for its slots.
// Nodes that are not placed go to one host of all ("@all").
func On[H Host | string](place H) NodeOption {
	return func(o *nodeOptions) {
		switch at := any(place).(type) {
		case Host:
			o.place = at.Name
		case string:
			o.place = at
		}
	}
}

// Concurrent lets n methods of the node run at once. The default is 1.
func Concurrent(n int) NodeOption { return func(o *nodeOptions) { o.concurrent = n } }

// Mailbox sets how many messages the node's mailbox holds before local
// senders wait. The default is [actor.DefaultCapacity].
func Mailbox(messages int) NodeOption { return func(o *nodeOptions) { o.capacity = messages } }

// MailboxBytes sets how many bytes of arguments the node's mailbox holds
// before local senders wait, as [actor.Node.Waiting] counts them. The default
// is [actor.DefaultBytes].
func MailboxBytes(n int) NodeOption { return func(o *nodeOptions) { o.bytes = n } }

// Named gives the node a name for people, in any script; the default is its
// label and number.
func Named(name string) NodeOption { return func(o *nodeOptions) { o.name = name } }

// Batched declares a method that takes many calls at once, as
// [actor.Batched] describes; others call it with [actor.CallBatched].
func Batched[T, A, R any](method func(T, context.Context, []A) ([]R, error), size int, wait time.Duration) NodeOption {
	fits := func(value any) bool { _, ok := value.(T); return ok }
	return func(o *nodeOptions) { o.batches = append(o.batches, batch{actor.Batched(method, size, wait), fits}) }
}

// OnFailure sets what follows when the node fails. Of several policies, all
// hold that do not contradict each other, and else the last.
func OnFailure(policies ...Policy) NodeOption {
	return func(o *nodeOptions) { o.policies = append(o.policies[:len(o.policies):len(o.policies)], policies...) }
}

// OnFailure sets what follows when a node of a label fails that was added
// without a policy of its own, before or after.
func (p *Program) OnFailure(label string, policies ...Policy) { p.labels[label] = newPolicy(policies) }

// settlePolicies gives nodes their label's policy and refuses what makes no sense.
func (p *Program) settlePolicies() {
	keeps := map[string]*node{} // the first of each label that has KeepAtLeast
	for _, n := range p.nodes {
		if of, ok := p.labels[n.label]; ok && !n.ownPolicy {
			n.policy = of
		}
		if err := n.policy.validate(); err != nil {
			p.fail("node %s: %w", n.key, err)
		}
		if !n.policy.keep {
			continue
		}
		first := keeps[n.label]
		if first == nil {
			keeps[n.label], first = n, n
			if k, all := n.policy.least, p.counts[n.label]; k > all {
				p.fail("node %s: KeepAtLeast(%d), and the label %s has %d", n.key, k, n.label, all)
			}
		}
		if first.policy.least != n.policy.least {
			p.fail("nodes %s and %s: KeepAtLeast(%d) and KeepAtLeast(%d) contradict each other: it is a matter of the label", first.key, n.key, first.policy.least, n.policy.least)
		}
	}
	for _, label := range slices.Sorted(maps.Keys(p.labels)) {
		if p.counts[label] == 0 {
			p.fail("OnFailure: there is no node with the label %q", label)
		}
	}
}

// Add gives the program a node: value, a pointer to the node's initial state,
// whose methods others call. Nodes of one label form a group and are numbered
// from 0 in the order of their addition. A value with Start(ctx) error, Run(ctx)
// error or Stop(ctx) error has these called in the course of its life; in any
// other form these names are mistakes.
//
// Mistakes are reported by Launch, all together.
func Add[T any](p *Program, label string, value T, opts ...NodeOption) actor.Ref[T] {
	n := p.add(label, opts)
	switch v := reflect.ValueOf(value); {
	case !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil():
		p.fail("node %s has no value", n.key)
	case v.Kind() != reflect.Pointer:
		p.fail("node %s: %T is not a pointer; a node keeps its state in what it points to", n.key, value)
	default:
		n.value = value
		p.checkLife(n, v)
		p.ask(n, value)
		for _, b := range n.batches {
			if b.Err() == nil && !b.fits(value) {
				p.fail("node %s: batched method %v is not one of %T", n.key, b, value)
			}
		}
	}
	return actor.NewRef[T](p.table, n.key)
}

// ask lets a value that knows speak for itself.
func (p *Program) ask(n *node, value any) {
	if c, ok := value.(interface{ InProgram(name string) }); ok {
		c.InProgram(p.name)
	}
	if c, ok := value.(interface{ Check() error }); ok {
		if err := c.Check(); err != nil {
			p.fail("node %s: %w", n.key, err)
		}
	}
	if c, ok := value.(interface{ Concurrent() int }); ok {
		n.concurrent = max(n.concurrent, c.Concurrent())
	}
}

// checkLife refuses a Start, Run or Stop of another form, which would never be
// called: the name is the life's, so it is no message's either.
func (p *Program) checkLife(n *node, value reflect.Value) {
	want := reflect.TypeFor[func(context.Context) error]()
	for _, name := range []string{"Start", "Run", "Stop"} {
		if m := value.MethodByName(name); m.IsValid() && m.Type() != want {
			p.fail("node %s: %v.%s is a %v and would never be called: make it a %v, or give it another name", n.key, value.Type(), name, m.Type(), want)
		}
	}
}

// Func is the type of refs to nodes that are functions; they have no methods.
type Func struct{ _ byte }

// AddFunc gives the program a node that is a function: it is run as a Run
// method would be. What f needs comes through arg, which is searched for refs;
// what f captures is not.
func AddFunc[A any](p *Program, label string, f func(context.Context, A) error, arg A, opts ...NodeOption) actor.Ref[Func] {
	n := p.add(label, opts)
	n.value = &funcNode[A]{f, arg}
	if f == nil {
		p.fail("node %s has no function", n.key)
	}
	p.noBatches(n)
	return actor.NewRef[Func](p.table, n.key)
}

type funcNode[A any] struct {
	f   func(context.Context, A) error
	arg A
}

func (n *funcNode[A]) isFunc() {}

func (n *funcNode[A]) Run(ctx context.Context) error { return n.f(ctx, n.arg) }

// AddProps gives the program a node that is a raw Proto.Actor actor with a
// bounded mailbox. Its ref has a PID for Proto.Actor's own functions.
func AddProps(p *Program, label string, props *protoactor.Props, opts ...NodeOption) actor.Ref[actor.PropsNode] {
	n := p.add(label, opts)
	n.props = props
	if props == nil {
		p.fail("node %s has no props", n.key)
	}
	p.noBatches(n)
	return actor.NewRef[actor.PropsNode](p.table, n.key)
}

// noBatches refuses batched methods on a node that has no methods.
func (p *Program) noBatches(n *node) {
	for _, b := range n.batches {
		p.fail("node %s has no methods, so %v cannot be batched", n.key, b)
	}
}

// An Each names a group whose every host gets a node; see [OnEach].
type Each struct{ place string }

// OnEach stands for every host of a group: "@cpu", or "@all".
func OnEach(group string) Each { return Each{group} }

// AddEach adds one node of the label for each host of a group, made by value,
// which is given the host and its place in the group.
func AddEach[T any](p *Program, label string, on Each, value func(h Host, i int) T, opts ...NodeOption) []actor.Ref[T] {
	if len(on.place) < 2 || on.place[0] != '@' {
		p.fail("OnEach(%q) is not a group: write \"@name\", or \"@all\" for every host", on.place)
		return nil
	}
	var refs []actor.Ref[T]
	for i, h := range p.Group(on.place[1:]) {
		refs = append(refs, Add(p, label, value(h, i), append(opts[:len(opts):len(opts)], On(h))...))
	}
	return refs
}

var labelPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`)

func validLabel(s string) bool { return len(s) <= 64 && labelPattern.MatchString(s) }

func (p *Program) add(label string, opts []NodeOption) *node {
	o := nodeOptions{place: "@all"}
	for _, opt := range opts {
		opt(&o)
	}
	if !validLabel(label) {
		p.fail("label %q is not [a-z0-9][a-z0-9._-]* of at most 64 characters; Named gives a node any other name", label)
	}
	n := &node{label: label, index: p.counts[label], concurrent: max(o.concurrent, 1), capacity: o.capacity, bytes: o.bytes, batches: o.batches, talker: o.talker}
	n.policy, n.ownPolicy = newPolicy(o.policies), len(o.policies) > 0
	n.key = fmt.Sprintf("%s/%d", label, n.index)
	n.name = o.name
	if n.name == "" {
		n.name = n.key
	}
	for _, b := range o.batches {
		if err := b.Err(); err != nil {
			p.fail("node %s: batched method: %w", n.key, err)
		}
	}
	host, err := place(p.hosts, p.load, o.place)
	if err != nil {
		p.fail("node %s: %w", n.key, err)
	}
	n.host = host
	if err := n.settle(o); err != nil {
		p.fail("node %s: the limits of its process: %w", n.key, err)
	}
	p.counts[label]++
	p.load[host]++
	p.nodes = append(p.nodes, n)
	return n
}

// newGraph builds the program and checks it: all mistakes are in the error.
// Names are entered into table.
func (d *program) newGraph(config []byte, hosts []Host, table *actor.Table) (*graph, error) {
	own := slices.Clone(hosts) // in one process too, hosts share no memory
	for i, h := range own {
		own[i].Groups, own[i].Labels = slices.Clone(h.Groups), maps.Clone(h.Labels)
	}
	p := &Program{name: d.name, hosts: own, table: table, counts: map[string]int{}, load: map[string]int{}, labels: map[string]policy{}, shared: map[uintptr]string{}}
	if err := d.fill(p, config); err != nil {
		p.errs = append(p.errs, err)
	} else if len(p.nodes) == 0 {
		p.fail("it has no nodes")
	}
	p.settlePolicies()
	p.settleTalkers()
	g := newGraph(p)
	if err := errors.Join(append(p.errs, g.errs...)...); err != nil {
		return nil, &ProgramError{Program: d.name, Err: err}
	}
	return g, nil
}

// fill lets the program add its nodes. A panic is a mistake like others: most
// often there are fewer hosts than the program reaches for.
func (d *program) fill(p *Program, config []byte) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	return d.build(p, config)
}
