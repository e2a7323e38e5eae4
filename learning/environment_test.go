package learning

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/tensor"
	"github.com/tartrl/tlaunch-go/transmit"
)

func (c *corridor) Reset(*rand.Rand) []float32 {
	c.place = 0
	c.began++
	return []float32{0, float32(c.began)}
}

// calm says the same of everything, by weights of a version that grows with each step.
type calm struct{ version uint64 }

func (c *calm) Values(context.Context, []float32) ([]float32, uint64, error) {
	c.version++
	return []float32{1, 3, 3, 2}, c.version, nil
}

func TestEpisodes(t *testing.T) {
	acting := &Acting{Environment: &corridor{last: 4, cut: -1}, Policy: &calm{}}
	var played []Episode
	for e, err := range acting.Episodes(t.Context()) {
		require.NoError(t, err)
		if played = append(played, e); len(played) == 2 {
			break
		}
	}
	require.Equal(t, []Episode{{Steps: 4, Return: 6, Version: 4}, {Steps: 4, Return: 6, Version: 8}}, played)

	acting.Environment = &corridor{last: -1, cut: 2}
	e, err := acting.Play(t.Context())
	require.NoError(t, err)
	require.Equal(t, Episode{Steps: 2, Return: 1, Version: 10, Cut: true}, e)
}

func TestEpisodesEndWithTheirContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	acting := &Acting{Environment: &corridor{last: 4}, Policy: &calm{}, Choose: func([]float32) int { cancel(); return 0 }}
	rounds := 0
	for e, err := range acting.Episodes(ctx) {
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, 1, e.Steps)
		rounds++
	}
	require.Equal(t, 1, rounds)
}

func TestChoices(t *testing.T) {
	require.Equal(t, 1, Greedy([]float32{1, 3, 3, 2}))
	r := rand.New(rand.NewPCG(1, 2))
	seen := map[int]int{}
	choose := EpsilonGreedy(0.4, r)
	const n = 10_000
	for range n {
		seen[choose([]float32{1, 3, 3, 2})]++
	}
	require.InDelta(t, 0.6+0.1, float64(seen[1])/n, 0.03)
	for _, other := range []int{0, 2, 3} {
		require.InDelta(t, 0.1, float64(seen[other])/n, 0.03)
	}
}

// Transitions of recorded episodes are those that the definition of n-step returns gives.
func TestRecorder(t *testing.T) {
	const discount, n = 0.5, 3
	for name, c := range map[string]struct {
		env  *corridor
		last float64 // discount after the last step
	}{
		"terminal":      {&corridor{last: 5, cut: -1}, 0},
		"cut off":       {&corridor{last: -1, cut: 5}, 1},
		"short":         {&corridor{last: 2, cut: -1}, 0},
		"of one step":   {&corridor{last: 1, cut: -1}, 0},
		"of just those": {&corridor{last: 3, cut: -1}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := patient(t)
			ref := data(t, transmit.Queue("replay", 100))
			r, err := NewRecorder(ref, "replay", n)
			require.NoError(t, err)
			acting := &Acting{Environment: c.env, Policy: &calm{}, Recorder: r}
			length := max(c.env.last, c.env.cut)
			for range 2 {
				_, err := acting.Play(ctx)
				require.NoError(t, err)
			}
			require.NoError(t, r.Close(ctx))

			s := transmit.NewSampler(ref, "replay", transmit.SamplerConfig{})
			defer s.Close(ctx)
			items, err := s.Take(ctx, 2*length)
			require.NoError(t, err)
			got, err := Transitions(items, discount)
			require.NoError(t, err)
			want := []Transition{}
			for episode := 1; episode <= 2; episode++ {
				for from := range length {
					to := min(from+n, length)
					w := Transition{Observation: []float32{float32(from), float32(episode)}, Action: 1, Next: []float32{float32(to), float32(episode)}, Discount: 1}
					for k := from; k < to; k++ {
						w.Return += w.Discount * float32(k)
						w.Discount *= discount
					}
					if to == length {
						w.Discount *= float32(c.last)
					}
					want = append(want, w)
				}
			}
			require.ElementsMatch(t, want, got)
		})
	}
}

