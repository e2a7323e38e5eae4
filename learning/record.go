package learning

import (
	"context"
	"fmt"

	"github.com/tartrl/tlaunch-go/tensor"
	"github.com/tartrl/tlaunch-go/transmit"
)

// A Recorder writes episodes into a table, as items of n steps and what was
// observed after them; at the end of an episode they are shorter. Each step is
// sent and stored once. It is used by one goroutine at a time.
//
// A step has the tensors "observation" (float32), "action" (int32), "reward"
// (float32), and "discount" (float32): 1, and 0 in the last of an item where
// nothing follows, as the episode is over. The last of an item has no action
// or reward of its own.
type Recorder struct {
	// Priority is that of new items. Zero: 1.
	Priority float64

	writer *transmit.Writer
	table  string
	n      int
	held   int // steps of this episode, up to n
}

// NewRecorder returns a recorder of items of n steps, at least 1. It says nothing to the node yet.
func NewRecorder(data transmit.Ref, table string, n int) (*Recorder, error) {
	if n < 1 {
		return nil, fmt.Errorf("learning: items of %d steps; an item has at least 1", n)
	}
	w, err := transmit.NewWriter(data, transmit.WriterConfig{Keep: n + 1})
	if err != nil {
		return nil, err
	}
	return &Recorder{writer: w, table: table, n: n}, nil
}

// Step records what was observed, what was done then, and what that has brought. It waits under ctx as transmit.Writer.Item does.
func (r *Recorder) Step(ctx context.Context, observation []float32, action int, reward float64) error {
	if err := r.append(observation, action, reward, 1); err != nil {
		return err
	}
	if r.held < r.n {
		r.held++
		return nil
	}
	return r.item(ctx, r.n+1)
}

// End ends an episode with what was observed last. terminal says that nothing follows; otherwise the episode was only cut off.
func (r *Recorder) End(ctx context.Context, observation []float32, terminal bool) error {
	discount := float32(1)
	if terminal {
		discount = 0
	}
	if err := r.append(observation, 0, 0, discount); err != nil {
		return err
	}
	for ; r.held > 0; r.held-- {
		if err := r.item(ctx, r.held+1); err != nil {
			return err
		}
	}
	return nil
}

// Abandon says that an episode was broken off, and that the next step is the
// first of another. What was recorded of it stays, as whole items.
func (r *Recorder) Abandon() { r.held = 0 }

func (r *Recorder) append(observation []float32, action int, reward float64, discount float32) error {
	return r.writer.Append(transmit.Step{
		"observation": tensor.Of(observation), "action": tensor.Scalar(int32(action)),
		"reward": tensor.Scalar(float32(reward)), "discount": tensor.Scalar(discount),
	})
}

func (r *Recorder) item(ctx context.Context, steps int) error {
	priority := r.Priority
	if priority == 0 {
		priority = 1
	}
	return r.writer.Item(ctx, r.table, steps, priority)
}

// Flush waits under ctx until all that was recorded is in the table.
func (r *Recorder) Flush(ctx context.Context) error { return r.writer.Flush(ctx) }

// Close flushes, and lets the recorder go.
func (r *Recorder) Close(ctx context.Context) error { return r.writer.Close(ctx) }

// A Transition is what a learner learns from: an observation, what was done,
// what that brought over the steps of an item, and what was observed then.
type Transition struct {
	Observation []float32
	Action      int
	Return      float32 // rewards, each discounted by the steps before it
	Next        []float32
	Discount    float32 // what the value of Next counts for: 0 where nothing follows
}

// Transitions are those of items that a [Recorder] has written. discount is
// what a reward counts for one step later. The error wraps tensor.ErrType
// where an item is of another kind.
func Transitions(items []transmit.Item, discount float64) ([]Transition, error) {
	all := make([]Transition, len(items))
	for i, it := range items {
		var err error
		if all[i], err = transition(it, discount); err != nil {
			return nil, fmt.Errorf("item %d of a batch: %w", it.Key, err)
		}
	}
	return all, nil
}

func transition(it transmit.Item, discount float64) (t Transition, err error) {
	if it.Len() < 2 {
		return t, fmt.Errorf("%w: an item of %d steps; it has at least 2", tensor.ErrType, it.Len())
	}
	sum, weight := 0.0, 1.0
	for n := range it.Len() {
		s, err := it.Step(n)
		if err != nil {
			return t, err
		}
		switch {
		case n == it.Len()-1:
			end, err := scalar[float32](s, "discount")
			if err != nil {
				return t, err
			}
			t.Return, t.Discount = float32(sum), float32(weight)*end
			t.Next, err = tensor.Values[float32](s["observation"])
			return t, err
		case n == 0:
			if t.Observation, err = tensor.Values[float32](s["observation"]); err != nil {
				return t, err
			}
			action, err := scalar[int32](s, "action")
			if err != nil {
				return t, err
			}
			t.Action = int(action)
		}
		reward, err := scalar[float32](s, "reward")
		if err != nil {
			return t, err
		}
		sum += weight * float64(reward)
		weight *= discount
	}
	return t, nil
}

func scalar[T tensor.Element](s transmit.Step, name string) (T, error) {
	v, err := tensor.Values[T](s[name])
	if err == nil && len(v) != 1 {
		err = fmt.Errorf("%w: %d numbers, not one", tensor.ErrType, len(v))
	}
	if err != nil {
		return *new(T), fmt.Errorf("%q: %w", name, err)
	}
	return v[0], nil
}
