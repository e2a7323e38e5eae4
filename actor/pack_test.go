package actor

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor/internal/wire"
)

// An ear copies what it hears, and does before what it is told to.
type ear struct {
	heard  [][]byte
	before func(i int)
}

func (e *ear) Hear(_ context.Context, b []byte) error  { return e.hear(b) }
func (e *ear) Other(_ context.Context, b []byte) error { return e.hear(append([]byte("other "), b...)) }
func (e *ear) Ask(_ context.Context, b []byte) ([]byte, error) {
	return b, e.hear(append([]byte("asked "), b...))
}

func (e *ear) hear(b []byte) error {
	e.heard = append(e.heard, append([]byte{}, b...))
	if e.before != nil {
		e.before(len(e.heard))
	}
	return nil
}

var (
	_ = Action((*ear).Hear)
	_ = Action((*ear).Other)
)

// What comes over a link is handled in its order, with what it brought, whichever parts of it were packed.
func TestPacksKeepOrder(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 7))
			ears := map[string]*ear{"e/0": {}, "e/1": {}}
			s, in, nodes := inletFor(t, map[string]any{"e/0": ears["e/0"], "e/1": ears["e/1"]})
			names := map[string]*Name{}
			name := func(text string) *Name {
				if names[text] == nil {
					names[text] = &Name{Text: text}
				}
				return names[text]
			}
			hear, other, ask := doMethod((*ear).Hear), doMethod((*ear).Other), callMethod((*ear).Ask)
			want := map[string][][]byte{"e/0": {}, "e/1": {}}
			to, tell, size, id := "e/0", hear, 16, uint64(0)
			for range 1000 {
				switch r.IntN(40) {
				case 0:
					to = fmt.Sprint("e/", r.IntN(2))
				case 1:
					tell = []*method{hear, other}[r.IntN(2)]
				case 2:
					size = []int{0, 1, 16, 300, 1024, packedBytes, packedBytes + 1}[r.IntN(7)]
				case 3:
					in.Flush()
				case 4:
					id++
					want[to] = append(want[to], []byte("asked x"))
					require.NoError(t, in.Take(name(to), name(ask.call), nil, callHead(&wire.Call{Id: id}), []byte("x"), nil))
				}
				body := make([]byte, size)
				for i := range body {
					body[i] = byte(r.Uint32())
				}
				prefix := ""
				if tell == other {
					prefix = "other "
				}
				want[to] = append(want[to], append([]byte(prefix), body...))
				require.NoError(t, in.Take(name(to), name(tell.tell), nil, nil, body, nil))
				clear(body) // it was ours only until then
			}
			in.Flush()
			for key, n := range nodes {
				require.NoError(t, n.Drain(t.Context()))
				require.Equal(t, want[key], ears[key].heard, key)
				messages, bytes := n.Waiting()
				require.Zero(t, messages)
				require.Zero(t, bytes)
			}
			for _, a := range s.accounts {
				require.Zero(t, a.held)
			}
		})
	}
}

// fill takes tells of so many bytes each: one, and the rest as packs.
func fill(t *testing.T, in *inlet, messages, size int) {
	to, label := &Name{Text: "e/0"}, &Name{Text: doMethod((*ear).Hear).tell}
	for i := range messages {
		body := make([]byte, size)
		body[0] = byte(i)
		require.NoError(t, in.Take(to, label, nil, nil, body, nil))
	}
	in.Flush()
}

// A pack of which a part has begun counts for what has not, and this is what is refused when its node ends: nobody's window is lost.
func TestAPackThatIsCutOff(t *testing.T) {
	for name, end := range map[string]func(*Node) error{
		"stopped":  func(n *Node) error { return n.Stop(t.Context()) },
		"replaced": func(n *Node) error { _, err := n.Replace(&ear{}); return err },
	} {
		t.Run(name, func(t *testing.T) {
			held, release := make(chan struct{}), make(chan struct{})
			e := &ear{before: func(i int) {
				if i == 5 {
					close(held)
					<-release
				}
			}}
			s, in, nodes := inletFor(t, map[string]any{"e/0": e})
			n := nodes["e/0"]
			fill(t, in, 30, 10)
			<-held
			messages, bytes := n.Waiting()
			require.Equal(t, []int{25, 250}, []int{messages, bytes})
			stats := n.snapshot()
			require.Equal(t, []uint64{5, 50}, []uint64{stats.Messages, stats.Bytes})
			ended := make(chan error, 1)
			go func() { ended <- end(n) }()
			require.Eventually(t, func() bool { return s.Stats().FailedTells == 25 }, time.Minute, time.Millisecond)
			close(release)
			require.NoError(t, <-ended)
			require.NoError(t, n.Stop(t.Context()))
			require.Len(t, e.heard, 5)
			require.EqualValues(t, 5, n.snapshot().Messages)
			require.Zero(t, s.accounts[windowKey{"there", "e/0"}].held)
		})
	}
}

