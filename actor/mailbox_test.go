package actor_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

func TestTellKeepsOrder(t *testing.T) {
	for _, from := range []string{"a", "b"} {
		t.Run("from "+from, func(t *testing.T) {
			c := newCluster(t, "a", "b")
			l := &listNode{done: make(chan struct{}), want: 20000}
			spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: l})
			ref := actor.NewRef[*listNode](c.tables[from], "a/0")
			for i := range l.want {
				require.NoError(t, actor.Tell(t.Context(), ref, (*listNode).Put, i))
			}
			<-l.done
			require.True(t, l.ordered)
		})
	}
}

type listNode struct {
	want, next int
	ordered    bool
	done       chan struct{}
}

func (l *listNode) Put(_ context.Context, i int) error {
	if i != l.next {
		close(l.done)
	}
	l.next++
	if l.next == l.want {
		l.ordered = true
		close(l.done)
	}
	return nil
}
