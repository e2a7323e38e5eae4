package collective_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// Whoever seals a group of nobody is told how nodes become members.
func TestEmptyGroup(t *testing.T) {
	err := collective.Over(topology.Star()).Seal()
	require.ErrorIs(t, err, topology.ErrEmpty)
	require.ErrorContains(t, err, "a star of nobody; collective.Join")
}
