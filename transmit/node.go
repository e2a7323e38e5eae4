package transmit

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/transmit/internal/table"
)

// A Node holds tables and registers. Its methods are what travels between it
// and the functions and types of this package, which are what programs use.
type Node struct {
	config  Config
	program string // that has the node
	state   *state // from Start on
}

// NewNode returns a node for a program to add. What is wrong with c is
// reported when the program is checked.
func NewNode(c Config) *Node { return &Node{config: c} }

// InProgram tells the node the name of the program that it was added to, which
// checkpoints are marked with. Programs need not call it: their Add does.
func (n *Node) InProgram(name string) { n.program = name }

// Ref is a reference to a node.
type Ref = actor.Ref[*Node]

// mostTurns is how many requests may be handled at once: nearly all of them wait for something.
const mostTurns = 1 << 20

// Concurrent is how many methods of the node run at once. They lock what they
// share; one that waits holds up nobody.
func (n *Node) Concurrent() int { return mostTurns }

var (
	_ = actor.Method((*Node).Write)
	_ = actor.Method((*Node).Read)
)

// state is what a node that runs has.
type state struct {
	config Config
	logger *slog.Logger
	saver  *saver // nil: no checkpoints

	mu        sync.Mutex // guards all that follows, the tables and the store included
	store     *table.Store
	tables    map[string]*shelf
	order     []*shelf // as configured
	sessions  map[string]*session
	clock     uint64      // counts uses of sessions
	sweeper   *time.Timer // for sessions that are not used; nil: there are none
	stopped   bool
	registers map[string]*register
	handOffs  map[string]*handOff
	watcher   watcher // nil but in tests
}

// A watcher is told what is done to tables, in the order in which it is done and with mu held. Nothing but
// this order says whether what many clients have seen can have been.
type watcher interface {
	inserted(sh *shelf, from *table.Stream, win window, k table.Key)
	sampled(sh *shelf, s table.Sample)
	changed(sh *shelf, r ChangeRequest, items int)
}

// shelf is a table and those who wait for it.
type shelf struct {
	*table.Table
	name      string
	columns   []Column
	inserters []*write // whose next window is for this table
	samplers  []*read
}

func newState(c Config, logger *slog.Logger) *state {
	s := &state{config: c, logger: logger}
	s.clear()
	return s
}

// clear begins without items.
func (s *state) clear() {
	seed, second := s.config.Seed, uint64(1)
	if seed == 0 {
		seed, second = rand.Uint64(), rand.Uint64()
	}
	s.store, s.tables, s.order = &table.Store{}, map[string]*shelf{}, nil
	s.sessions, s.registers, s.handOffs = map[string]*session{}, map[string]*register{}, map[string]*handOff{}
	for i, t := range s.config.Tables {
		sh := &shelf{Table: table.New(t.rules(), s.store, rand.NewPCG(seed, second+uint64(i))), name: t.Name, columns: t.Columns}
		s.tables[t.Name] = sh
		s.order = append(s.order, sh)
	}
}

// Start restores the last good checkpoint, if there is one.
func (n *Node) Start(ctx context.Context) error {
	if err := n.Check(); err != nil {
		return actor.Final(err)
	}
	logger := n.config.Logger
	if logger == nil {
		logger = slog.Default()
	}
	s := newState(n.config, logger)
	if err := s.openCheckpoints(ctx, owner{n.program, actor.Self(ctx)}); err != nil {
		var system syscall.Errno // a disk that is full, or does not answer, may do better the next time
		if errors.Is(err, errDamaged) || errors.Is(err, ErrDirectory) && !errors.Is(err, errLocked) && !errors.As(err, &system) {
			err = actor.Final(err) // only somebody who looks at it can do something
		}
		return err
	}
	n.state = s
	return nil
}

// Stop saves a last checkpoint, where there are any.
func (n *Node) Stop(ctx context.Context) error {
	n.state.stopSweeping()
	return n.state.closeCheckpoints(ctx)
}

// without is list without what is x.
func without[T comparable](list []T, x T) []T {
	for i := range list {
		if list[i] == x {
			return append(list[:i], list[i+1:]...)
		}
	}
	return list
}
