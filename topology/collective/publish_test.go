package collective_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/tensor"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// weights is a set of tensors whose content says of which version it is: each part begins with n, and the sum of all is in one of them.
func weights(n uint64, size int) map[string]tensor.Tensor {
	body := make([]byte, size)
	for i := 0; i+8 <= size; i += 512 {
		binary.LittleEndian.PutUint64(body[i:], n*0x9e3779b97f4a7c15+uint64(i))
	}
	return map[string]tensor.Tensor{
		"body": tensor.Of(body),
		"n":    tensor.Scalar(n),
		"sum":  tensor.Scalar(crc32.ChecksumIEEE(body)),
	}
}

// whole checks that a version is as weights made it, and returns of which n.
func whole(v *collective.Version) (uint64, error) {
	n, err := tensor.Values[uint64](v.Tensors["n"])
	sum, err2 := tensor.Values[uint32](v.Tensors["sum"])
	if err = errors.Join(err, err2); err != nil {
		return 0, err
	}
	if crc32.ChecksumIEEE(v.Tensors["body"].Data) != sum[0] {
		return 0, fmt.Errorf("version %d is not whole", v.Number)
	}
	return n[0], nil
}

// readAll reads versions until the publisher closes, and returns how many it saw and the last one's n.
func readAll(ctx context.Context, r *collective.Reader) (seen int, last uint64, err error) {
	for number := uint64(0); ; {
		v, err := r.Next(ctx, number)
		if errors.Is(err, collective.ErrEnded) && ctx.Err() == nil {
			return seen, last, nil
		}
		if err != nil {
			return seen, last, err
		}
		n, err := whole(v)
		if err != nil {
			return seen, last, err
		}
		if v.Number <= number || n <= last {
			return seen, last, fmt.Errorf("version %d with %d came after %d with %d", v.Number, n, number, last)
		}
		seen, number, last = seen+1, v.Number, n
	}
}

var kinds = map[string]topology.Kind{
	"star": topology.Star(), "tree": topology.Tree(2), "chain": topology.Chain(), "ring": topology.Ring(), "net": topology.Net(),
}

// Every reader sees whole versions, ever newer, and the last one, whatever the shape and however many members a host has.
func TestPublish(t *testing.T) {
	for name, kind := range kinds {
		for _, members := range []int{2, 3, 7} {
			for _, hosts := range []int{1, 3, 7} {
				t.Run(fmt.Sprint(name, members, "on", hosts), func(t *testing.T) {
					g := newTeam(t, actor.Config{}, kind, members, hosts)
					var ready sync.WaitGroup
					ready.Add(members - 1)
					g.do(func(ctx context.Context, w *worker) error {
						if w.Rank() == 0 {
							p, err := collective.NewPublisher(ctx, w, "weights")
							if err != nil {
								return err
							}
							for n := uint64(1); n <= 5; n++ {
								if _, err := p.Publish(weights(n, 300_000)); err != nil {
									return err
								}
								ready.Wait()
							}
							return p.Close(ctx)
						}
						r, err := collective.NewReader(ctx, w, 0, "weights")
						if err != nil {
							return err
						}
						_, err = r.Latest(ctx)
						ready.Done()
						if err != nil {
							return err
						}
						_, last, err := readAll(ctx, r)
						if err == nil && last != 5 {
							err = fmt.Errorf("the last was %d", last)
						}
						return errors.Join(err, r.Close(ctx))
					})
				})
			}
		}
	}
}

// One copy of each version goes to a host, and of what has not changed nothing.
func TestPublishSendsWhatChanged(t *testing.T) {
	const size = 8 << 20
	g := newTeam(t, actor.Config{}, topology.Chain(), 6, 3)
	body := make([]float32, size/4)
	var got [2]sync.WaitGroup
	got[0].Add(5)
	got[1].Add(5)
	var begun sync.WaitGroup
	begun.Add(6)
	stats := make([]func() collective.PublishStats, 6)
	var mu sync.Mutex
	received := map[int]uint64{}
	g.do(func(ctx context.Context, w *worker) error {
		if w.Rank() == 0 {
			p, err := collective.NewPublisher(ctx, w, "weights")
			require.NoError(t, err)
			stats[0] = p.Stats
			begun.Done()
			begun.Wait()
			require.Eventually(t, func() bool { // each in its place: the first of a host reads from the first of the one before
				for rank, readers := range []int{2, 2, 1, 0, 0, 0} {
					if stats[rank]().Readers != readers {
						return false
					}
				}
				return true
			}, patience, 10*time.Millisecond)
			_, err = p.Publish(map[string]tensor.Tensor{"body": tensor.Of(body), "rest": tensor.Of([]int8{1})})
			require.NoError(t, err)
			got[0].Wait()
			before := p.Stats().SentBytes
			body[len(body)/2] = 7
			_, err = p.Publish(map[string]tensor.Tensor{"body": tensor.Of(body), "rest": tensor.Of([]int8{1})})
			require.NoError(t, err)
			body[0] = 9 // a copy was taken
			got[1].Wait()
			require.Equal(t, size+1, int(before), "one host below, and two members of this one, which share its memory")
			require.LessOrEqual(t, p.Stats().SentBytes-before, uint64(128<<10))
			return p.Close(ctx)
		}
		r, err := collective.NewReader(ctx, w, 0, "weights")
		require.NoError(t, err)
		stats[w.Rank()] = r.Stats
		begun.Done()
		number := uint64(0)
		for i := range got {
			v, err := r.Next(ctx, number)
			require.NoError(t, err)
			values, err := tensor.Values[float32](v.Tensors["body"])
			require.NoError(t, err)
			require.Len(t, values, len(body))
			require.Equal(t, float32(7*i), values[len(values)/2])
			require.Zero(t, values[0])
			number = v.Number
			got[i].Done()
		}
		_, err = r.Next(ctx, number)
		require.ErrorIs(t, err, collective.ErrEnded)
		mu.Lock()
		received[w.Rank()] = r.Stats().ReceivedBytes
		mu.Unlock()
		return r.Close(ctx)
	})
	hosts := map[int]uint64{}
	for rank, bytes := range received {
		hosts[rank%3] += bytes
	}
	require.Zero(t, hosts[0])
	require.InDelta(t, size+(64<<10), int(hosts[1]), 65<<10)
	require.Equal(t, hosts[1], hosts[2])
}
