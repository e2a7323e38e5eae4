package collective_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// partOf is what a member gives, or is given.
func partOf(seed, rank, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8 + 31*rank + seed)
	}
	return b
}

// moveParts streams parts of these lengths to a root, and from it, and says what came out wrong.
func moveParts(ctx context.Context, w *worker, seed, root int, lengths []int, opts ...collective.Option) error {
	me, all := w.Rank(), 0
	for _, n := range lengths {
		all += n
	}
	reader := func(rank int) io.Reader {
		if lengths[rank] == 0 && seed%2 == 0 {
			return nil
		}
		return iotest.HalfReader(bytes.NewReader(partOf(seed, rank, lengths[rank])))
	}
	got := make([]bytes.Buffer, len(lengths))
	moved, err := collective.StreamGather(ctx, w, root, reader(me), func(rank int) io.Writer { return &got[rank] }, opts...)
	want := int64(lengths[me])
	if me == root {
		want = int64(all)
		for rank, n := range lengths {
			if err == nil && !bytes.Equal(partOf(seed, rank, n), got[rank].Bytes()) {
				err = fmt.Errorf("of member %d came something else", rank)
			}
		}
	}
	if err == nil && moved != want {
		err = fmt.Errorf("gathered %d bytes, and not %d", moved, want)
	}
	if err != nil {
		return err
	}
	var mine bytes.Buffer
	moved, err = collective.StreamScatter(ctx, w, root, reader, &mine, opts...)
	if err == nil && moved != want {
		err = fmt.Errorf("scattered %d bytes, and not %d", moved, want)
	}
	if err == nil && !bytes.Equal(partOf(seed, me, lengths[me]), mine.Bytes()) {
		err = errors.New("something else came")
	}
	return err
}

// By every algorithm, for 1 to 9 members, streams of unlike lengths, around those of chunks, come whole, while now and then a message is late.
func TestStreamParts(t *testing.T) {
	const chunk = 64
	kinds := []topology.Kind{topology.Star(), topology.Tree(2), topology.Chain(), topology.Ring(), topology.Net(), topology.Own("wheel", wheel)}
	sizes := []int{0, 1, chunk - 1, chunk, chunk + 1, 5*chunk + 3}
	for members := 1; members <= 9; members++ {
		seed := rand.Uint64()
		r := rand.New(rand.NewPCG(seed, 0))
		drawn := func() (root int, lengths []int) {
			for range members {
				lengths = append(lengths, sizes[r.IntN(len(sizes))])
			}
			return r.IntN(members), lengths
		}
		once := func(g *team, k int, algo collective.Algorithm) {
			root, lengths := drawn()
			g.do(func(ctx context.Context, w *worker) error {
				if err := moveParts(ctx, w, k, root, lengths, collective.Using(algo), collective.Chunk(chunk)); err != nil {
					return fmt.Errorf("%v, root %d, lengths %v, seed %d: %w", algo, root, lengths, seed, err)
				}
				return nil
			})
		}
		synctest.Test(t, func(t *testing.T) {
			g := newTeam(t, actor.Config{Encode: members%2 == 0}, kinds[members%len(kinds)], members, max(1, members*2/3))
			g.delay(seed)
			for algo := range collective.Auto {
				for k := range 4 {
					once(g, k, algo)
				}
			}
		})
		if members%3 == 0 {
			once(newTeam(t, actor.Config{}, kinds[members%len(kinds)], members, members), 0, collective.Auto) // which measures in real time
		}
	}
}

// Between processes, with more than a window of each.
func TestStreamPartsFar(t *testing.T) {
	g := newFarTeam(t, topology.Chain(), 4, dialPlainly)
	g.do(func(ctx context.Context, w *worker) error {
		return moveParts(ctx, w, 1, 1, []int{3<<20 + 1, 5, 2 << 20, 1<<20 + 7})
	})
}

// endless gives zeros until its context ends.
type endless struct{ ctx context.Context }

func (r endless) Read(b []byte) (int, error) {
	clear(b)
	return len(b), r.ctx.Err()
}

