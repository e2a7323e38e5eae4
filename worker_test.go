package tlaunch

import (
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/internal/testutil/output"
)

// What links say of hosts that go away as the run ends is not said, also where this host hears of the end a moment later.
func TestHushed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out output.Buffer
		var ending atomic.Bool
		text := slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}})
		log := slog.New(&hushed{text, &ending}).With("peer", "a")
		before := 0
		said := func() string { // since the last time
			text := out.String()[before:]
			before += len(text)
			return text
		}
		log.Info("at once")
		log.Error("at once")
		require.Equal(t, "level=INFO msg=\"at once\" peer=a\nlevel=ERROR msg=\"at once\" peer=a\n", said())

		log.Warn("late", "n", 1)
		require.Empty(t, said())
		time.Sleep(2 * hushFor)
		synctest.Wait()
		require.Equal(t, "level=WARN msg=late peer=a n=1\n", said())

		log.Warn("hushed")
		ending.Store(true)
		log.Warn("hushed")
		log.Info("hushed")
		log.Error("an error")
		time.Sleep(2 * hushFor)
		synctest.Wait()
		require.Equal(t, "level=ERROR msg=\"an error\" peer=a\n", said())
	})
}
