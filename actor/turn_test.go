package actor

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// slowEar is an asker who takes time to hear the answer.
type slowEar struct{ told, heard chan struct{} }

func (e *slowEar) reply(*method, any, error) {
	close(e.told)
	<-e.heard
}

// desk has methods that hold their turns, and others that do not.
type desk struct {
	holds  chan context.Context
	open   chan struct{}
	passed atomic.Int32
}

func newDesk() *desk { return &desk{holds: make(chan context.Context, 16), open: make(chan struct{})} }

func (d *desk) Hold(ctx context.Context) error {
	d.holds <- ctx
	<-d.open
	return nil
}

func (d *desk) Pass(context.Context) error { d.passed.Add(1); return nil }

func deskSystem(t *testing.T, spec Spec) (*System, *Node) {
	s := NewSystem(Config{Table: NewTable()})
	t.Cleanup(func() { require.NoError(t, s.Close(context.Background())) })
	spec.Key = "n/0"
	n, err := s.Spawn(spec)
	require.NoError(t, err)
	require.NoError(t, n.Start(t.Context()))
	return s, n
}

// A turn whose method has returned is free for who comes next, even while the one before is still being told.
func TestATurnThatIsOverIsNoDeadlock(t *testing.T) {
	d := newDesk()
	s, n := deskSystem(t, Spec{Value: d, Concurrent: 2})
	release := sync.OnceFunc(func() { close(d.open) })
	defer release()
	ref := NewRef[*desk](s.table, "n/0")
	first := GoDo0(t.Context(), ref, (*desk).Hold)
	ctx := <-d.holds
	ear := &slowEar{make(chan struct{}), make(chan struct{})}
	require.NoError(t, n.enqueue(t.Context(), &message{method: do0Method((*desk).Pass), asker: &asker{answer: ear}}))
	<-ear.told
	second := GoDo0(ctx, ref, (*desk).Pass) // on behalf of the first
	close(ear.heard)
	_, err := second.Wait(t.Context())
	require.NoError(t, err)
	release()
	_, err = first.Wait(t.Context())
	require.NoError(t, err)
}

// A worker of several that has taken a message and not begun it loses it to the end of its node, as one that takes many does.
func TestWhatWasTakenAndNotBegunEndsWithItsNode(t *testing.T) {
	for why, end := range map[error]func(*Node) error{
		ErrStopped:  func(n *Node) error { return n.Stop(context.Background()) },
		ErrPeerGone: func(n *Node) error { _, err := n.Replace(newDesk()); return err },
	} {
		for _, concurrent := range []int{1, 2} {
			d := newDesk()
			s, n := deskSystem(t, Spec{Value: d, Concurrent: concurrent})
			n.mu.Lock()
			n.workers = n.limit // none begins of its own
			n.mu.Unlock()
			f := GoDo0(t.Context(), NewRef[*desk](s.table, "n/0"), (*desk).Pass)
			w := &worker{node: n, turn: &turn{node: n, asker: nobody}}
			require.True(t, w.take())
			require.NoError(t, end(n))
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			_, err := f.Wait(ctx)
			cancel()
			require.ErrorIs(t, err, why, "%d turns", concurrent)
			w.run()
			require.Zero(t, d.passed.Load())
			n.mu.Lock()
			n.workers = 1
			n.mu.Unlock()
			require.NoError(t, n.Stop(t.Context()))
		}
	}
}

// nilError is what a method returns that forgets that a nil pointer is an error.
func (d *desk) NilError(context.Context) error {
	var err *os.PathError
	return err
}

// An error that panics when it is looked at is its method's failure, not the process's.
func TestAnErrorThatPanics(t *testing.T) {
	d := newDesk()
	s, _ := deskSystem(t, Spec{Value: d})
	ref := NewRef[*desk](s.table, "n/0")
	require.NoError(t, Tell0(t.Context(), ref, (*desk).NilError))
	err := Do0(t.Context(), ref, (*desk).NilError)
	require.ErrorIs(t, err, ErrPanic)
	require.ErrorContains(t, err, "*fs.PathError")
	require.NoError(t, Do0(t.Context(), ref, (*desk).Pass))
	require.EqualValues(t, 1, s.Stats().FailedTells)
}