// A reader or writer that fails ends it for all, with its error where it was and the name of whose part it was.
func TestStreamPartsFail(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		at, part      int
		scatter, read bool
	}{
		"a member's reader":              {at: 2, part: 2, read: true},
		"the root's reader for itself":   {at: 0, part: 0, read: true},
		"the root's writer":              {at: 0, part: 1},
		"a member's writer":              {at: 1, part: 1, scatter: true},
		"the root's reader for a member": {at: 0, part: 1, scatter: true, read: true},
	} {
		t.Run(name, func(t *testing.T) {
			g := newTeam(t, actor.Config{}, topology.Chain(), 4, 4)
			errs := g.all(func(ctx context.Context, w *worker) error {
				reader := func(part int) io.Reader {
					if c.read && c.at == w.Rank() && c.part == part {
						return iotest.ErrReader(broken)
					}
					return endless{ctx}
				}
				writer := func(part int) io.Writer {
					if !c.read && c.at == w.Rank() && c.part == part {
						return brokenWriter{broken}
					}
					return io.Discard
				}
				var err error
				if c.scatter {
					_, err = collective.StreamScatter(ctx, w, 0, reader, writer(w.Rank()))
				} else {
					_, err = collective.StreamGather(ctx, w, 0, reader(w.Rank()), writer)
				}
				return err
			})
			for rank, err := range errs {
				require.ErrorContains(t, err, fmt.Sprint("w/", c.part), "member %d", rank)
				if rank == c.at {
					require.ErrorIs(t, err, broken)
				} else {
					require.ErrorIs(t, err, collective.ErrAborted, "member %d", rank)
				}
			}
			g.do(func(ctx context.Context, w *worker) error { return collective.Barrier(ctx, w) })
		})
	}
}

// on does something at the first byte that it reads or is given.
type on struct {
	io.Reader
	io.Writer
	once sync.Once
	do   func()
}

func (o *on) Read(b []byte) (int, error)  { o.once.Do(o.do); return o.Reader.Read(b) }
func (o *on) Write(b []byte) (int, error) { o.once.Do(o.do); return o.Writer.Write(b) }

// The end of a member's context ends it for all, while the streams of all are endless.
func TestStreamPartsCancelled(t *testing.T) {
	for _, scatter := range []bool{false, true} {
		for _, algo := range []collective.Algorithm{collective.Chain, collective.Tree, collective.Direct} {
			g := newTeam(t, actor.Config{}, topology.Net(), 4, 4)
			for who := range 4 {
				over, cancel := context.WithCancel(t.Context())
				begun := &on{Reader: endless{t.Context()}, Writer: io.Discard, do: cancel}
				errs := g.all(func(ctx context.Context, w *worker) error {
					this, stop := context.WithCancel(ctx)
					defer stop()
					if w.Rank() == who {
						defer context.AfterFunc(over, stop)()
					}
					var err error
					if scatter {
						_, err = collective.StreamScatter(this, w, 3, func(int) io.Reader { return begun }, io.Discard, collective.Using(algo))
					} else {
						_, err = collective.StreamGather(this, w, 3, endless{t.Context()}, func(int) io.Writer { return begun }, collective.Using(algo))
					}
					return err
				})
				cancel()
				for rank, err := range errs {
					require.ErrorIs(t, err, context.Canceled, "member %d", rank)
					require.Equal(t, rank != who, errors.Is(err, collective.ErrAborted), "member %d: %v", rank, err)
				}
				g.do(func(ctx context.Context, w *worker) error { return collective.Barrier(ctx, w) })
			}
		}
	}
}

// A member that ends before all of its part has come ends it for all, and is named.
func TestStreamPartsOfTheDead(t *testing.T) {
	for _, scatter := range []bool{false, true} {
		for _, victim := range []int{1, 3} { // with others below it, and without
			g := newTeam(t, actor.Config{}, topology.Tree(2), 5, 5)
			var stopped sync.WaitGroup
			errs := g.all(func(ctx context.Context, w *worker) error {
				part := &on{Reader: endless{ctx}, Writer: io.Discard, do: func() {
					if w.Rank() == victim {
						stopped.Go(func() { _ = g.nodes[victim].Stop(context.Background()) })
						<-ctx.Done()
					}
				}}
				var err error
				if scatter {
					_, err = collective.StreamScatter(ctx, w, 0, func(rank int) io.Reader {
						if rank == victim {
							return endless{ctx}
						}
						return bytes.NewReader(make([]byte, 9))
					}, part)
				} else {
					var from io.Reader = bytes.NewReader(make([]byte, 9))
					if w.Rank() == victim {
						from = part
					}
					_, err = collective.StreamGather(ctx, w, 0, from, func(int) io.Writer { return io.Discard })
				}
				return err
			})
			stopped.Wait()
			for rank, err := range errs {
				if rank == victim || scatter && rank != 0 && err == nil { // through with its part
					continue
				}
				var missing *collective.MissingError
				require.ErrorAs(t, err, &missing, "member %d", rank)
				require.Equal(t, []string{fmt.Sprint("w/", victim)}, missing.Members, "member %d", rank)
				require.False(t, missing.Whole)
			}
		}
	}
}

