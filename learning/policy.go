package learning

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/tensor"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// A Source gives versions of a learner's weights, the newest there is of those
// whose number is greater than after, and waits where there is none. A
// collective.Reader is one; its ErrEnded says that there will be no more.
type Source interface {
	Next(ctx context.Context, after uint64) (*collective.Version, error)
}

var _ Source = (*collective.Reader)(nil)

// A Model evaluates observations. It is used by one goroutine at a time.
type Model interface {
	// Load takes other weights.
	Load(weights map[string]tensor.Tensor) error
	// Evaluate returns the values of actions for each of the observations. They hold until the next call.
	Evaluate(observations [][]float32) ([][]float32, error)
}

// Local is a [Policy] that evaluates a model in its own process.
type Local struct {
	Model   Model
	Weights Source // only the first version is waited for

	version uint64
	one     [1][]float32
}

// Values evaluates an observation with the newest weights.
func (l *Local) Values(ctx context.Context, observation []float32) ([]float32, uint64, error) {
	w, err := l.Weights.Next(ctx, 0)
	if err != nil {
		return nil, 0, err
	}
	if w.Number != l.version {
		if err := l.Model.Load(w.Tensors); err != nil {
			return nil, 0, fmt.Errorf("weights %d: %w", w.Number, err)
		}
		l.version = w.Number
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
// actors at once; it is an [Evaluator]. The node's Run calls [Inference.Serve].
type Inference struct {
	mu      sync.Mutex // guards what follows
	model   Model
	version uint64        // 0: there are no weights yet
	ready   chan struct{} // closed with the first; nil: nobody waits, or there are some
}

// Concurrent is how many methods of the node run at once: those who wait for the first weights hold up nobody who brings them.
func (n *Inference) Concurrent() int { return 1 << 20 }

// Serve has the node evaluate with a model, which belongs to it from now on,
// and with the newest weights. It returns nil when there will be no more, and
// ctx's error when that ends; the node goes on to evaluate with what it has.
func (n *Inference) Serve(ctx context.Context, model Model, weights Source) error {
	for after := uint64(0); ; {
		w, err := weights.Next(ctx, after)
		if errors.Is(err, collective.ErrEnded) {
			return ctx.Err() // with which a reader ends, too
		}
		if err != nil {
			return err
		}
		if err := n.load(model, w); err != nil {
			return fmt.Errorf("weights %d: %w", w.Number, err)
		}
		after = w.Number
	}
}

func (n *Inference) load(model Model, w *collective.Version) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := model.Load(w.Tensors); err != nil {
		return err
	}
	n.model, n.version = model, w.Number
	if n.ready != nil {
		close(n.ready)
		n.ready = nil
	}
	return nil
}

// Evaluate evaluates a batch, all with the same weights. The first are waited for under ctx.
func (n *Inference) Evaluate(ctx context.Context, observations [][]float32) ([]Evaluation, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for n.version == 0 {
		if n.ready == nil {
			n.ready = make(chan struct{})
		}
		ready := n.ready
		n.mu.Unlock()
		var err error
		select {
		case <-ready:
		case <-ctx.Done():
			err = ctx.Err()
		}
		n.mu.Lock()
		if err != nil {
			return nil, err
		}
	}
	values, err := n.model.Evaluate(observations)
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
