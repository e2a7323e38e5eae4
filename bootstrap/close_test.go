package bootstrap

import (
	"bytes"
	"context"
	"io"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/bootstrap/inventory"
)

// While a session closes, who reads one of its streams spins: with many hosts that took as long as all the rest of a launcher's work.
// The test is alone, as it looks at all goroutines.
func TestNobodyReadsWhileTheSessionCloses(t *testing.T) {
	l, err := NewLauncher(Config{Run: "test", Log: newJournal().log})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close(context.Background())) })
	var closed, reading atomic.Bool
	l.starter = &watchedStarter{l.starter, func() {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		if bytes.Contains(stacks, []byte("(*Process).listen(")) {
			reading.Store(true)
		}
		closed.Store(true)
	}}
	p, err := l.Start(t.Context(), inventory.Local(1).Hosts[0], []byte("exit 0"))
	require.NoError(t, err)
	succeeds(t, p)
	require.True(t, closed.Load())
	require.False(t, reading.Load())
}

// watchedStarter makes links that say when what they carried is closed.
type watchedStarter struct {
	starter
	closing func()
}

func (s *watchedStarter) start(ctx context.Context, h inventory.Host, p part) (*link, error) {
	l, err := s.starter.start(ctx, h, p)
	if err == nil {
		l.out = watchedCloser{l.out, s.closing}
	}
	return l, err
}

type watchedCloser struct {
	io.ReadCloser
	closing func()
}

func (c watchedCloser) Close() error {
	c.closing()
	return c.ReadCloser.Close()
}
