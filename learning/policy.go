package learning

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/tensor"
)

// Weights are a version of a learner's weights; numbers grow. They are only to be read.
type Weights struct {
	Number  uint64
	Tensors map[string]tensor.Tensor
}

// A Model evaluates observations. It is used by one goroutine at a time.
type Model interface {
	// Load takes other weights.
	Load(weights map[string]tensor.Tensor) error
	// Evaluate returns the values of actions for each of the observations. They hold until the next call.
	Evaluate(observations [][]float32) ([][]float32, error)
}

// Local is a [Policy] that evaluates a model in its own process.
type Local struct {
	Model Model
	// Newest returns the newest weights there are, and waits only for the first.
	Newest func(context.Context) (Weights, error)
	// Every is how many values are reckoned between looks for newer weights. Zero and less: 1.
	Every int

	version uint64
	left    int // values until the next look
	one     [1][]float32
}

// Values evaluates an observation with the newest weights.
func (l *Local) Values(ctx context.Context, observation []float32) ([]float32, uint64, error) {
	if l.left--; l.left <= 0 {
		w, err := l.Newest(ctx)
		if err != nil {
			return nil, 0, err
		}
		if w.Number != l.version {
			if err := l.Model.Load(w.Tensors); err != nil {
				return nil, 0, fmt.Errorf("weights %d: %w", w.Number, err)
			}
			l.version = w.Number
		}
		l.left = max(l.Every, 1)
	}
	l.one[0] = observation
	values, err := l.Model.Evaluate(l.one[:])
	if err != nil {
		return nil, 0, err
	}
	return values[0], l.version, nil
}

// An Evaluation is what an [Inference] answers.
type Evaluation struct {
	Values  []float32
	Version uint64 // of the weights
}

// An Evaluator is a node that evaluates observations for others, declared with
// tlaunch.Batched((*T).Evaluate, size, wait): it is called once size of them
// have come, or the first has waited for wait. An [Inference] makes a node one.
type Evaluator interface {
	Evaluate(ctx context.Context, observations [][]float32) ([]Evaluation, error)
}

// Inference is what a node has embedded that evaluates a policy for many
// actors at once; it is an [Evaluator]. Its Model and Newest are set before
// the first call, in the node's Start, say.
type Inference struct {
	Model Model
	// Newest is as that of [Local]; it is called by several goroutines at once.
	Newest func(context.Context) (Weights, error)

	mu      sync.Mutex // guards the model and what follows
	version uint64
}

// Concurrent is how many methods of the node run at once: those who wait for the first weights hold up nobody who brings them.
func (n *Inference) Concurrent() int { return 1 << 20 }

// Evaluate evaluates a batch, all with the same weights.
func (n *Inference) Evaluate(ctx context.Context, observations [][]float32) ([]Evaluation, error) {
	w, err := n.Newest(ctx)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if w.Number > n.version {
		if err := n.Model.Load(w.Tensors); err != nil {
			return nil, fmt.Errorf("weights %d: %w", w.Number, err)
		}
		n.version = w.Number
	}
	values, err := n.Model.Evaluate(observations)
	if err != nil {
		return nil, err
	}
	all := make([]Evaluation, len(values))
	for i, v := range values {
		all[i] = Evaluation{slices.Clone(v), n.version}
	}
	return all, nil
}

// Remote is a [Policy] that asks a node.
type Remote struct{ Node actor.Ref[Evaluator] }

// Values asks the node, and waits under ctx until it has evaluated a batch.
func (r Remote) Values(ctx context.Context, observation []float32) ([]float32, uint64, error) {
	e, err := actor.CallBatched(ctx, r.Node, Evaluator.Evaluate, observation)
	return e.Values, e.Version, err
}
