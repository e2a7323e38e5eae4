package actor_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

// A model of a node: what each sender may have found out about each message, and what may have become of it.

const modelHead = 4 // bytes: who sent it, what its method does, its number; a pattern follows

// A fate is what the method does.
type fate byte

const (
	returns fate = iota
	fails
	panics
	exits
	keeps
	leaves // its context to a goroutine
	fates
)

func modelMessage(sender, number, size int, f fate) []byte {
	b := bytes.Repeat([]byte{byte(sender*31 + number)}, modelHead+size)
	b[0], b[1] = byte(sender), byte(f)
	binary.BigEndian.PutUint16(b[2:], uint16(number))
	return b
}

type handled struct{ sender, number int }

// modelLog is what all incarnations of the node have handled.
type modelLog struct {
	mu      sync.Mutex
	times   map[handled]int
	faults  []string
	strays  sync.WaitGroup
	running int
	most    int
}

func (l *modelLog) fault(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = append(l.faults, fmt.Sprintf(format, args...))
}

// modelNode is one incarnation.
type modelNode struct {
	log     *modelLog
	several bool

	mu   sync.Mutex
	last map[int]int // of each sender
	kept [][]byte
	left []context.Context
}

func newModelNode(l *modelLog, several bool) *modelNode {
	return &modelNode{log: l, several: several, last: map[int]int{}}
}

func intact(b []byte) bool {
	want := modelMessage(int(b[0]), int(binary.BigEndian.Uint16(b[2:])), len(b)-modelHead, fate(b[1]))
	return bytes.Equal(b, want)
}

func (m *modelNode) Put(ctx context.Context, b []byte) error {
	l := m.log
	sender, number, f := int(b[0]), int(binary.BigEndian.Uint16(b[2:])), fate(b[1])
	l.mu.Lock()
	l.times[handled{sender, number}]++
	l.running++
	l.most = max(l.most, l.running)
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		l.running--
		l.mu.Unlock()
	}()
	m.mu.Lock()
	if last, ok := m.last[sender]; ok && last >= number && !m.several {
		l.fault("%d of sender %d came after %d", number, sender, last)
	}
	m.last[sender] = number
	for _, old := range m.left {
		if old.Err() == nil && !m.several { // where methods run beside each other it may not have returned yet
			l.fault("a context that was left behind lives")
		}
	}
	m.mu.Unlock()
	if number%3 == 0 {
		runtime.Gosched()
	}
	if !intact(b) {
		l.fault("%d of sender %d is not what was sent", number, sender)
	}
	switch f {
	case fails:
		return errors.New("as asked")
	case panics:
		panic("as asked")
	case exits:
		runtime.Goexit()
	case keeps:
		actor.Keep(ctx)
		m.mu.Lock()
		m.kept = append(m.kept, b)
		m.mu.Unlock()
	case leaves:
		m.mu.Lock()
		m.left = append(m.left[:min(len(m.left), 3)], ctx)
		m.mu.Unlock()
		l.strays.Go(func() {
			<-ctx.Done()
			if ctx.Err() == nil {
				l.fault("Done and Err disagree")
			}
		})
	}
	return nil
}

func TestNodeAgainstAModel(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { runModel(t, seed) })
	}
}

