package collective_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// A member does several things at once: two publish, one of them two things, all read all of it, put numbers together, and are asked. None disturbs another.
func TestPublicationsBesideOperations(t *testing.T) {
	const members, versions, rounds = 5, 6, 12
	published := []struct {
		rank int
		name string
	}{{0, "weights"}, {0, "targets"}, {3, "weights"}}
	for _, kind := range shapes {
		synctest.Test(t, func(t *testing.T) {
			g := newTeam(t, actor.Config{}, kind, members, 3)
			all := newNotes()
			for _, w := range g.workers {
				w.notes = all
			}
			seed := rand.Uint64()
			t.Logf("%v, seed %d", kind, seed)
			g.delay(seed)
			var there sync.WaitGroup // who has come to read
			there.Add(len(published) * (members - 1))
			g.do(func(ctx context.Context, w *worker) error {
				var side sync.WaitGroup
				errs := make([]error, len(published))
				for i, p := range published {
					side.Go(func() {
						if w.Rank() == p.rank {
							errs[i] = publishAll(ctx, w, p.name, versions, &there)
						} else {
							errs[i] = readToTheEnd(ctx, w, p.rank, p.name, versions, &there)
						}
					})
				}
				for round := range rounds {
					data := []float64{float64(round), 1}
					if err := collective.AllReduce(ctx, w, data, collective.Sum); err != nil {
						return err
					}
					if err := same("sum", w.Rank(), []float64{float64(members * round), members}, data); err != nil {
						return err
					}
					if w.Rank() == round%members {
						reply, err := ranks.Ask(ctx, w, round)
						if err != nil || reply.Answered != members-1 {
							return fmt.Errorf("%d answered: %w", reply.Answered, err)
						}
					}
				}
				side.Wait()
				return errors.Join(errs...)
			})
		})
	}
}

func publishAll(ctx context.Context, w *worker, name string, versions uint64, there *sync.WaitGroup) error {
	p, err := collective.NewPublisher(ctx, w, name)
	if err != nil {
		return err
	}
	for n := uint64(1); n <= versions; n++ {
		if _, err := p.Publish(weights(n, 200_000)); err != nil {
			return err
		}
		there.Wait()
	}
	return p.Close(ctx)
}

func readToTheEnd(ctx context.Context, w *worker, rank int, name string, versions uint64, there *sync.WaitGroup) error {
	r, err := collective.NewReader(ctx, w, rank, name)
	if err != nil {
		return err
	}
	_, err = r.Latest(ctx)
	there.Done()
	if err != nil {
		return err
	}
	_, last, err := readAll(ctx, r)
	if err == nil && last != versions {
		err = fmt.Errorf("%s of %d ended at %d", name, rank, last)
	}
	return errors.Join(err, r.Close(ctx))
}
