//go:build linux && hosts

package clustertest

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/internal/testutil/hosts"
)

// The process of a host in the middle of the chain dies when half of a broadcast has come, which takes the links 0.9 s: the others have
// everything, the first knows who is missing, and the next broadcasts find their way too, until the host is there again and takes part.
func TestBroadcastSurvives(t *testing.T) {
	t.Parallel()
	c := up(t, 4, hosts.Rate("80mbit"))
	r := launch(t, nil, testprog(t), append([]string{"spread", "-bytes", fmt.Sprint(8 << 20), "-victim", "2", "-again"}, c.ssh()...)...)
	require.Zero(t, r.status)
	for rank := range 4 {
		require.Contains(t, r.out, fmt.Sprintf("whole rank=%d round=0 missing=[]", rank))
		require.Equal(t, rank != 2, strings.Contains(r.out, fmt.Sprintf("whole rank=%d round=1 ", rank)), "%d", rank)
	}
	require.Contains(t, r.out, "whole rank=0 round=1 missing=[member/2]")
	require.Regexp(t, `whole rank=2 round=[1-9]\d* missing=\[\]`, r.out, "started again")
	for _, line := range regexp.MustCompile(`whole rank=\d round=[01] .*`).FindAllString(r.out, -1) {
		t.Log(line)
	}
	c.requireCleanWithin(t, allGone)
}

// The first of a chain publishes four times what the links carry, and the process of one in the middle dies: all others have the last version, and
// the first has sent each version that arrived once, or a little more.
func TestPublishSurvives(t *testing.T) {
	t.Parallel()
	c := up(t, 5, hosts.Rate("80mbit"))
	const versions = 40
	r := launch(t, nil, testprog(t), append([]string{"editions", "-bytes", fmt.Sprint(2 << 20), "-versions", fmt.Sprint(versions), "-every", "50ms",
		"-victim", "2", "-after", "700ms"}, c.ssh()...)...)
	require.Zero(t, r.status)
	for rank := 1; rank < 5; rank++ {
		require.Equal(t, rank != 2, strings.Contains(r.out, fmt.Sprintf("read rank=%d last=%d", rank, versions)), "%d", rank)
	}
	number := func(expr string) float64 {
		found := regexp.MustCompile(expr).FindStringSubmatch(r.out)
		require.NotNil(t, found, expr)
		n, err := strconv.ParseFloat(found[1], 64)
		require.NoError(t, err)
		return n
	}
	whole := number(`read rank=1 last=\d+ versions=\d+ whole=(\d+)`)
	require.Less(t, whole, float64(versions))
	require.LessOrEqual(t, number(`published copies=([\d.]+)`), 1.2*whole+1) // on a busy machine few arrive
	c.requireCleanWithin(t, allGone)
}