func TestRecorderNeedsSteps(t *testing.T) {
	_, err := NewRecorder(data(t), "replay", 0)
	require.Error(t, err)
}

func TestTransitionsOfOthers(t *testing.T) {
	ctx := patient(t)
	good := transmit.Step{"observation": tensor.Of([]float32{1}), "action": tensor.Scalar(int32(1)), "reward": tensor.Scalar(float32(1)), "discount": tensor.Scalar(float32(1))}
	without := func(name string, other tensor.Tensor) transmit.Step {
		s := transmit.Step{}
		for n, v := range good {
			s[n] = v
		}
		s[name] = other
		return s
	}
	for name, steps := range map[string][]transmit.Step{
		"one step":        {good},
		"no observation":  {without("observation", tensor.Tensor{}), good},
		"another action":  {without("action", tensor.Scalar(1.5)), good},
		"two rewards":     {without("reward", tensor.Of([]float32{1, 2})), good},
		"no reward":       {without("reward", tensor.Of([]float32{})), good},
		"no discount":     {good, without("discount", tensor.Tensor{})},
		"nothing at last": {good, without("observation", tensor.Scalar(true))},
	} {
		t.Run(name, func(t *testing.T) {
			ref := data(t, transmit.Queue("replay", 10))
			w, err := transmit.NewWriter(ref, transmit.WriterConfig{})
			require.NoError(t, err)
			for _, s := range steps {
				for column, v := range s {
					if v.Type == 0 {
						delete(s, column)
					}
				}
				require.NoError(t, w.Append(s))
			}
			require.NoError(t, w.Item(ctx, "replay", len(steps), 1))
			require.NoError(t, w.Close(ctx))
			it, err := transmit.Sample(ctx, ref, "replay")
			require.NoError(t, err)
			_, err = Transitions([]transmit.Item{it}, 0.9)
			require.ErrorIs(t, err, tensor.ErrType)
		})
	}
}

// failing is a policy that has none.
type failing struct{}

var errNone = errors.New("none")

func (failing) Values(context.Context, []float32) ([]float32, uint64, error) {
	return nil, 0, errNone
}

func TestEpisodesEndWithAnError(t *testing.T) {
	_, err := (&Acting{Environment: &corridor{last: 4}, Policy: failing{}}).Play(t.Context())
	require.ErrorIs(t, err, errNone)
}

// An episode that is broken off and the next one share no item.
func TestEpisodeAfterAnError(t *testing.T) {
	ctx := patient(t)
	ref := data(t, transmit.Queue("replay", 100))
	r, err := NewRecorder(ref, "replay", 2)
	require.NoError(t, err)
	acting := &Acting{Environment: &corridor{last: 3, cut: -1}, Recorder: r}
	broken, breaks := context.WithCancel(ctx)
	steps := 0
	acting.Choose = func([]float32) int {
		if steps++; steps == 2 {
			breaks()
		}
		return 1
	}
	acting.Policy = brittle{&calm{}, broken}
	_, err = acting.Play(ctx)
	require.ErrorIs(t, err, context.Canceled)
	acting.Policy = &calm{}
	_, err = acting.Play(ctx)
	require.NoError(t, err)
	require.NoError(t, r.Close(ctx))
	info, err := transmit.Info(ctx, ref)
	require.NoError(t, err)
	s := transmit.NewSampler(ref, "replay", transmit.SamplerConfig{})
	defer s.Close(ctx)
	items, err := s.Take(ctx, info.Tables[0].Items)
	require.NoError(t, err)
	transitions, err := Transitions(items, 1)
	require.NoError(t, err)
	episodes := map[float32]int{}
	for _, tr := range transitions {
		require.Equal(t, tr.Observation[1], tr.Next[1], "from one episode into another")
		episodes[tr.Observation[1]]++
	}
	require.Equal(t, 3, episodes[2])
}

// brittle is a policy that fails once a context has ended.
type brittle struct {
	Policy
	until context.Context
}

func (b brittle) Values(ctx context.Context, observation []float32) ([]float32, uint64, error) {
	if err := b.until.Err(); err != nil {
		return nil, 0, err
	}
	return b.Policy.Values(ctx, observation)
}
