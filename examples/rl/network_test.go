package main

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/tensor"
)

func TestNetworkTravels(t *testing.T) {
	env := &CartPole{}
	from, to := newNetwork(env, rand.New(rand.NewPCG(1, 2))), untrained(env)
	require.NotEqual(t, from.Values(), to.Values())
	require.NoError(t, to.Load(from.weights()))
	require.Equal(t, from.Values(), to.Values())

	o := [][]float32{{1, 2, 3, 4}, {-1, 0, 1, 0.5}}
	want, err := from.Evaluate(o)
	require.NoError(t, err)
	got, err := to.Evaluate(o)
	require.NoError(t, err)
	require.Equal(t, want, got)
	one, err := to.Evaluate(o[1:])
	require.NoError(t, err)
	require.Equal(t, want[1:], one)
}

func TestNetworkRefuses(t *testing.T) {
	n := untrained(&CartPole{})
	_, err := n.Evaluate([][]float32{{1}})
	require.ErrorIs(t, err, tensor.ErrType)
	require.ErrorIs(t, n.Load(untrained(&Acrobot{}).weights()), tensor.ErrType)
	require.ErrorIs(t, n.Load(nil), tensor.ErrType)
}
