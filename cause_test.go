package tlaunch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/bootstrap"
)

func TestNodeBlame(t *testing.T) {
	for want, errs := range map[blame][]error{
		blameOwn: {
			errors.New("no luck"), &actor.PanicError{Value: "v"}, actor.ErrDeadlock, actor.ErrNoMethod,
			&actor.Error{Node: "b/0", Code: actor.CodeFailed, Text: "no"},
		},
		blameBereft: {
			actor.ErrUnreachable, fmt.Errorf("sending: %w", actor.ErrStopped), context.Canceled, context.DeadlineExceeded,
			actor.Flatten("a/0", "host1", fmt.Errorf("%w: host2 of b/0 has not joined", actor.ErrUnreachable)),
		},
	} {
		for _, err := range errs {
			require.Equal(t, want, nodeBlame(err), "%v", err)
		}
	}
}

func TestProcessBlame(t *testing.T) {
	require.Equal(t, blameDeath, processBlame(bootstrap.Exit{Code: 137, Signal: "SIGKILL"}, false))
	require.Equal(t, blameDeath, processBlame(bootstrap.Exit{Code: -1, Lost: true}, false))
	require.Equal(t, blameExit, processBlame(bootstrap.Exit{Code: 7}, false))
	require.Equal(t, blameLate, processBlame(bootstrap.Exit{Code: 137, Signal: "SIGKILL"}, true))
}

// What each host says comes in its order, and hosts in any.
func TestFirstCause(t *testing.T) {
	said := func(b blame, host, node string) failure { return failure{blame: b, host: host, node: node} }
	for name, c := range map[string]struct {
		hosts [][]failure // the first of all is the cause
	}{
		"nothing else":                       {[][]failure{{said(blameOwn, "a", "x/0")}}},
		"a killed process, and who lost it":  {[][]failure{{said(blameDeath, "a", "")}, {said(blameBereft, "b", "x/0"), said(blameBereft, "b", "x/1")}, {said(blameBereft, "c", "x/2")}}},
		"an exit, and who lost it":           {[][]failure{{said(blameExit, "a", "")}, {said(blameBereft, "b", "x/0")}}},
		"who lost it exits":                  {[][]failure{{said(blameDeath, "a", "")}, {said(blameBereft, "b", "x/0"), said(blameExit, "b", "")}, {said(blameExit, "c", "")}}},
		"who lost it calls that another way": {[][]failure{{said(blameDeath, "a", "")}, {said(blameOwn, "b", "x/0")}}},
		"a node, whose process then dies":    {[][]failure{{said(blameOwn, "a", "x/0"), said(blameDeath, "a", "")}, {said(blameBereft, "b", "x/1")}}},
		"a node, and who gave up on it":      {[][]failure{{said(blameOwn, "a", "x/0")}, {said(blameBereft, "b", "x/1"), said(blameLate, "b", "x/2")}}},
		"a silent process":                   {[][]failure{{said(blameSilent, "a", "")}, {said(blameBereft, "b", "x/1"), said(blameOverdue, "b", "")}}},
		"a kill, and who lost what":          {[][]failure{{said(blameAsked, "", "")}, {said(blameBereft, "b", "x/1"), said(blameSilent, "b", "")}}},
		"a broken link between two":          {[][]failure{{said(blameBereft, "a", "x/0")}, {said(blameLate, "b", "x/1"), said(blameOverdue, "b", "")}}},
	} {
		t.Run(name, func(t *testing.T) {
			const seed = 3
			random := rand.New(rand.NewPCG(seed, seed))
			want := c.hosts[0][0]
			for range 200 {
				var heard []failure
				next := make([]int, len(c.hosts))
				for {
					var open []int
					for i, h := range c.hosts {
						if next[i] < len(h) {
							open = append(open, i)
						}
					}
					if len(open) == 0 {
						break
					}
					i := open[random.IntN(len(open))]
					heard = append(heard, c.hosts[i][next[i]])
					next[i]++
				}
				require.Equal(t, want, heard[firstCause(heard)], "seed %d: %v", seed, heard)
			}
		})
	}
	require.Equal(t, -1, firstCause(nil))
	require.Equal(t, 0, firstCause([]failure{said(blameOwn, "a", "x/0"), said(blameOwn, "b", "x/1")}), "among equals the first")
}

func TestEndFailure(t *testing.T) {
	stop := &NodeError{Node: "x/0", Host: "a", Phase: "stop", Err: errTrouble}
	require.Equal(t, failure{blameLate, "a", "x/0", stop}, endFailure(stop))
	late := &NodeError{Node: "x/0", Host: "a", Phase: "run", Err: fmt.Errorf("%w: still there", ErrKilled)}
	require.Equal(t, failure{blameOverdue, "a", "x/0", late}, endFailure(late))
}
