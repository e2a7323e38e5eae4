package groups

import (
	"context"

	"github.com/tartrl/tlaunch-go/tensor"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

type Worker struct{ collective.Member }

func (*Worker) Count(context.Context, string) (int, error) { return 0, nil }

func (*Worker) SlowDown(context.Context, float64) error { return nil }

// fragment: var count = collective.NewQuestion((*Worker).Count, func(a, b int) int { return a + b })

func messages(ctx context.Context, w *Worker) {
	// fragment: reply, err := count.Ask(ctx, w, "errors")
	_, _ = reply, err
}

func data(ctx context.Context, w *Worker, weights, gradients []float32) {
	// fragment: err := collective.Broadcast(ctx, w, 0, weights)                // from rank 0 to all
	_ = err
}

func publish(ctx context.Context, l *Worker, w, b []float32, rows, cols int) {
	// fragment: weights, err := collective.NewPublisher(ctx, l, "weights") // in the learner's Run
	_, _ = number, err
}

func follow(ctx context.Context, a *Worker) {
	// fragment: weights, err := collective.NewReader(ctx, a, 0, "weights") // in an actor's: what rank 0 publishes
	_, _ = numbers, err
}
