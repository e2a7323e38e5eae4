package learning

import (
	"context"
	"iter"
	"math/rand/v2"
)

// An Environment is what an actor acts in.
type Environment interface {
	// Reset begins an episode, with randomness from r, and returns what is observed first.
	Reset(r *rand.Rand) (observation []float32)
	// Step does one of the actions, numbered from 0. An episode ends when it is terminal, or is cut off: then nothing is said about what would have come.
	Step(action int) (observation []float32, reward float64, terminal, cut bool)
}

// A Policy says what is thought of an observation.
type Policy interface {
	// Values are those of the actions, and hold until the next call; version is that of the weights they were reckoned with.
	Values(ctx context.Context, observation []float32) (values []float32, version uint64, err error)
}

// An Episode is what an actor has played, from a beginning to an end.
type Episode struct {
	Steps   int
	Return  float64 // sum of rewards
	Version uint64  // of the weights at its last step
	Cut     bool    // it was cut off
}

// Acting plays in an environment, by a policy. It is used by one goroutine at a time.
type Acting struct {
	Environment Environment
	Policy      Policy
	// Choose picks an action by their values. Nil: [Greedy].
	Choose func(values []float32) int
	// Recorder writes what is seen. Nil: nobody.
	Recorder *Recorder
	// Random is for the environment. Nil: with a seed of its own.
	Random *rand.Rand
}

// Episodes plays one after the other, until the caller stops or there is an error, ctx's included.
func (a *Acting) Episodes(ctx context.Context) iter.Seq2[Episode, error] {
	return func(yield func(Episode, error) bool) {
		for {
			e, err := a.Play(ctx)
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// Play plays an episode. With an error comes what was played of it.
func (a *Acting) Play(ctx context.Context) (e Episode, err error) {
	if a.Random == nil {
		a.Random = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	choose := a.Choose
	if choose == nil {
		choose = Greedy
	}
	if a.Recorder != nil {
		a.Recorder.Abandon() // an episode that ended with an error
	}
	for observation := a.Environment.Reset(a.Random); ; {
		if err := ctx.Err(); err != nil {
			return e, err
		}
		values, version, err := a.Policy.Values(ctx, observation)
		if err != nil {
			return e, err
		}
		action := choose(values)
		next, reward, terminal, cut := a.Environment.Step(action)
		e.Steps++
		e.Return += reward
		e.Version = version
		if a.Recorder != nil {
			if err := a.Recorder.Step(ctx, observation, action, reward); err != nil {
				return e, err
			}
			if terminal || cut {
				err = a.Recorder.End(ctx, next, terminal)
			}
		}
		if terminal || cut || err != nil {
			e.Cut = !terminal
			return e, err
		}
		observation = next
	}
}

// Greedy is the action with the greatest value, the first of several.
func Greedy(values []float32) int {
	best := 0
	for i, v := range values {
		if v > values[best] {
			best = i
		}
	}
	return best
}

// EpsilonGreedy chooses any action with the probability epsilon, else as [Greedy] does.
func EpsilonGreedy(epsilon float64, r *rand.Rand) func(values []float32) int {
	return func(values []float32) int {
		if r.Float64() < epsilon {
			return r.IntN(len(values))
		}
		return Greedy(values)
	}
}