// counted counts what is read.
type counted struct {
	io.Reader
	n atomic.Int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// What the root's writer does not take is not read: nobody keeps more than a window of it.
func TestStreamPartsAtTheWritersPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const each = 8 << 20
		g := newTeam(t, actor.Config{}, topology.Chain(), 4, 4)
		gate := make(chan struct{})
		readers := make([]*counted, 4)
		for rank := range readers {
			readers[rank] = &counted{Reader: io.LimitReader(endless{t.Context()}, each)}
		}
		done := make(chan []error, 1)
		go func() { // ends with the operation
			done <- g.all(func(ctx context.Context, w *worker) error {
				_, err := collective.StreamGather(ctx, w, 0, readers[w.Rank()], func(int) io.Writer {
					return &on{Writer: io.Discard, do: func() { <-gate }}
				})
				return err
			})
		}()
		synctest.Wait()
		for rank, r := range readers {
			require.LessOrEqual(t, r.n.Load(), int64(1<<20+2*collective.DefaultChunk), "member %d", rank)
		}
		close(gate)
		for rank, err := range <-done {
			require.NoError(t, err, "member %d", rank)
			require.EqualValues(t, each, readers[rank].n.Load(), "member %d", rank)
		}
	})
}

// What cannot be is refused before anything is read, and said to all.
func TestStreamPartsArguments(t *testing.T) {
	g := newTeam(t, actor.Config{}, topology.Net(), 3, 3)
	discard := func(int) io.Writer { return io.Discard }
	nothing := func(int) io.Reader { return nil }
	for name, c := range map[string]struct {
		at int
		do func(ctx context.Context, w *worker) (int64, error)
	}{
		"no function of writers": {0, func(ctx context.Context, w *worker) (int64, error) {
			return collective.StreamGather(ctx, w, 0, nil, nil)
		}},
		"no writer for a member": {0, func(ctx context.Context, w *worker) (int64, error) {
			return collective.StreamGather(ctx, w, 0, nil, func(rank int) io.Writer {
				if rank == 1 {
					return nil
				}
				return io.Discard
			})
		}},
		"no function of readers": {0, func(ctx context.Context, w *worker) (int64, error) {
			return collective.StreamScatter(ctx, w, 0, nil, io.Discard)
		}},
		"no writer": {1, func(ctx context.Context, w *worker) (int64, error) {
			var to io.Writer
			if w.Rank() != 1 {
				to = io.Discard
			}
			return collective.StreamScatter(ctx, w, 0, nothing, to)
		}},
		"no writer at the root": {0, func(ctx context.Context, w *worker) (int64, error) {
			var to io.Writer
			if w.Rank() != 0 {
				to = io.Discard
			}
			return collective.StreamScatter(ctx, w, 0, func(int) io.Reader { return bytes.NewReader(nil) }, to)
		}},
	} {
		for rank, err := range g.all(func(ctx context.Context, w *worker) error { _, err := c.do(ctx, w); return err }) {
			if rank == c.at || rank == 0 || err != nil { // another may have been through
				require.ErrorIs(t, err, collective.ErrArgument, "%s: member %d", name, rank)
				require.Equal(t, rank != c.at, errors.Is(err, collective.ErrAborted), "%s: member %d: %v", name, rank, err)
			}
		}
	}
	g.do(func(ctx context.Context, w *worker) error {
		for _, root := range []int{-2, -1, 3} {
			_, err := collective.StreamGather(ctx, w, root, nil, discard)
			require.ErrorIs(t, err, collective.ErrArgument)
			_, err = collective.StreamScatter(ctx, w, root, nothing, io.Discard)
			require.ErrorIs(t, err, collective.ErrArgument)
		}
		return nil
	})
	errs := g.all(func(ctx context.Context, w *worker) (err error) {
		if w.Rank() == 1 {
			_, err = collective.StreamScatter(ctx, w, 0, nothing, io.Discard)
		} else {
			_, err = collective.StreamGather(ctx, w, 0, nil, discard)
		}
		return err
	})
	for rank, err := range errs {
		require.ErrorIs(t, err, collective.ErrDisagree, "member %d", rank)
	}
	g.do(func(ctx context.Context, w *worker) error { return collective.Barrier(ctx, w) })
}
