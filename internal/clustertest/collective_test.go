//go:build linux && hosts

package clustertest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/internal/testutil/hosts"
)

// The process of a host in the middle of the chain dies in the middle of a broadcast, which takes the links 1.7 s: the others have
// everything, the first knows who is missing, and the next broadcast finds its way too.
func TestBroadcastSurvives(t *testing.T) {
	t.Parallel()
	c := up(t, 5, hosts.Rate("80mbit"))
	r := launch(t, nil, testprog(t), append([]string{"spread", "-bytes", fmt.Sprint(16 << 20), "-victim", "2", "-after", "600ms"}, c.ssh()...)...)
	require.Zero(t, r.status)
	for rank := range 5 {
		for round := range 2 {
			require.Equal(t, rank != 2, strings.Contains(r.out, fmt.Sprintf("whole rank=%d round=%d", rank, round)), "%d in %d", rank, round)
		}
	}
	for round := range 2 {
		require.Contains(t, r.out, fmt.Sprintf("whole rank=0 round=%d missing=[member/2]", round))
	}
	c.requireCleanWithin(t, allGone)
}
