package bootstrap

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Tries follow each other fast as long as the usual lease lasts, and are never far apart.
func TestPause(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		n     int
		lease time.Duration
		r     float64
		want  time.Duration
	}{
		{0, DefaultLease, 0.5, 500 * time.Millisecond},
		{6, DefaultLease, 0.5, 500 * time.Millisecond},
		{7, DefaultLease, 0.5, 666666666},
		{1000, DefaultLease, 0.5, 5 * time.Second},
		{0, time.Hour, 0.5, 500 * time.Millisecond},
		{0, minLease, 0.5, 10 * time.Millisecond},
		{0, DefaultLease, 0, 375 * time.Millisecond},
		{0, DefaultLease, 1, 625 * time.Millisecond},
	} {
		require.Equal(t, c.want, pause(c.n, c.lease, c.r), "%+v", c)
	}
}
