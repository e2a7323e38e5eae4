package mailbox

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBudgetsOfMemory(t *testing.T) {
	m := memory{Begin: 10 << 20, Peak: 60 << 20}
	used, allowed := contest{kind: idlePeer}.held(m)
	require.InDelta(t, 50<<20/idlePeers, used, 1)
	require.EqualValues(t, 256<<10, allowed)
	used, allowed = contest{kind: slowConsumer}.held(m)
	require.EqualValues(t, 60<<20, used)
	require.EqualValues(t, 14<<20, allowed)
}