func runModel(t *testing.T, seed uint64) {
	const senders, each, replaced = 6, 120, 3
	dice := rand.New(rand.NewPCG(seed, 1))
	cfg := actor.Config{Window: 1 + dice.IntN(40), WindowBytes: 500 + dice.IntN(8000), Encode: seed%4 == 3}
	c := newClusterWith(t, cfg, "a", "b")
	l := &modelLog{times: map[handled]int{}}
	several := seed%2 == 1
	spec := actor.Spec{Key: "a/0", Capacity: 1 + dice.IntN(30), Bytes: 200 + dice.IntN(5000)}
	if several {
		spec.Concurrent = 3
	}
	values := []*modelNode{newModelNode(l, several)}
	spec.Value = values[0]
	n := spawn(t, c.systems["a"], spec)

	var mu sync.Mutex
	must, may := map[handled]bool{}, map[handled]bool{} // be handled; may be
	send := func(ref actor.Ref[*modelNode], dice *rand.Rand, sender, number int, calm bool) {
		f := fate(dice.IntN(4 * int(fates)))
		size := dice.IntN(60)
		if dice.IntN(6) == 0 {
			size = dice.IntN(3000)
		}
		b := modelMessage(sender, number, size, f)
		ctx, cancel := t.Context(), context.CancelFunc(func() {})
		how := dice.IntN(6)
		switch {
		case calm:
			how = 5 * dice.IntN(2)
		case how == 1:
			ctx = actor.NoWait(ctx)
		case how == 2:
			ctx, cancel = context.WithTimeout(ctx, time.Duration(dice.IntN(60))*time.Microsecond)
		}
		defer cancel()
		var err error
		called := how == 0 || how == 3
		switch how {
		case 0:
			err = actor.Do(ctx, ref, (*modelNode).Put, b)
		case 3:
			future := actor.GoDo(ctx, ref, (*modelNode).Put, b)
			clear(b) // a copy was taken
			_, err = future.Wait(ctx)
		default:
			err = actor.Tell(ctx, ref, (*modelNode).Put, b)
			clear(b)
		}
		k := handled{sender, number}
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil && (called || calm):
			must[k] = true
			if called && (f == fails || f == panics || f == exits) {
				l.fault("%v succeeded", k)
			}
		case err == nil: // its node may have been replaced
			may[k] = true
		case errors.Is(err, actor.ErrPeerGone):
			may[k] = called
			if calm {
				l.fault("%v: %v", k, err)
			}
		case called && f == fails, called && errors.Is(err, actor.ErrPanic) && (f == panics || f == exits):
			must[k] = true
		case how == 1 && errors.Is(err, actor.ErrOverloaded), how == 2 && errors.Is(err, context.DeadlineExceeded):
		default:
			l.fault("%v: %v", k, err)
		}
	}
	var group sync.WaitGroup
	begin := func(from, to int, calm bool) {
		for sender := range senders {
			ref := actor.NewRef[*modelNode](c.tables[[]string{"a", "b"}[sender%2]], "a/0")
			dice := rand.New(rand.NewPCG(seed, uint64(from*senders+sender)+2))
			group.Go(func() {
				for number := from; number < to; number++ {
					send(ref, dice, sender, number, calm)
				}
			})
		}
	}
	begin(0, each, false)
	for range replaced {
		for range 1 + dice.IntN(300) {
			runtime.Gosched()
		}
		fresh := newModelNode(l, several)
		next, err := n.Replace(fresh)
		require.NoError(t, err)
		require.NoError(t, next.Start(t.Context()))
		require.NoError(t, n.Stop(t.Context()))
		require.Zero(t, n.Queued())
		n, values = next, append(values, fresh)
	}
	group.Wait()
	begin(each, each+40, true) // nobody is replaced, stopped or in a hurry any more: all of it arrives
	group.Wait()
	for sender := range 2 { // what came before on the same way has arrived
		send(actor.NewRef[*modelNode](c.tables[[]string{"a", "b"}[sender]], "a/0"), rand.New(rand.NewPCG(seed, 0)), 10+sender, 0, true)
		require.NoError(t, actor.Do(t.Context(), actor.NewRef[*modelNode](c.tables[[]string{"a", "b"}[sender]], "a/0"), (*modelNode).Put,
			modelMessage(20+sender, 0, 0, returns)))
	}
	require.NoError(t, n.Drain(t.Context()))
	messages, size := n.Waiting()
	require.Zero(t, messages+size)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, actor.Tell(ctx, actor.NewRef[*modelNode](c.tables["b"], "a/0"), (*modelNode).Put,
		modelMessage(22, 0, 2*cfg.WindowBytes, returns)), "less than a quarter of the window stays out")
	require.NoError(t, n.Drain(t.Context()))
	require.NoError(t, n.Stop(t.Context()))
	l.strays.Wait()

	l.mu.Lock()
	defer l.mu.Unlock()
	require.Empty(t, l.faults)
	require.Zero(t, l.running)
	for k, times := range l.times {
		require.True(t, times == 1 && (must[k] || may[k] || k.sender >= 20), "%v was handled %d times", k, times)
	}
	for k := range must {
		require.Equal(t, 1, l.times[k], "%v was lost", k)
	}
	for _, v := range values {
		for _, b := range v.kept {
			require.True(t, intact(b), "kept bytes have changed")
		}
	}
}
