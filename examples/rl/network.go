package main

import (
	"fmt"
	"math/rand/v2"

	"github.com/tartrl/tlaunch-go/examples/internal/neural"
	"github.com/tartrl/tlaunch-go/learning"
	"github.com/tartrl/tlaunch-go/tensor"
)

const hidden = 128 // units of each of the two hidden layers

// Network is the values of actions as a [learning.Model].
type Network struct {
	*neural.Network
	in  neural.Matrix
	out [][]float32
}

var _ learning.Model = (*Network)(nil)

// newNetwork is a network for an environment, with weights by r.
func newNetwork(e environment, r *rand.Rand) *Network {
	return &Network{Network: neural.NewMLP(r, e.Observations(), hidden, hidden, e.Actions())}
}

// untrained is one whose weights will come from a learner.
func untrained(e environment) *Network { return newNetwork(e, rand.New(rand.NewPCG(0, 0))) }

// weights are the network's own, by name.
func (n *Network) weights() map[string]tensor.Tensor {
	all := map[string]tensor.Tensor{}
	for _, p := range n.Params() {
		all[p.Name] = tensor.Of(p.Value, p.Shape...)
	}
	return all
}

// Load takes weights.
func (n *Network) Load(weights map[string]tensor.Tensor) error {
	for _, p := range n.Params() {
		v, err := tensor.Values[float32](weights[p.Name])
		if err == nil && len(v) != len(p.Value) {
			err = fmt.Errorf("%w: %d weights, not %d", tensor.ErrType, len(v), len(p.Value))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		copy(p.Value, v)
	}
	return nil
}

// Evaluate returns the values of actions.
func (n *Network) Evaluate(observations [][]float32) ([][]float32, error) {
	size := n.Params()[0].Shape[0]
	if n.in.Rows != len(observations) {
		n.in = neural.NewMatrix(len(observations), size)
	}
	for i, o := range observations {
		if len(o) != size {
			return nil, fmt.Errorf("%w: an observation of %d numbers, not %d", tensor.ErrType, len(o), size)
		}
		copy(neural.Row(n.in, i), o)
	}
	y := n.Forward(n.in)
	n.out = n.out[:0]
	for i := range observations {
		n.out = append(n.out, neural.Row(y, i))
	}
	return n.out, nil
}
