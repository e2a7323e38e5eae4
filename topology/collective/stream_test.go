package collective_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

func TestStream(t *testing.T) {
	const chunk = 64
	for _, members := range []int{1, 2, 5, 8} {
		g := newTeam(t, actor.Config{Encode: true}, topology.Tree(2), members, members)
		for algo := range algorithms {
			for _, n := range []int{0, 1, chunk - 1, chunk, chunk + 1, 50*chunk + 3} {
				data := make([]byte, n)
				for i := range data {
					data[i] = byte(i * 11)
				}
				root := (n + algo) % members
				g.do(func(ctx context.Context, w *worker) error {
					opts := []collective.Option{collective.Using(collective.Algorithm(algo)), collective.Chunk(chunk)}
					if w.Rank() == root {
						moved, err := collective.Stream(ctx, w, root, iotest.OneByteReader(bytes.NewReader(data)), nil, opts...)
						if err == nil && moved != int64(n) {
							err = fmt.Errorf("%d bytes were read", moved)
						}
						return err
					}
					var got bytes.Buffer
					moved, err := collective.Stream(ctx, w, root, nil, &got, opts...)
					if err == nil && (moved != int64(n) || !bytes.Equal(data, got.Bytes())) {
						err = fmt.Errorf("%d bytes: %v", moved, got.Bytes())
					}
					return err
				})
			}
		}
	}
}

type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

// A reader or a writer that fails ends the stream for all, with its error where it was.
func TestStreamFails(t *testing.T) {
	broken := errors.New("broken")
	for _, at := range []int{0, 1, 3} {
		g := newTeam(t, actor.Config{}, topology.Chain(), 4, 4)
		errs := g.all(func(ctx context.Context, w *worker) error {
			switch {
			case w.Rank() == 0 && at == 0:
				_, err := collective.Stream(ctx, w, 0, iotest.ErrReader(broken), nil)
				return err
			case w.Rank() == 0:
				_, err := collective.Stream(ctx, w, 0, bytes.NewReader(make([]byte, 3<<20)), nil)
				return err
			case w.Rank() == at:
				_, err := collective.Stream(ctx, w, 0, nil, brokenWriter{broken})
				return err
			}
			_, err := collective.Stream(ctx, w, 0, nil, io.Discard)
			return err
		})
		for rank, err := range errs {
			if rank == at {
				require.ErrorIs(t, err, broken)
				continue
			}
			if err != nil || at < 3 { // the others had all they waited for, unless it was behind the one that failed
				require.ErrorIs(t, err, collective.ErrAborted, "member %d", rank)
			}
		}
		require.Error(t, errs[0], "the root hears of it")
		g.do(func(ctx context.Context, w *worker) error {
			_, err := collective.Stream(ctx, w, 1, nil, nil)
			require.ErrorIs(t, err, collective.ErrArgument)
			return nil
		})
	}
}
