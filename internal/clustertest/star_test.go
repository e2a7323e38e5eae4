//go:build linux && hosts

package clustertest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStarOverSSH(t *testing.T) {
	c := up(t, 7)
	r := launch(t, nil, build(t, "examples/star", raceEnabled), append(c.ssh(), "-rounds", "10")...)
	require.Zero(t, r.status)
	require.Contains(t, r.out, "messages=60 total=330")
	c.requireClean(t)
}
