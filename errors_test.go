package tlaunch

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/bootstrap"
)

func TestExitStatus(t *testing.T) {
	node := &NodeError{Node: "a/0", Host: "h", Phase: "run", Err: errors.New("x")}
	for name, c := range map[string]struct {
		err  error
		want int
	}{
		"well":               {nil, 0},
		"a node":             {node, StatusFailed},
		"wrapped":            {fmt.Errorf("main: %w", node), StatusFailed},
		"a process":          {&ProcessError{Host: "h", Exit: bootstrap.Exit{Code: 7}}, 7},
		"a killed process":   {&ProcessError{Host: "h", Exit: bootstrap.Exit{Code: 137, Signal: "SIGKILL"}}, 137},
		"a lost host":        {&ProcessError{Host: "h", Exit: bootstrap.Exit{Code: -1, Lost: true}}, StatusFailed},
		"an early good exit": {&ProcessError{Host: "h"}, StatusFailed},
		"killed":             {ErrKilled, StatusFailed},
		"anything":           {errors.New("x"), StatusFailed},
		"options":            {usagef("x"), StatusUsage},
		"a program":          {&ProgramError{Program: "p", Err: errors.New("x")}, StatusUsage},
		"hosts":              {launchError("p", 2, []error{nil, errors.New("x")}), StatusLaunch},
		"a host's usage":     {launchError("p", 2, []error{usagef("x")}), StatusLaunch},
		"a cancelled one":    {failedLaunch("p", context.Canceled), StatusLaunch},
		"options in launch":  {failedLaunch("p", fmt.Errorf("y: %w", usagef("x"))), StatusUsage},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, ExitStatus(c.err)) })
	}
}

func TestErrorTexts(t *testing.T) {
	cause := errors.New("cause")
	several := launchError("star", 3, []error{
		&bootstrap.HostError{Host: "host1", Op: "connect", Err: cause, Remedy: "plug it in"}, nil, errors.New("two\nlines"),
	})
	require.EqualError(t, several, "launching star: 2 of 3 hosts failed\n  host host1: connect: cause; plug it in\n  two\n    lines")
	require.ErrorIs(t, several, cause)
	require.NoError(t, launchError("star", 3, make([]error, 3)))
	require.EqualError(t, failedLaunch("star", cause), "launching star: cause")
	require.Equal(t, several, failedLaunch("star", several))
	require.EqualError(t, &ProgramError{"star", errors.Join(cause, cause)}, "program star: cause\n  cause")

	here := newNodeError(outcome{"a/0", "host1", "run", &actor.PanicError{Value: "v", Stack: "stack\n"}})
	require.EqualError(t, here, "node a/0 on host1 failed (run): panic: v\nstack")
	there := newNodeError(outcome{"a/0", "host1", "run", actor.Flatten("a/0", "host1", &actor.PanicError{Value: "v", Stack: "stack\n"})})
	require.EqualError(t, there, here.Error(), "the same from another process")
	require.ErrorIs(t, there, actor.ErrPanic)
	called := newNodeError(outcome{"a/0", "host1", "run", &actor.Error{Node: "b/0", Host: "host2", Method: "M", Text: "no"}})
	require.EqualError(t, called, "node a/0 on host1 failed (run): b/0 on host2: M: no")

	ended := &ProcessError{Host: "host1", Exit: bootstrap.Exit{Code: 137, Signal: "SIGKILL", Last: []string{"one", "two"}}}
	require.ErrorContains(t, ended, "the process on host1 ended: ")
	require.ErrorContains(t, ended, "SIGKILL")
	require.ErrorContains(t, ended, "its last lines:\n  one\n  two")
	require.Equal(t, "the process on host1 ended: killed by SIGKILL", brief(ended))
	own := *ended
	own.Node = "a/0"
	require.Equal(t, "node a/0 on host1 failed (run): its own process ended: killed by SIGKILL", brief(&NodeError{Node: "a/0", Host: "host1", Phase: "run", Err: &own}))
	require.Equal(t, "node a/0 on host1 failed (run): panic: v", brief(here))
	lost := &ProcessError{Host: "host1", Exit: bootstrap.Exit{Lost: true, Code: -1, Err: bootstrap.ErrNoStatus}}
	require.ErrorIs(t, lost, bootstrap.ErrNoStatus)
}
