package launch

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTargets(t *testing.T) {
	for name, c := range map[string]struct {
		mode, peer string
		same       bool
		most       float64
	}{
		"default": {warm, pdsh, false, 0.35},
		"same":    {warm, pdsh, true, 1.3},
		"copy":    {cold, clush, false, 0.7},
		"none":    {warm, clush, false, 0},
		"mpi":     {warm, mpirun, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			most, ok := target(c.mode, c.peer, c.same)
			require.Equal(t, c.most, most)
			require.Equal(t, c.most > 0, ok)
		})
	}
}