// A method that does not return, or panics, costs the others of its pack nothing.
func TestAPackOutlivesItsMethods(t *testing.T) {
	e := &ear{before: func(i int) {
		switch {
		case i%7 == 3:
			panic("three")
		case i%7 == 5:
			runtime.Goexit()
		}
	}}
	s, in, nodes := inletFor(t, map[string]any{"e/0": e})
	fill(t, in, 200, 3)
	require.NoError(t, nodes["e/0"].Drain(t.Context()))
	require.Len(t, e.heard, 200)
	for i, b := range e.heard {
		require.Equal(t, byte(i), b[0])
	}
	require.Eventually(t, func() bool { return s.Stats().FailedTells == 57 }, time.Minute, time.Millisecond)
	require.Zero(t, s.accounts[windowKey{"there", "e/0"}].held)
}

// Tells of several goroutines of this process go into packs while a worker takes these off.
func TestPacksOfThisProcess(t *testing.T) {
	e := &ear{}
	s, _, nodes := inletFor(t, map[string]any{"e/0": e})
	ref := NewRef[*ear](s.table, "e/0")
	const each, senders = 2000, 3
	var failed atomic.Pointer[error]
	done := make(chan struct{})
	for k := range senders {
		go func() {
			defer func() { done <- struct{}{} }()
			body := make([]byte, 3)
			for i := range each {
				body[0], body[1], body[2] = byte(k), byte(i), byte(i>>8)
				if err := Tell(t.Context(), ref, (*ear).Hear, body); err != nil {
					failed.Store(&err)
				}
			}
		}()
	}
	for range senders {
		<-done
	}
	require.Nil(t, failed.Load())
	require.NoError(t, nodes["e/0"].Drain(t.Context()))
	require.Len(t, e.heard, each*senders)
	var next [senders]int
	for _, b := range e.heard {
		require.Equal(t, next[b[0]], int(b[1])|int(b[2])<<8)
		next[b[0]]++
	}
	require.EqualValues(t, each*senders, nodes["e/0"].snapshot().Messages)
}

// Memory of a pack is used again when nobody has kept a part of it, and no more than was announced goes in.
func TestAPackHasRoomForWhatItTakes(t *testing.T) {
	p := newPack(doMethod((*ear).Hear), nil, 0)
	require.True(t, p.add(make([]byte, firstRoom)))
	require.False(t, p.add([]byte{1}))
	require.True(t, p.add(nil))
	require.Equal(t, 2*firstRoom, p.nextRoom())
	require.Equal(t, budget{2, firstRoom}, p.left())
	p.end()
	p = newPack(doMethod((*ear).Hear), nil, 1<<30)
	defer p.end()
	require.Equal(t, mostRoom, cap(p.buf))
	require.False(t, p.add(make([]byte, packedBytes+1)))
	for range blockSize {
		require.True(t, p.add([]byte{1, 2}))
	}
	require.False(t, p.add(nil))
	require.Equal(t, 2*blockSize, p.nextRoom())
}

// A picky ear keeps the seventh of what it is told to pick from.
type picky struct {
	ear
	told int
	kept []byte
}

func (p *picky) Pick(ctx context.Context, b []byte) error {
	if p.told++; p.told == 7 {
		Keep(ctx)
		p.kept = b
	}
	return nil
}

// A nagger keeps where there is nothing to keep: its argument is no []byte.
type nagger struct{ sum int }

func (n *nagger) Add(ctx context.Context, by int) error { Keep(ctx); n.sum += by; return nil }

// A method whose argument is decoded goes into packs whatever it keeps, and their memory is used again.
func TestKeepOfNoBytes(t *testing.T) {
	n, add := &nagger{}, doMethod((*nagger).Add)
	_, in, nodes := inletFor(t, map[string]any{"n/0": n})
	data, err := Encode(1)
	require.NoError(t, err)
	to, label := &Name{Text: "n/0"}, &Name{Text: add.tell}
	for range 3 * blockSize {
		require.NoError(t, in.Take(to, label, nil, nil, data, nil))
	}
	in.Flush()
	require.NoError(t, nodes["n/0"].Drain(t.Context()))
	require.Equal(t, 3*blockSize, n.sum)
	require.False(t, add.keeps.Load())
	require.True(t, nodes["n/0"].packs(add))
}

// One message of a pack that is kept keeps the pack's memory from all that comes later, small or large.
func TestWhatIsKeptOfAPackStays(t *testing.T) {
	for _, size := range []int{16, 600} {
		t.Run(fmt.Sprint(size, " bytes"), func(t *testing.T) {
			pick, hear := doMethod((*picky).Pick), doMethod((*picky).Hear)
			pick.keeps.Store(false) // a method is known by it as long as the process lives
			p := &picky{}
			_, in, nodes := inletFor(t, map[string]any{"p/0": p})
			tell := func(m *method, fill byte) {
				to, label := &Name{Text: "p/0"}, &Name{Text: m.tell}
				for range 60 {
					require.NoError(t, in.Take(to, label, nil, nil, bytes.Repeat([]byte{fill}, size), nil))
				}
				in.Flush()
				require.NoError(t, nodes["p/0"].Drain(t.Context()))
			}
			tell(pick, 1)
			require.True(t, pick.keeps.Load())
			require.False(t, nodes["p/0"].packs(pick))
			for range 20 {
				tell(hear, 2)
			}
			require.Equal(t, bytes.Repeat([]byte{1}, size), p.kept)
			require.Equal(t, size, cap(p.kept), "what lies behind it in its pack is another's")
		})
	}
}
