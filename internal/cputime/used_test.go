package cputime

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Whoever reckons uses processor time, sooner or later.
func TestUsed(t *testing.T) {
	const patience = time.Minute
	before := Used()
	for began := time.Now(); Used() == before; {
		require.Less(t, time.Since(began), patience)
	}
	require.Greater(t, Used(), before)
}
